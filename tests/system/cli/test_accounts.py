"""roster accounts, as an operator runs it."""

import json
import re
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli.main import main

Roster = Callable[..., Result]

PASSWORD = "correct horse battery staple"


@pytest.fixture
def typing(sqlite_url: str, roster: Roster) -> Callable[..., Result]:
    """Runs a command whose standard input is a text."""

    def run(text: str, *arguments: str) -> Result:
        environment = {"ROSTER_DATABASE_URL": sqlite_url, "NO_COLOR": "1"}
        return CliRunner().invoke(
            main, arguments, input=text, env=environment, catch_exceptions=False
        )

    return run


def account(roster: Roster, which: str) -> dict[str, object]:
    shown = roster("accounts", "show", which, "--json")
    assert shown.exit_code == 0, shown.stderr
    document = json.loads(shown.stdout)
    attributes: dict[str, object] = document["data"]["attributes"]
    url = f"/api/v1/users/{document['data']['id']}/account"
    assert document["links"]["self"] == document["data"]["links"]["self"] == url
    return attributes


def user(roster: Roster, which: str) -> dict[str, object]:
    attributes: dict[str, object] = json.loads(roster("users", "show", which, "--json").stdout)[
        "data"
    ]["attributes"]
    return attributes


def test_admin_creates_an_active_administrator(
    roster: Roster, typing: Callable[..., Result]
) -> None:
    done = typing(f"{PASSWORD}\nmore\n", "accounts", "admin", "ann@example.org", "--stdin")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "Created administrator 1, ann@example.org.\n"
    created = user(roster, "1")
    assert (created["name"], created["is_active"], created["role"]) == ("ann", True, "admin")
    assert account(roster, "ANN@example.org")["has_password"] is True


def test_admin_promotes_an_existing_user_in_one_unit(roster: Roster) -> None:
    roster("users", "create", "--email", "ann@example.org", "--name", "Ann")
    refused = roster("accounts", "admin", "Ann@example.org", "--stdin", ROSTER_PASSWORD_LENGTH="64")
    assert refused.exit_code == 1
    assert user(roster, "1")["role"] == "user"
    done = roster("accounts", "admin", "Ann@example.org", "--generate", "--name", "Ann A")
    assert done.exit_code == 0, done.stderr
    promoted = user(roster, "1")
    assert (promoted["email"], promoted["name"]) == ("ann@example.org", "Ann A")
    assert (promoted["is_active"], promoted["role"]) == (True, "admin")


def test_a_generated_password_is_the_only_line_of_the_output(roster: Roster) -> None:
    done = roster("accounts", "admin", "ann@example.org", "--generate")
    assert re.fullmatch(r"[a-z2-9]{6}(-[a-z2-9]{6}){3}\n", done.stdout)
    other = roster("accounts", "set-password", "1", "--generate", ROSTER_PASSWORD_LENGTH="64")
    assert len(other.stdout.strip()) >= 64
    as_json = roster("accounts", "set-password", "1", "--generate", "--json")
    assert json.loads(as_json.stdout)["meta"].keys() == {"user", "email", "password"}


@pytest.mark.parametrize("command", [("admin", "ann@example.org"), ("set-password", "1")])
def test_a_password_needs_one_source(roster: Roster, command: tuple[str, ...]) -> None:
    for more in ((), ("--stdin", "--generate")):
        refused = roster("accounts", *command, *more)
        assert refused.exit_code == 2
        assert "--generate" in refused.stderr


def test_set_password_rejects_what_breaks_the_rules(
    roster: Roster, typing: Callable[..., Result]
) -> None:
    roster("users", "create", "--email", "ann@example.org", "--name", "Ann")
    for text, code in {
        "": "too_short",
        "short\r\n": "too_short",
        "x" * 5000: "too_long",
        "passwordpassword\n": "guessable",
        "a\tb" * 10: "control_character",
    }.items():
        refused = typing(text, "accounts", "set-password", "1", "--stdin")
        assert refused.exit_code == 1
        assert refused.stderr.startswith(f"Error: {code}: password ")
    assert account(roster, "1")["has_password"] is False


def test_unknown_users_are_named_before_a_password_is_read(roster: Roster) -> None:
    for command in ("set-password", "show", "sessions", "end-sessions", "unlock"):
        more = ("--generate",) if command == "set-password" else ()
        refused = roster("accounts", command, "eve@example.org", *more)
        assert refused.exit_code == 1
        assert refused.stderr.startswith("Error: user_not_found: ")


def test_invite_invites_all_users_or_none(roster: Roster) -> None:
    for name in ("ann", "bob"):
        roster("users", "create", "--email", f"{name}@example.org", "--name", name)
    refused = roster("accounts", "invite", "1", "eve@example.org", "7")
    assert refused.exit_code == 1
    assert "eve@example.org or 7" in refused.stderr
    invited = roster("accounts", "invite", "1", "bob@example.org", "1")
    assert (invited.exit_code, invited.stdout) == (0, "Invited 2 users.\n")
    assert "ROSTER_ACCOUNTS=on" in invited.stderr
    history = roster("users", "history", "1", "--json")
    actions = [each["attributes"]["action"] for each in json.loads(history.stdout)["data"]]
    assert actions == ["created", "invited"]


def test_invite_prints_links_that_open_the_configured_page(roster: Roster) -> None:
    for name in ("ann", "bob"):
        roster("users", "create", "--email", f"{name}@example.org", "--name", name)
    local = roster("accounts", "invite", "1", "2", "--print")
    page = r"http://127\.0\.0\.1:5000/account#token=rlt_[\w-]{43}&for=invitation\n"
    assert re.fullmatch(f"({page}){{2}}", local.stdout)
    assert "ROSTER_PUBLIC_URL" in local.stderr
    public = roster("accounts", "invite", "1", "--print", ROSTER_PUBLIC_URL="https://r.example.org")
    assert public.stdout.startswith("https://r.example.org/account#token=rlt_")
    assert public.stderr == ""
    own = roster(
        "accounts",
        "invite",
        "1",
        "--print",
        ROSTER_LINK_URL="https://a.example.org/{purpose}#{token}",
    )
    assert own.stdout.startswith("https://a.example.org/invitation#rlt_")


def test_results_without_sessions_and_failures_are_reported(roster: Roster) -> None:
    roster("users", "create", "--email", "ann@example.org", "--name", "Ann")
    assert roster("accounts", "sessions", "1").stdout == "No sessions found.\n"
    assert json.loads(roster("accounts", "sessions", "1", "--json").stdout)["data"] == []
    assert roster("accounts", "end-sessions", "1").stdout == "Ended 0 sessions.\n"
    assert roster("accounts", "unlock", "1").stdout == "Unlocked 1, ann@example.org.\n"
    assert account(roster, "1") == {
        "has_password": False,
        "password_time": None,
        "email_verified_time": None,
        "login_time": None,
        "locked_until": None,
    }
