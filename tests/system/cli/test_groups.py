"""roster groups, and the relationships of groups and users, as a user runs them."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli.main import main

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]
BadLines = Callable[[Result], list[tuple[int, str]]]


@pytest.fixture
def people(roster: Roster) -> None:
    """The users ann, bob and cy with the ids 1 to 3."""
    for name in ("ann", "bob", "cy"):
        email = f"{name}@example.org"
        assert roster("users", "create", "--email", email, "--name", name).exit_code == 0


@pytest.fixture
def groups(roster: Roster, people: None) -> None:
    """The groups Staff, which ann owns, and Board with the ids 1 and 2."""
    owned = roster("groups", "create", "--name", "Staff", "--owner", "ANN@example.org")
    assert owned.exit_code == 0, owned.stderr
    assert roster("groups", "create", "--name", "Board").exit_code == 0


def ids(listed: Result) -> list[str]:
    assert listed.exit_code == 0, listed.stderr
    return [line.split()[0] for line in listed.stdout.splitlines()[1:]]


def owners(roster: Roster) -> list[tuple[str, str]]:
    """The names of all groups, with their owners as the table shows them."""
    exported = roster("groups", "export", "--fields", "name,owner")
    return [(row["name"], row["owner"]) for row in csv.DictReader(io.StringIO(exported.stdout))]


def meta(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["meta"]


def test_a_group_is_found_by_id_and_by_name(roster: Roster, groups: None) -> None:
    for which in ("1", "Staff", "ＳTAFF"):
        shown = roster("groups", "show", which)
        assert shown.exit_code == 0, shown.stderr
        assert shown.stdout.split("\n")[1].split()[:2] == ["1", "Staff"]
    assert roster("groups", "show", "Stuff").stderr == (
        "Error: group_not_found: There is no group Stuff.\n"
    )


@pytest.mark.parametrize("command", [("create", "--name", "Club"), ("update", "1")])
@pytest.mark.parametrize(
    ("name", "value"), [("description", "Meets on Mondays."), ("owner", "bob@example.org")]
)
def test_one_command_does_not_set_a_value_and_null(
    roster: Roster, groups: None, command: tuple[str, ...], name: str, value: str
) -> None:
    before = roster("groups", "list", "--json").stdout
    options = [f"--{name}", value, f"--no-{name}"]
    for each in (options, [*options[2:], *options[:2]]):
        result = roster("groups", *command, *each)
        assert result.exit_code == 2
        assert f"Error: {name} cannot be set to a value and to null." in result.stderr
    assert roster("groups", "list", "--json").stdout == before


def test_a_name_of_digits_is_an_id(roster: Roster, people: None) -> None:
    for name in ("2", "007"):
        assert roster("groups", "create", "--name", name).exit_code == 0
    assert "007" in roster("groups", "show", "2").stdout
    missing = roster("groups", "show", "007")
    assert missing.stderr == "Error: group_not_found: There is no group 007.\n"


def test_the_owner_is_set_shown_and_removed(roster: Roster, groups: None) -> None:
    table = roster("groups", "list").stdout.splitlines()
    assert table[0].split()[-1] == "owner"
    assert table[1].split()[-1] == "1"
    assert roster("groups", "update", "board", "--owner", "2").exit_code == 0
    assert owners(roster) == [("Staff", "ann@example.org"), ("Board", "bob@example.org")]
    assert roster("groups", "update", "1", "2", "--no-owner", "--description", "x").exit_code == 0
    assert owners(roster) == [("Staff", ""), ("Board", "")]
    both = roster(
        "groups", "update", "--filter", "name=Board", "--owner", "cy@example.org", "--yes"
    )
    assert both.stdout == "1 changed, 0 unchanged\n"
    assert owners(roster) == [("Staff", ""), ("Board", "cy@example.org")]
    assert roster("users", "delete", "3").exit_code == 0
    assert owners(roster) == [("Staff", ""), ("Board", "")]


def test_an_empty_cell_of_an_import_means_no_owner(
    roster: Roster, write: Write, groups: None
) -> None:
    file = write("groups.csv", "name,owner\nStaff,\nBoard,ann@example.org\nNew,\n")
    imported = roster("groups", "import", "--update", file)
    assert (imported.exit_code, imported.stderr) == (0, "")
    assert owners(roster) == [("Staff", ""), ("Board", "ann@example.org"), ("New", "")]


@pytest.mark.parametrize("owner", ["77", "zed@example.org", "0", "9" * 30])
def test_an_owner_must_exist(roster: Roster, groups: None, owner: str) -> None:
    for command in (("create", "--name", "New"), ("update", "1")):
        refused = roster("groups", *command, "--owner", owner)
        assert refused.exit_code == 1
        assert "user_not_found" in refused.stderr
    assert owners(roster) == [("Staff", "ann@example.org"), ("Board", "")]


def test_columns_and_fields_include_the_owner(roster: Roster, groups: None) -> None:
    listed = roster("groups", "list", "--columns", "owner,name")
    assert [line.split() for line in listed.stdout.splitlines()] == [
        ["owner", "name"],
        ["1", "Staff"],
        ["Board"],
    ]
    listed = roster("groups", "list", "--fields", "name,owner")
    assert listed.stdout.splitlines()[0].split() == ["id", "name", "owner"]
    assert roster("groups", "list", "--fields", "members").exit_code == 0
    assert roster("groups", "list", "--columns", "members").exit_code == 2


def test_members_are_added_listed_and_removed(roster: Roster, groups: None) -> None:
    added = roster("groups", "add", "staff", "2", "ann@example.org")
    assert added.stdout == "2 added, 0 unchanged\n"
    again = roster("groups", "add", "1", "ANN@example.org", "3", "--json")
    assert meta(again) == {"added": 1, "unchanged": 1}
    assert ids(roster("groups", "members", "Staff")) == ["1", "2", "3"]
    assert ids(roster("groups", "members", "1", "--filter", "name=bob")) == ["2"]
    assert ids(roster("groups", "members", "1", "--sort", "-id", "--limit", "2")) == ["3", "2"]
    assert ids(roster("groups", "members", "1", "--sort", "-id", "--all")) == ["3", "2", "1"]
    assert ids(roster("users", "groups", "cy@example.org")) == ["1"]
    removed = roster("groups", "remove", "staff", "cy@example.org", "--json")
    assert meta(removed) == {"removed": 1, "unchanged": 0}
    removed = roster("groups", "remove", "staff", "3", "1")
    assert removed.stdout == "1 removed, 1 unchanged\n"
    assert ids(roster("groups", "members", "1")) == ["2"]
    assert roster("users", "groups", "3").stdout == "No groups found.\n"
    assert roster("users", "groups", "77").stderr == (
        "Error: user_not_found: There is no user 77.\n"
    )


def test_members_are_printed_as_a_document(roster: Roster, groups: None) -> None:
    assert roster("groups", "add", "1", "1", "2").exit_code == 0
    printed = roster("groups", "members", "staff", "--json", "--limit", "1")
    document = json.loads(printed.stdout)
    assert document["links"]["self"] == "/api/v1/groups/1/members?page%5Bsize%5D=1"
    assert document["links"]["next"].startswith("/api/v1/groups/1/members?page%5Bsize%5D=1&")
    (item,) = document["data"]
    assert (item["type"], item["id"]) == ("users", "1")
    assert item["links"]["self"] == "/api/v1/users/1"
    printed = roster("groups", "members", "1", "--json", "--all")
    assert [each["id"] for each in json.loads(printed.stdout)["data"]] == ["1", "2"]


def test_unknown_members_change_nothing(roster: Roster, groups: None) -> None:
    for command in ("add", "remove"):
        refused = roster("groups", command, "staff", "1", "77", "zed@example.org")
        assert refused.exit_code == 1
        assert refused.stderr == (
            "Error: user_not_found: There is no user 77 or zed@example.org.\n"
        )
    assert roster("groups", "members", "1").stdout == "No users found.\n"
    assert "group_not_found" in roster("groups", "add", "Stuff", "1").stderr


def test_members_are_read_from_the_lines_of_a_file(
    roster: Roster, groups: None, write: Write, bad_lines: BadLines
) -> None:
    file = write("members.txt", "\ufeff1\r\n\r\n BOB@example.org \r\n1\r\n")
    assert roster("groups", "add", "staff", "--file", file).stdout == "2 added, 1 unchanged\n"
    bad = write("bad.txt", b"cy@example.org\n\n77\nb\xffb\nzed@example.org")
    for command in ("add", "remove"):
        refused = roster("groups", command, "staff", "--file", bad, "--json")
        assert (refused.exit_code, refused.stdout) == (1, "")
        expected = [(3, "user_not_found"), (4, "not_utf_8"), (5, "user_not_found")]
        assert bad_lines(refused) == expected
        assert refused.stderr.splitlines()[-1] == (
            "Error: user_not_found: 3 of 4 lines refer to no user; nothing was changed."
        )
    assert ids(roster("groups", "members", "1")) == ["1", "2"]
    removed = roster("groups", "remove", "staff", "--file", file, "--json")
    assert meta(removed) == {"removed": 2, "unchanged": 1}


def test_members_are_read_from_standard_input(roster: Roster, groups: None) -> None:
    added = CliRunner().invoke(
        main, ["groups", "add", "staff", "--file", "-"], input="1\n2\n", env=environment(roster)
    )
    assert added.stdout == "2 added, 0 unchanged\n"


def environment(roster: Roster) -> dict[str, str]:
    """The environment of the commands that the fixture runs."""
    settings = json.loads(roster("settings", "--json").stdout)
    values = settings["meta"]["settings"]
    return {each["name"]: each["value"] for each in values if each["name"] == "ROSTER_DATABASE_URL"}


@pytest.mark.parametrize(
    ("unknown", "rest"), [(21, "1 more invalid line."), (2200, "2,180 more invalid lines.")]
)
def test_many_unknown_lines_are_counted(
    roster: Roster, groups: None, write: Write, unknown: int, rest: str
) -> None:
    numbers = range(100, 100 + unknown)
    file = write("members.txt", "".join(f"{number}\n" for number in numbers))
    refused = roster("groups", "add", "staff", "--file", file)
    lines = refused.stderr.splitlines()
    assert len(lines) == 22
    assert lines[-2] == rest
    assert f"{unknown:,} of {unknown:,} lines" in lines[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("groups", "add", "staff", "--file", ""),
        ("groups", "remove", "staff", "--file", ""),
        ("groups", "import", ""),
        ("groups", "import", "", "--format", "csv"),
        ("groups", "import", "-", "--errors", ""),
        ("groups", "export", ""),
        ("groups", "export", "", "--format", "jsonl"),
        ("memberships", "export", ""),
        ("db", "backup", ""),
        ("keys", "new", ""),
        ("keys", "list", ""),
    ],
)
def test_an_empty_name_is_not_the_name_of_a_file(
    roster: Roster, groups: None, arguments: tuple[str, ...]
) -> None:
    refused = roster(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "Error: The file name is empty. Enter a path" in refused.stderr


@pytest.mark.parametrize("arguments", [(), ("1", "--file", "-")])
def test_members_come_from_arguments_or_from_a_file(
    roster: Roster, groups: None, arguments: tuple[str, ...]
) -> None:
    assert roster("groups", "add", "staff", *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("groups=1",), ["1", "2"]),
        (("not[groups]=1",), ["3"]),
        (("groups.name=STAFF",), ["1", "2"]),
        (("groups[empty]=true",), ["3"]),
        (("or[1][groups.name][starts_with]=boa", "or[2][email]=cy@example.org"), ["2", "3"]),
        (("filter[or][1][id]=1", "or[2][not][groups]=1"), ["1", "3"]),
        (("q=bob example",), ["2"]),
    ],
)
def test_lists_take_every_test(
    roster: Roster, groups: None, filters: tuple[str, ...], expected: list[str]
) -> None:
    assert roster("groups", "add", "staff", "1", "2").exit_code == 0
    assert roster("groups", "add", "board", "2").exit_code == 0
    options = [part for each in filters for part in ("--filter", each)]
    assert ids(roster("users", "list", *options)) == expected
    assert roster("users", "count", *options).stdout == f"{len(expected)}\n"
    exported = roster("users", "export", *options).stdout.splitlines()[1:]
    assert [line.split(",")[0] for line in exported] == expected


def test_groups_are_filtered_by_owner(roster: Roster, groups: None) -> None:
    assert ids(roster("groups", "list", "--filter", "owner=1")) == ["1"]
    assert ids(roster("groups", "list", "--filter", "owner[empty]=true")) == ["2"]
    assert ids(roster("groups", "list", "--filter", "owner.email[starts_with]=ann")) == ["1"]
    assert roster("groups", "list", "--filter", "owner.shoe=44").exit_code == 2


def test_an_export_of_groups_can_be_imported(roster: Roster, groups: None, write: Write) -> None:
    text = roster("groups", "export").stdout
    assert text.splitlines()[0] == "id,name,description,creation_time,update_time,owner"
    assert roster("groups", "update", "1", "2", "--no-owner").exit_code == 0
    imported = roster("groups", "import", write("groups.csv", text), "--update")
    assert imported.stdout == "0 created, 1 changed, 1 unchanged, 0 bad\n"
    assert owners(roster) == [("Staff", "ann@example.org"), ("Board", "")]
    lines = roster("groups", "export", "--format", "jsonl", "--fields", "owner").stdout
    assert lines == '{"id":"1","owner":"ann@example.org"}\n{"id":"2","owner":null}\n'
    assert roster("groups", "export", "--fields", "name").stdout.splitlines()[0] == "id,name"


def test_an_import_takes_owners_by_email_and_by_id(
    roster: Roster, groups: None, write: Write, bad_lines: BadLines
) -> None:
    file = write("groups.csv", "Name,Boss\nA, BOB@example.org \nB,3\nC,\n")
    imported = roster("groups", "import", file, "--column", "owner=Boss")
    assert imported.stdout == "3 created, 0 changed, 0 unchanged, 0 bad\n"
    assert owners(roster)[2:] == [("A", "bob@example.org"), ("B", "cy@example.org"), ("C", "")]
    file = write(
        "groups.jsonl",
        '{"name":"staff","owner":null}\n{"name":"a","owner":"1"}\n{"name":"b"}\n',
    )
    imported = roster("groups", "import", file, "--update")
    assert imported.stdout == "0 created, 3 changed, 0 unchanged, 0 bad\n"
    assert owners(roster) == [
        *(("staff", ""), ("Board", "")),
        *(("a", "ann@example.org"), ("b", "cy@example.org"), ("C", "")),
    ]
    file = write("bad.csv", "name,owner\nD,zed@example.org\n,99\nE,1\n")
    refused = roster("groups", "import", file)
    assert bad_lines(refused) == [
        (2, "owner: related_not_found"),
        (3, "name: missing"),
        (3, "owner: related_not_found"),
    ]
    assert len(owners(roster)) == 5


def test_the_history_shows_memberships(roster: Roster, groups: None) -> None:
    assert roster("groups", "add", "staff", "2", "1").exit_code == 0
    assert roster("groups", "remove", "staff", "2").exit_code == 0
    history = roster("groups", "history", "staff", "--columns", "action,changes").stdout
    lines = [line.strip() for line in history.splitlines()]
    assert lines[2:] == ["related  members added 1 2", "related  members removed 2"]
    last = json.loads(roster("events").stdout.splitlines()[-1])
    assert (last["action"], last["version"], last["subject_type"]) == ("related", None, "users")
    assert last["changes"] == {"groups": {"removed": ["1"]}}


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ("users list --filter", "groups", {"groups", "groups.name", "groups.id"}),
        ("users list --filter", "or[1][not][em", {"or[1][not][email]"}),
        ("groups list --columns", "id,ow", {"id,owner"}),
        ("token --scope", "groups", {"groups:read", "groups:write"}),
        ("", "memb", {"memberships"}),
        ("groups", "mem", {"members"}),
    ],
)
def test_completion_knows_relationships(words: str, incomplete: str, expected: set[str]) -> None:
    line = " ".join(filter(None, ["roster", words, incomplete]))
    completed = CliRunner().invoke(
        main,
        [],
        prog_name="roster",
        env={
            "_ROSTER_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split()) - 1),
        },
    )
    assert expected <= {each.removeprefix("plain,") for each in completed.stdout.split()}
