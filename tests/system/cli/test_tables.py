"""Tables fit the terminal, and name the columns that they omit."""

from collections.abc import Callable

import pytest
from click.testing import Result
from rich.cells import cell_len

Roster = Callable[..., Result]
Terminal = Callable[..., str]

EMAIL = "a.rather.long.address.of.somebody@mail.example.org"
NAME = "Somebody With A Name That Is Rather Long"
WIDE_NAME = "राहुल अग्रवाल 健太郎 渡辺 e\u0301e\u0301e\u0301 健太郎 健太郎"
TIMES = ("creation_time", "update_time")


@pytest.fixture
def people(roster: Roster) -> None:
    for email, name in ((EMAIL, NAME), ("kenta@例え.example", WIDE_NAME)):
        created = roster("users", "create", "--email", email, "--name", name, "--role", "editor")
        assert created.exit_code == 0


def lines(shown: str) -> list[str]:
    plain = shown.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\r", "")
    return [line.rstrip() for line in plain.splitlines()]


@pytest.mark.usefixtures("people")
def test_a_list_fits_80_columns(on_terminal: Terminal) -> None:
    head, *rows, note = lines(on_terminal("users", "list"))
    assert head.split() == ["id", "email", "name", "is_active", "role"]
    assert [row.split()[0] for row in rows] == ["1", "2"], "a row is one line"
    assert max(map(cell_len, (head, *rows))) <= 80
    assert rows[0].startswith("1   a.rather.long.address.of.")
    assert "…  Somebody With A Name That" in rows[0]
    assert rows[0].endswith("false      editor")
    assert note == "Not shown: creation_time, update_time. Use --wide or --columns to see them."


@pytest.mark.usefixtures("people")
def test_a_list_at_40_columns_shows_id_email_and_name(on_terminal: Terminal) -> None:
    head, *rows, note = lines(on_terminal("users", "list", width=40))
    assert head.split() == ["id", "email", "name"]
    assert max(map(cell_len, (head, *rows))) <= 40
    assert note.startswith("Not shown: ")


@pytest.mark.usefixtures("people")
def test_a_wide_terminal_shows_all_columns(on_terminal: Terminal) -> None:
    head, *rows = lines(on_terminal("users", "list", width=200))
    assert head.split() == ["id", "email", "name", "is_active", "role", *TIMES]
    assert EMAIL in rows[0]
    assert WIDE_NAME in rows[1]
    assert len(rows) == 2


@pytest.mark.usefixtures("people")
def test_wide_shows_everything(on_terminal: Terminal) -> None:
    head, *rows = lines(on_terminal("users", "list", "--wide"))
    assert head.split()[-2:] == [*TIMES]
    assert f"{EMAIL}  {NAME}  " in rows[0]
    assert len(rows) == 2


@pytest.mark.usefixtures("people")
def test_columns_are_chosen_and_ordered(on_terminal: Terminal, roster: Roster) -> None:
    chosen = "update_time,name,id,creation_time,email"
    head, *rows = lines(on_terminal("users", "list", "--columns", chosen))
    assert head.split() == chosen.split(",")
    assert rows[0].count("Z  ") == 2, "times are not shortened"
    assert "…  1   2026" in rows[0]
    piped = roster("users", "list", "--columns", "name,id").stdout
    assert [line.rstrip() for line in piped.splitlines()][:2] == [
        f"name{' ' * (cell_len(NAME) - 2)}id",
        f"{NAME}  1",
    ]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--columns", "shoe"), "Unknown attribute 'shoe' in --columns. Known: id, email, name, "),
        (("--columns", ""), "Unknown attribute '' in --columns."),
        (("--columns", "e-mail"), "'e-mail' in --columns. Did you mean 'email'? Known: id, email,"),
        (("--columns", "id", "--json"), "--columns cannot be combined with --json."),
        (("--columns", "id", "--fields", "name"), "--columns cannot be combined with --fields."),
    ],
)
def test_invalid_columns_are_wrong_usage(
    roster: Roster, options: tuple[str, ...], error: str
) -> None:
    refused = roster("users", "list", *options)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert error in refused.stderr
    refused = roster("users", "history", "1", *options)
    assert (refused.exit_code, refused.stdout) == (2, "")


@pytest.mark.usefixtures("people")
def test_one_user_is_shown_whole_on_a_terminal(on_terminal: Terminal) -> None:
    shown = lines(on_terminal("users", "show", "1"))
    assert [line.split()[0] for line in shown] == [
        *("id", "email", "name", "is_active", "role"),
        *TIMES,
    ]
    assert shown[1].split() == ["email", EMAIL]
    assert shown[2].endswith(NAME)


@pytest.mark.usefixtures("people")
def test_a_history_fits_80_columns(on_terminal: Terminal, roster: Roster) -> None:
    roster("users", "update", "1", "--role", "owner", "--active", "--actor", "sam")
    head, *rows, note = lines(on_terminal("users", "history", "1"))
    assert head.split() == ["id", "time", "action", "changes", "actor"]
    assert max(map(cell_len, (head, *rows))) <= 80
    assert len(rows) < 10
    assert "is_active false → true" in " ".join(rows)
    assert "sam" in " ".join(rows)
    assert note.startswith("Not shown: version, actor_kind, actor_issuer, request_id.")


def test_an_empty_list_is_reported(roster: Roster) -> None:
    found = roster("users", "list")
    assert (found.exit_code, found.stdout, found.stderr) == (0, "No users found.\n", "")
    for more in ((), ("--all",)):
        as_json = roster("users", "list", "--json", *more)
        assert as_json.stdout.startswith('{"jsonapi"')
        assert as_json.stdout.count("\n") == 1
        assert as_json.stderr == ""


@pytest.mark.usefixtures("people")
def test_an_incomplete_list_has_a_note(roster: Roster) -> None:
    incomplete = roster("users", "list", "--limit", "1")
    assert len(incomplete.stdout.splitlines()) == 2
    assert incomplete.stderr == "Showing only the first one. Use --all or --limit N to see more.\n"
    for whole in (("--limit", "2"), ("--all",), (), ("--limit", "1", "--json")):
        assert roster("users", "list", *whole).stderr == ""
    history = roster("users", "history", "1", "--limit", "1")
    assert history.stderr == ""


def test_an_incomplete_list_of_several_pages_has_a_note(roster: Roster) -> None:
    assert roster("demo", "1002").exit_code == 0
    for limit, more in ((1000, True), (1001, True), (1002, False), (1003, False)):
        found = roster("users", "list", "--limit", str(limit), "--fields", "name")
        assert ("Showing the first" in found.stderr) == more
    assert "the first 1,001 users" in roster("users", "list", "--limit", "1001").stderr


@pytest.mark.usefixtures("people")
def test_a_filter_accepts_a_boolean_as_printed(roster: Roster) -> None:
    roster("users", "update", "1", "--active")
    printed = [
        line.split()[-1]
        for line in roster("users", "list", "--fields", "is_active").stdout.splitlines()[1:]
    ]
    assert len(printed) == 2
    for word in printed:
        found = roster("users", "list", "--filter", f"is_active={word}")
        assert (found.exit_code, len(found.stdout.splitlines())) == (0, 2)


def test_a_whole_list_may_take_longer_than_a_request(roster: Roster) -> None:
    assert roster("demo", "1500").exit_code == 0
    found = roster("users", "list", "--all", ROSTER_REQUEST_SECONDS="0.2")
    assert (found.exit_code, len(found.stdout.splitlines())) == (0, 1502)
