"""A company is imported, read through every URL of a relationship, and changed by many clients."""

import csv
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from end_to_end.company import (
    Company,
    company,
    write_groups,
    write_memberships,
    write_users,
)
from end_to_end.directory import (
    CLIENTS,
    SIZE,
    Changer,
    Json,
    Model,
    Service,
    identifier,
    identifiers,
    ids,
    result_of,
)

from entrypoints.cli.main import main

INCLUDED = 25
"""The number of related resources of each list that `include` adds."""


@dataclass(frozen=True)
class Scale:
    """The size of a company, the number of changes by each client, and what is read.

    `part` is 20 if the groups of every twentieth user are read at the URLs of that user.
    """

    people: int
    groups: int
    changes: int
    part: int


SCALES = [
    pytest.param(Scale(2_000, 50, changes=25, part=20), id="2000"),
    pytest.param(Scale(20_000, 500, changes=250, part=10), id="20000", marks=pytest.mark.long),
]
Run = Callable[..., str]


@pytest.fixture(params=["sqlite_url", "postgresql_url"])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def roster(database_url: str) -> Run:
    """Runs a command that succeeds, and returns its output."""

    def run(*arguments: object) -> str:
        environment = {"ROSTER_DATABASE_URL": database_url}
        done = CliRunner().invoke(
            main, [*map(str, arguments)], env=environment, catch_exceptions=False
        )
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.mark.parametrize("scale", SCALES)
def test_a_company_is_equal_to_a_dictionary_after_an_import_and_concurrent_changes(
    scale: Scale, database_url: str, roster: Run, serve: Callable[[str], str], tmp_path: Path
) -> None:
    url = serve(database_url)
    imported = company(scale.people, scale.groups)
    import_company(roster, imported, tmp_path)
    model = model_of(roster, imported)
    with httpx.Client(base_url=url, timeout=30) as client, ThreadPoolExecutor(CLIENTS) as pool:
        reader = Reader(Service(client), pool, roster)
        reader.assert_equal(model, scale.part)
        changers = [Changer(Service(client), model, number) for number in range(CLIENTS)]
        list(pool.map(lambda each: each.run(scale.changes), changers))
        reader.assert_equal(result_of(changers), scale.part)


def import_company(roster: Run, imported: Company, directory: Path) -> None:
    users, groups, memberships = (
        directory / name for name in ("users.csv", "groups.csv", "memberships.jsonl")
    )
    write_users(imported, users)
    write_groups(imported, groups)
    write_memberships(imported, memberships)
    for name, file, count in (
        ("users", users, len(imported.people)),
        ("groups", groups, len(imported.groups)),
        ("memberships", memberships, imported.memberships),
    ):
        counts = f"{count} created, 0 changed, 0 unchanged, 0 bad\n"
        assert roster(name, "import", file) == counts


def model_of(roster: Run, imported: Company) -> Model:
    """The company with the ids that the directory gave to users and groups."""
    user_ids = {each["email"]: each["id"] for each in exported(roster, "users")}
    group_ids = {each["name"]: each["id"] for each in exported(roster, "groups")}
    return Model(
        {user_ids[each["email"]]: each for each in imported.people},
        {
            group_ids[each.name]: {"name": each.name, "description": each.description}
            for each in imported.groups
        },
        {group_ids[each.name]: each.owner and user_ids[each.owner] for each in imported.groups},
        {
            (group_ids[group.name], user_ids[email])
            for group in imported.groups
            for email in group.members
        },
    )


def exported(roster: Run, name: str) -> list[Json]:
    lines = roster(name, "export", "--format", "jsonl").split("\n")
    return [{**(row := json.loads(line)), "id": str(row.get("id"))} for line in lines[:-1]]


