"""roster demo, as a user runs it."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any

from click.testing import Result

Roster = Callable[..., Result]


def people(roster: Roster, **environment: str) -> list[dict[str, Any]]:
    exported = roster("users", "export", "--format", "jsonl", **environment)
    return [json.loads(line) for line in exported.stdout.splitlines()]


def test_an_empty_directory_is_filled_with_people_of_many_scripts(roster: Roster) -> None:
    assert roster("demo", "1500").stdout.startswith("1,500 users, ")
    found = people(roster)
    assert len({each["email"] for each in found}) == 1500
    letters = {unicodedata.name(each["name"][0]).split()[0] for each in found}
    assert letters >= {"LATIN", "GREEK", "CYRILLIC", "HEBREW", "ARABIC", "CJK", "HANGUL", "THAI"}
    assert {each["role"] for each in found} == {"user", "editor", "admin"}
    assert {each["is_active"] for each in found} == {True, False}


def test_the_people_are_in_groups_of_an_organization(roster: Roster) -> None:
    done = roster("demo", "1500")
    groups = [
        json.loads(each)
        for each in roster("groups", "export", "--format", "jsonl").stdout.splitlines()
    ]
    pairs = [line.split(",") for line in roster("memberships", "export").stdout.splitlines()[1:]]
    counts = f"1,500 users, {len(groups)} groups and {len(pairs):,} memberships"
    assert done.stdout == f"{counts} created\n"
    members: dict[str, set[str]] = {}
    for group, user in pairs:
        members.setdefault(group, set()).add(user)
    assert members.keys() == {each["name"] for each in groups}
    owned = [each for each in groups if each["owner"]]
    assert all(each["owner"] in members[each["name"]] for each in owned)
    assert 0 < len(owned) < len(groups)
    for name in members:
        department, _, team = name.partition(" / ")
        if team and department in members:
            assert members[name] < members[department]
    sizes = sorted(map(len, members.values()))
    assert sizes[-1] > 10 * sizes[0] > 10


def test_the_noun_of_one_user_is_singular(roster: Roster) -> None:
    assert roster("demo", "1").stdout == "1 user, 0 groups and 0 memberships created\n"


def test_a_directory_with_groups_does_not_change(roster: Roster) -> None:
    roster("groups", "create", "--name", "Staff")
    refused = roster("demo", "5")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: not_empty: The directory already has groups")
    assert people(roster) == []


def test_a_directory_with_users_does_not_change(roster: Roster) -> None:
    roster("users", "create", "--email", "ann@x.test", "--name", "Ann")
    refused = roster("demo", "5")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: not_empty: The directory already has users")
    assert len(people(roster)) == 1


def test_the_same_seed_invents_the_same_people_and_groups(roster: Roster, tmp_path: Any) -> None:
    def invented(*arguments: str) -> tuple[list[tuple[str, str, str]], str]:
        number = len([*tmp_path.iterdir()])
        url = {"ROSTER_DATABASE_URL": f"sqlite:///{tmp_path}/demo{number}.db"}
        roster("db", "upgrade", **url)
        assert roster("demo", *arguments, **url).exit_code == 0
        found = [(p["email"], p["name"], p["role"]) for p in people(roster, **url)]
        return found, roster("memberships", "export", **url).stdout

    first = invented("50", "--seed", "7")
    assert invented("50", "--seed", "7") == first
    assert invented("60", "--seed", "7")[0][:50] == first[0]
    assert all(
        one != other for one, other in zip(invented("50", "--seed", "8"), first, strict=True)
    )


def test_invalid_numbers_are_wrong_usage(roster: Roster) -> None:
    for number in ("0", "1000001", "many"):
        assert roster("demo", number).exit_code == 2
