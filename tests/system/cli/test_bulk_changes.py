"""roster users update, delete and count, for several users at once."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

Roster = Callable[..., Result]
Users = Callable[[], list[tuple[str, str, bool, str]]]

PEOPLE = (("ann", "admin"), ("bob", "user"), ("cid", "admin"), ("dee", "user"))


@pytest.fixture
def people(roster: Roster, write: Callable[[str, str], str]) -> None:
    lines = "".join(f"{name}@x.test,{name.title()},{role}\n" for name, role in PEOPLE)
    assert (
        roster("users", "import", write("people.csv", f"email,name,role\n{lines}")).exit_code == 0
    )


def roles(directory: Users) -> list[str]:
    return [role for _, _, _, role in directory()]


def actions(roster: Roster) -> list[str]:
    events = map(json.loads, roster("events").stdout.splitlines())
    return [event["action"] for event in events if event["action"] != "imported"]


@pytest.mark.usefixtures("people")
def test_several_users_are_changed_at_once(roster: Roster, directory: Users) -> None:
    changed = roster("users", "update", "3", "ANN@x.test", "1", "--role", "owner")
    assert (changed.exit_code, changed.stderr) == (0, "")
    assert [line.split()[0] for line in changed.stdout.splitlines()] == ["id", "3", "1"]
    assert roles(directory) == ["owner", "user", "owner", "user"]
    document = json.loads(roster("users", "update", "2", "4", "--active", "--json").stdout)
    assert [(each["id"], each["attributes"]["is_active"]) for each in document["data"]] == [
        ("2", True),
        ("4", True),
    ]
    assert actions(roster)[4:] == ["changed"] * 4


@pytest.mark.usefixtures("people")
def test_several_users_are_deleted_at_once(roster: Roster, directory: Users) -> None:
    deleted = roster("users", "delete", "1", "cid@x.test", "ANN@x.test", "--actor", "sam")
    assert (deleted.exit_code, deleted.stdout, deleted.stderr) == (0, "Deleted 2 users.\n", "")
    assert [email for email, *_ in directory()] == ["bob@x.test", "dee@x.test"]
    assert actions(roster)[4:] == ["deleted"] * 2
    assert roster("events").stdout.count('"actor":"sam"') == 2
    assert json.loads(roster("users", "delete", "2", "--json").stdout)["meta"] == {"deleted": 1}


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    "command", [("update", "--role", "owner"), ("delete",), ("delete", "--erase", "--yes")]
)
def test_nothing_happens_if_some_do_not_exist(
    roster: Roster, directory: Users, command: tuple[str, ...]
) -> None:
    before = directory()
    name, *options = command
    refused = roster("users", name, "1", "77", "bob@x.test", "nil@x.test", *options)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "Error: user_not_found: There is no user 77 or nil@x.test.\n"
    assert directory() == before
    many = [str(number) for number in range(100, 1100)]
    refused = roster("users", name, *many, *options)
    assert refused.stderr.startswith("Error: user_not_found: There is no user 100, 101, 102, ")
    assert refused.stderr.endswith(" or 980 others.\n")
    refused = roster("users", name, *many[:21], *options)
    assert refused.stderr.endswith(", 119 or 1 other.\n")


@pytest.mark.usefixtures("people")
def test_filters_change_the_matching_users_after_a_confirmation(
    roster: Roster, directory: Users
) -> None:
    command = ("users", "update", "--filter", "role=admin", "--role", "owner", "--active")
    refused = roster(*command)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "This sets is_active, role of 2 users." in refused.stderr
    assert "use --yes to confirm" in refused.stderr
    assert roles(directory) == ["admin", "user", "admin", "user"]
    changed = roster(*command, "--yes")
    assert (changed.exit_code, changed.stdout) == (0, "2 changed, 0 unchanged\n")
    assert roles(directory) == ["owner", "user", "owner", "user"]
    again = roster("users", "update", "--filter", "id[gt]=1", "--role", "owner", "--yes", "--json")
    assert json.loads(again.stdout) == {
        "jsonapi": {"version": "1.1"},
        "meta": {"changed": 2, "unchanged": 1},
    }


@pytest.mark.usefixtures("people")
def test_filters_delete_the_matching_users_after_a_confirmation(
    roster: Roster, directory: Users
) -> None:
    command = ("users", "delete", "--filter", "role=user", "--filter", "name[ne]=Bob")
    refused = roster(*command)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "This deletes 1 user." in refused.stderr
    deleted = roster(*command, "--yes")
    assert (deleted.exit_code, deleted.stdout) == (0, "Deleted 1 user.\n")
    assert [email for email, *_ in directory()] == ["ann@x.test", "bob@x.test", "cid@x.test"]


@pytest.mark.usefixtures("people")
def test_a_deletion_is_confirmed_on_a_terminal(
    on_terminal: Callable[..., str], directory: Users
) -> None:
    command = ("users", "delete", "--filter", "role=user")
    assert "Deleted" not in on_terminal(*command, typed="n\n")
    assert len(directory()) == 4
    shown = on_terminal(*command, typed="y\n")
    assert "This deletes 2 users." in shown
    assert "Deleting" in shown, "the progress is shown"
    assert "Deleted 2 users." in shown
    assert len(directory()) == 2


@pytest.mark.usefixtures("people")
def test_filters_without_a_match_need_no_confirmation(roster: Roster) -> None:
    done = roster("users", "delete", "--filter", "role=guest")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "Deleted 0 users.\n", "")
    done = roster("users", "delete", "--filter", "role=guest", "--erase")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "Erased 0 users.\n", "")
    done = roster("users", "update", "--filter", "role=guest", "--active")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "0 changed, 0 unchanged\n", "")


@pytest.mark.usefixtures("people")
def test_conflicting_changes_are_all_rejected(roster: Roster, directory: Users) -> None:
    before = directory()
    for chosen in (("1", "2"), ("--filter", "role=admin", "--yes")):
        refused = roster("users", "update", *chosen, "--email", "new@x.test")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr.endswith("Error: email_taken: Another user has this email.\n")
        assert directory() == before
    assert actions(roster) == ["created"] * 4


@pytest.mark.usefixtures("people")
def test_several_users_are_erased_at_once(roster: Roster, directory: Users) -> None:
    assert roster("users", "delete", "1").exit_code == 0
    refused = roster("users", "delete", "1", "bob@x.test", "--erase")
    assert refused.exit_code == 2
    assert "This deletes 2 users and erases the personal values in 3 events" in refused.stderr
    erased = roster("users", "delete", "1", "bob@x.test", "--erase", "--yes")
    assert (erased.exit_code, erased.stdout) == (0, "Erased 2 users.\n")
    options = ("--filter", "role=admin", "--erase", "--yes", "--json")
    assert json.loads(roster("users", "delete", *options).stdout)["meta"] == {"erased": 1}
    assert [email for email, *_ in directory()] == ["dee@x.test"]
    events = roster("events").stdout
    assert not [name for name in ("ann", "bob", "cid") if f"{name}@" in events]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("delete",), "Missing argument 'ID_OR_EMAIL...', or --filter."),
        (("update", "--active"), "Missing argument 'ID_OR_EMAIL...', or --filter."),
        (("delete", "1", "--filter", "id=2"), "ID_OR_EMAIL and --filter cannot be combined."),
        (("update", "1", "--filter", "id=2", "--active"), "cannot be combined."),
        (("update", "--filter", "id=2", "--yes"), "Name an attribute to change."),
        (("delete", "--filter", "shoe=2", "--yes"), "unknown_attribute: Unknown attribute 'shoe'"),
        (("delete", "--filter", "id", "--yes"), "'id' is not ATTR=VALUE."),
        (("count", "--by", "shoe"), "Unknown attribute 'shoe' in --by. Known: email, name, "),
        (("count", "--by", "active"), "in --by. Did you mean 'is_active'? Known: email, name, "),
        (("count", "--limit", "0"), "0 is not in the range"),
    ],
)
def test_wrong_usage_changes_nothing(
    roster: Roster, directory: Users, arguments: tuple[str, ...], error: str
) -> None:
    before = directory()
    refused = roster("users", *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert error in refused.stderr
    assert directory() == before


@pytest.mark.usefixtures("people")
def test_users_are_counted(roster: Roster) -> None:
    assert roster("users", "count").stdout == "4\n"
    assert roster("users", "count", "--filter", "role=admin").stdout == "2\n"
    document = {"jsonapi": {"version": "1.1"}, "meta": {"count": 4}}
    assert json.loads(roster("users", "count", "--json").stdout) == document


@pytest.mark.usefixtures("people")
def test_users_are_counted_by_an_attribute(roster: Roster) -> None:
    roster("users", "update", "2", "--role", "admin")
    counted = roster("users", "count", "--by", "role")
    assert (counted.exit_code, counted.stderr) == (0, "")
    assert [line.split() for line in counted.stdout.splitlines()] == [
        ["role", "count"],
        ["admin", "3"],
        ["user", "1"],
    ]
    options = ("--by", "name", "--limit", "2", "--filter", "role=admin")
    first = roster("users", "count", *options)
    assert len(first.stdout.splitlines()) == 3
    assert first.stderr == "Showing the first 2 values of name. Use --limit N to see more.\n"
    as_json = roster("users", "count", *options, "--json")
    assert as_json.stderr == ""
    assert json.loads(as_json.stdout)["meta"] == {
        "by": "name",
        "groups": [{"value": "Ann", "count": 1}, {"value": "Bob", "count": 1}],
        "more": True,
    }