class Reader:
    """Compares a directory with a model."""

    def __init__(self, service: Service, pool: ThreadPoolExecutor, roster: Run) -> None:
        self._service = service
        self._pool = pool
        self._roster = roster

    def assert_equal(self, model: Model, part: int) -> None:
        members, groups = model.members(), model.groups_of_users()
        self._assert_exported(model, members)
        list(self._pool.map(lambda each: self._assert_group(each, model, members), model.groups))
        users = [*model.users][::part]
        list(self._pool.map(lambda each: self._assert_user(each, model, groups), users))
        self._assert_collections(model, members, groups)
        self._assert_paths(model, members, groups)
        self._assert_filters(model, members, groups)
        self._assert_events(members, groups)

    # -- the command line ----------------------------------------------------------------------

    def _assert_exported(self, model: Model, members: dict[str, list[str]]) -> None:
        def email(user: str | None) -> Any:
            return user and model.users[user]["email"]

        users = {each["id"]: settable(each, USER) for each in exported(self._roster, "users")}
        assert users == model.users
        groups = {each["id"]: each for each in exported(self._roster, "groups")}
        assert {key: settable(each, GROUP) for key, each in groups.items()} == model.groups
        owners = {key: email(owner) for key, owner in model.owners.items()}
        assert {key: each["owner"] for key, each in groups.items()} == owners
        text = StringIO(self._roster("memberships", "export"), newline="")
        assert list(csv.reader(text)) == [
            ["group", "user"],
            *(
                [model.groups[group]["name"], email(user)]
                for group in model.groups
                for user in members[group]
            ),
        ]

    def _assert_events(self, members: dict[str, list[str]], groups: dict[str, list[str]]) -> None:
        """The audit log has the same memberships, from both sides."""
        logged: dict[str, dict[str, set[str]]] = {"members": {}, "groups": {}}
        for line in self._roster("events").split("\n")[:-1]:
            event = json.loads(line)
            if event["action"] == "related":
                ((name, changes),) = event["changes"].items()
                present = logged[name].setdefault(event["subject_id"], set())
                added, removed = (set(changes.get(each, ())) for each in ("added", "removed"))
                assert not present & added
                assert removed <= present
                logged[name][event["subject_id"]] = (present | added) - removed
        for name, expected in (("members", members), ("groups", groups)):
            found = {key: logged[name].get(key, set()) for key in expected}
            assert found == {key: set(each) for key, each in expected.items()}

    # -- the URLs of one user or group ---------------------------------------------------------

    def _assert_group(self, group: str, model: Model, members: dict[str, list[str]]) -> None:
        get, expected, owner = self._service.get, members[group], model.owners[group]
        path = f"/groups/{group}"
        related = self._service.items(f"{path}/members?{SIZE}&fields[users]=email")
        assert [(each["id"], each["attributes"]["email"]) for each in related] == [
            (user, model.users[user]["email"]) for user in expected
        ]
        assert self._identifiers(f"{path}/relationships/members") == identifiers("users", expected)
        found = get(f"{path}/owner")["data"]
        assert (found and found["id"]) == owner
        linkage = owner and identifier("users", owner)
        assert get(f"{path}/relationships/owner")["data"] == linkage
        document = get(f"{path}?include=members,owner&fields[users]=name")
        assert settable(document["data"]["attributes"], GROUP) == model.groups[group]
        relationships = document["data"]["relationships"]
        assert relationships["owner"]["data"] == linkage
        self._assert_linkage(relationships["members"], identifiers("users", expected))
        first = {*expected[:INCLUDED], *([owner] if owner else [])}
        assert included(document) == {("users", user) for user in first}
        for each in document["included"]:
            assert each["attributes"] == {"name": model.users[each["id"]]["name"]}

    def _assert_user(self, user: str, model: Model, groups: dict[str, list[str]]) -> None:
        path, expected = f"/users/{user}", groups[user]
        related = self._service.items(f"{path}/groups?{SIZE}")
        assert [(each["id"], settable(each["attributes"], GROUP)) for each in related] == [
            (group, model.groups[group]) for group in expected
        ]
        assert self._identifiers(f"{path}/relationships/groups") == identifiers("groups", expected)
        document = self._service.get(f"{path}?include=groups.owner")
        assert settable(document["data"]["attributes"], USER) == model.users[user]
        self._assert_linkage(
            document["data"]["relationships"]["groups"], identifiers("groups", expected)
        )
        first = expected[:INCLUDED]
        owners = {owner for group in first if (owner := model.owners[group])} - {user}
        assert included(document) == {
            *(("groups", group) for group in first),
            *(("users", owner) for owner in owners),
        }

    def _identifiers(self, path: str) -> list[Json]:
        found = self._service.items(f"{path}?{SIZE}")
        return [identifier(each["type"], each["id"]) for each in found]

    def _assert_linkage(self, relationship: Json, expected: list[Json]) -> None:
        """The first identifiers are in the resource, and the others on the linked pages."""
        assert relationship["data"] == expected[:INCLUDED]
        assert relationship["links"]["prev"] is None
        following = relationship["links"]["next"]
        assert (following is None) is (len(expected) <= INCLUDED)
        if following:
            page = self._service.get(following)["data"]
            assert [identifier(each["type"], each["id"]) for each in page] == (
                expected[INCLUDED : INCLUDED + len(page)]
            )

    # -- collections ---------------------------------------------------------------------------

    def _pages(self, path: str) -> Iterator[Json]:
        url: str | None = path
        while url:
            document = self._service.get(url)
            yield document
            url = document["links"]["next"]

    def _assert_collections(
        self, model: Model, members: dict[str, list[str]], groups: dict[str, list[str]]
    ) -> None:
        seen = []
        for page in self._pages(f"/users?include=groups&{SIZE}&fields[groups]=name"):
            for user in page["data"]:
                expected = identifiers("groups", groups[user["id"]])
                assert user["relationships"]["groups"]["data"] == expected[:INCLUDED]
            seen += ids(page["data"])
            first = {group for user in page["data"] for group in groups[user["id"]][:INCLUDED]}
            assert included(page) == {("groups", group) for group in first}
        assert seen == [*model.users]
        seen = []
        for page in self._pages("/groups?include=members,owner&page[size]=500&fields[users]="):
            wanted: set[str] = set()
            for group in page["data"]:
                shown = members[group["id"]][:INCLUDED]
                linkage = group["relationships"]["members"]["data"]
                assert linkage == identifiers("users", shown)
                wanted |= {*shown, *filter(None, [model.owners[group["id"]]])}
            seen += ids(page["data"])
            assert included(page) == {("users", user) for user in wanted}
        assert seen == [*model.groups]

    def _assert_paths(
        self, model: Model, members: dict[str, list[str]], groups: dict[str, list[str]]
    ) -> None:
        """Included resources lead to others, also at the URLs of relationships."""
        for group in [*model.groups][:: max(1, len(model.groups) // 20)]:
            first = members[group][:INCLUDED]
            others = {other for user in first for other in groups[user][:INCLUDED]}
            document = self._service.get(f"/groups/{group}?include=members.groups")
            assert included(document) == {
                *(("users", user) for user in first),
                *(("groups", other) for other in others - {group}),
            }
            document = self._service.get(f"/groups/{group}/members?include=groups")
            assert included(document) == {("groups", other) for other in others}
            document = self._service.get(
                f"/groups/{group}/relationships/members?include=members.groups"
            )
            assert included(document) == {
                *(("users", user) for user in first),
                *(("groups", other) for other in others),
            }

    def _assert_filters(
        self, model: Model, members: dict[str, list[str]], groups: dict[str, list[str]]
    ) -> None:
        for group in [*model.groups][:: max(1, len(model.groups) // 20)]:
            for test in (
                {"filter[groups]": group},
                {"filter[groups.name][]": model.groups[group]["name"]},
            ):
                query = httpx.QueryParams({**test, "page[total]": "true", "page[size]": "1000"})
                document = self._service.get(f"/users?{query}")
                assert document["meta"]["page"]["total"] == len(members[group])
                assert ids(document["data"]) == members[group][:1000]
        without = [user for user in model.users if not groups[user]]
        found = self._service.items(f"/users?filter[groups][empty]=true&{SIZE}")
        assert ids(found) == without
        owned = [group for group, owner in model.owners.items() if owner is None]
        found = self._service.items(f"/groups?filter[owner][empty]=true&{SIZE}")
        assert set(ids(found)) == set(owned)


USER = ("email", "name", "is_active", "role")
GROUP = ("name", "description")


def settable(attributes: Json, names: tuple[str, ...]) -> Json:
    return {name: attributes[name] for name in names}


def included(document: Json) -> set[tuple[str, str]]:
    """The types and ids of the included resources. None is included twice."""
    found = [(each["type"], each["id"]) for each in document["included"]]
    assert len(found) == len(set(found))
    return set(found)
