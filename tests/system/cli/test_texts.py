"""Limits of texts on the command line, and escapes of characters on the terminal."""

import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from processor_time import processor_time_below
from roster_process import ROSTER

from adapters.sql.email_keys import SharedMailboxes
from domain.text import fold
from entrypoints.cli.db import MailboxesShared

Roster = Callable[..., Result]
Write = Callable[[str, str], str]

MARKS = "a" + "\u0300" * 15_000 + "\u0316" * 15_000
"""The normalization of this text takes two seconds."""


@pytest.mark.parametrize("length", [250, 251, 1000, 1001])
def test_an_error_quotes_the_beginning_of_a_long_text(roster: Roster, length: int) -> None:
    quoted = "a" * 250 + ("…" if length > 250 else "")
    for others in ((), ("b",)):
        refused = roster("users", "update", "a" * length, *others, "--role", "admin")
        assert quoted in refused.stderr
        assert "a" * 251 not in refused.stderr
        assert refused.stderr.startswith("Error: user_not_found: ")


@pytest.mark.parametrize("options", [(), ("--update",)])
def test_long_emails_of_an_import_are_rejected_before_their_normalization(
    roster: Roster, write: Write, options: tuple[str, ...]
) -> None:
    lines = "".join(f'{{"email":"{MARKS}{n}@x.test","name":"Ann"}}\n' for n in range(5))
    file = write("people.jsonl", lines)
    with processor_time_below(5):
        result = roster("users", "import", file, *options)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("line ")]
    assert [line.split(": ")[:3] for line in errors] == [
        [f"line {n}", "email", "too_long"] for n in range(1, 6)
    ]


@pytest.mark.parametrize("email", [MARKS, f"{MARKS}@x.test", "a" * 251])
@pytest.mark.parametrize("command", ["show", "update", "delete", "history"])
def test_long_emails_are_rejected_before_a_user_is_searched(
    roster: Roster, command: str, email: str
) -> None:
    with processor_time_below(1):
        refused = roster("users", command, email)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: user_not_found: There is no user a")
    assert len(refused.stderr) < 400


@pytest.mark.parametrize("command", ["list", "export"])
def test_long_filter_values_are_rejected(roster: Roster, command: str) -> None:
    for name in ("email", "email[ne]", "name[contains]", "name"):
        with processor_time_below(1):
            refused = roster("users", command, "--filter", f"{name}={MARKS}")
        assert refused.exit_code == 2
        assert "A filter value has at most 1000 characters." in refused.stderr


def test_a_user_is_found_by_every_spelling_of_the_mailbox(roster: Roster) -> None:
    roster("users", "create", "--email", "ann@münchen.example", "--name", "Ann")
    for email in ("ANN@xn--mnchen-3ya.example", "ann\ufe0f@München。example"):
        assert roster("users", "show", email).exit_code == 0
        listed = roster("users", "list", "--filter", f"email={email}")
        assert "ann@münchen.example" in listed.stdout
    refused = roster("users", "create", "--email", "ann@xn--mnchen-3ya.example", "--name", "Other")
    assert "email_taken" in refused.stderr


def test_an_import_updates_the_user_with_the_same_mailbox(roster: Roster, write: Write) -> None:
    roster("users", "create", "--email", "ann@münchen.example", "--name", "Ann")
    lines = "email,name\nann@xn--mnchen-3ya.example,Anne\nann\ufe0f@münchen.example,Anna\n"
    assert roster("users", "import", write("people.csv", lines)).exit_code == 1
    result = roster("users", "import", write("people.csv", lines), "--update")
    assert result.stdout == "0 created, 2 changed, 0 unchanged, 0 bad\n"
    assert "Anna" in roster("users", "show", "1").stdout


NAMES = {
    "a\u202eb": r"a\u202eb",
    "a\u2066b\u2069": r"a\u2066b\u2069",
    "a\u200fb": r"a\u200fb",
    "a\u061cb": r"a\u061cb",
    "a\u200bb": r"a\u200bb",
    "a\ufeffb": r"a\ufeffb",
    "a\U000e0041b": r"a\U000e0041b",
    "a\ue000b": r"a\ue000b",
}


@pytest.mark.parametrize("name", NAMES)
def test_characters_that_reorder_text_are_escaped(roster: Roster, name: str) -> None:
    created = roster("users", "create", "--email", "ann@x.test", "--name", name)
    assert created.exit_code == 0
    roster("users", "update", "1", "--role", "admin")
    roster("users", "update", "1", "--name", "Ann")
    history = roster("users", "history", "1")
    for result in (created, history):
        assert NAMES[name] in result.stdout
        assert name not in result.stdout
    roster("users", "update", "1", "--name", name)
    for command in (("users", "list"), ("users", "show", "1")):
        shown = roster(*command).stdout
        assert NAMES[name] in shown
        assert name not in shown
    assert name in roster("users", "show", "1", "--json").stdout


def test_names_of_any_script_are_shown_unchanged(roster: Roster) -> None:
    for number, name in enumerate(("می\u200cخواهم", "👩\u200d🚀", "Zoë", "李小龍", "a\u0301")):
        roster("users", "create", "--email", f"u{number}@x.test", "--name", name)
        assert name in roster("users", "list").stdout


def test_an_error_escapes_its_quotations(roster: Roster) -> None:
    for arguments in (
        ("users", "show", "\u202eann\x1b[2J@x.test"),
        ("users", "list", "--filter", "name\u202e=x"),
        ("users", "list", "--filter", "role=\u202ex"),
        ("users", "list", "--sort", "\u202ex"),
    ):
        refused = roster(*arguments)
        assert refused.exit_code in (1, 2)
        assert r"\u202e" in refused.stderr
        assert "\u202e" not in refused.stderr
        assert "\x1b" not in refused.stderr


def insert_old_user(tmp_path: Path, user_id: int, email: str, name: str = "Old") -> None:
    """Inserts a user as the previous release stores it."""
    with sqlite3.connect(tmp_path / "roster.db") as database:
        database.execute(
            "INSERT INTO users (id, email, email_key, name, name_key, is_active, role,"
            " creation_time, update_time, version) VALUES (?, ?, ?, ?, ?, 1, 'user',"
            " '2026-11-22 09:30:00.000000', '2026-11-22 09:30:00.000000', 1)",
            (user_id, email, fold(email), name, fold(name)),
        )
    database.close()


def test_outdated_keys_are_found_and_updated(roster: Roster, tmp_path: Path) -> None:
    insert_old_user(tmp_path, 7, "ann@münchen.example")
    checked = roster("db", "check")
    assert checked.exit_code == 1
    assert "1 user has an outdated email key: run roster db upgrade." in checked.stderr
    assert roster("users", "show", "ann@münchen.example").exit_code == 1
    upgraded = roster("db", "upgrade")
    assert (upgraded.exit_code, upgraded.stderr) == (0, "")
    assert roster("db", "check").exit_code == 0
    assert roster("users", "show", "ann@münchen.example").exit_code == 0


def test_users_with_the_same_mailbox_are_named_with_a_remedy(
    roster: Roster, tmp_path: Path
) -> None:
    insert_old_user(tmp_path, 7, "ann@münchen.example")
    insert_old_user(tmp_path, 8, "ann@xn--mnchen-3ya.example")
    insert_old_user(tmp_path, 9, "ann\ufe0f@münchen.example")
    upgraded = roster("db", "upgrade")
    assert upgraded.exit_code == 1
    assert upgraded.stdout.strip().isdigit(), "the tables are upgraded"
    assert upgraded.stderr.startswith("Error: mailboxes_shared: ")
    assert "user 7 (mailbox of user 8), user 9 (mailbox of user 8)" in upgraded.stderr
    assert "Traceback" not in upgraded.stderr
    assert roster("db", "check").exit_code == 1
    for advised in (
        ("users", "update", "7", "--email", "ann.2@münchen.example"),
        ("users", "delete", "9"),
        ("db", "upgrade"),
        ("db", "check"),
    ):
        assert roster(*advised).exit_code == 0, advised


@pytest.mark.parametrize(("count", "rest"), [(101, "and 1 other"), (103, "and 3 others")])
def test_only_the_first_users_with_a_shared_mailbox_are_named(count: int, rest: str) -> None:
    shared = SharedMailboxes(count, [(number, number + 500) for number in range(1, 101)])
    assert f"user 100 (mailbox of user 600), {rest}. " in str(MailboxesShared(shared))


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("update", "--name", "Ann"),
        ("delete",),
        ("delete", "--erase", "--yes"),
        ("history",),
    ],
)
def test_no_user_is_found_by_bytes_that_are_not_text(
    roster: Roster, arguments: tuple[str, ...]
) -> None:
    """The interpreter passes bytes that are not UTF-8 as lone surrogates (PEP 383)."""
    command, *options = arguments
    refused = roster("users", command, "\udcff", *options)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: user_not_found: There is no user ")


@pytest.mark.parametrize("subject", ["s" * 100_000, "s" * 256, "", "\udcff", "a\nb"])
def test_an_invalid_subject_is_rejected_before_an_erasure(roster: Roster, subject: str) -> None:
    roster("users", "create", "--email", "ann@x.test", "--name", "Ann")
    refused = roster("users", "delete", "1", "--erase", "--yes", "--subject", subject)
    assert refused.exit_code == 2
    assert "This deletes" not in refused.stderr
    assert "Invalid value for '--subject': must be 1 to 255 printable" in refused.stderr
    assert roster("users", "show", "1").exit_code == 0


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_limit_may_be_greater_than_any_number_of_users(
    roster: Roster, options: tuple[str, ...]
) -> None:
    roster("users", "create", "--email", "ann@x.test", "--name", "Ann")
    for command in (("list",), ("history", "1")):
        result = roster("users", *command, "--limit", "9" * 23, *options)
        assert (result.exit_code, result.stderr) == (0, "")
        assert "Ann" in result.stdout


@pytest.mark.parametrize("revision", ["", "@", "0009@", "head+1", "0" * 1000, " "])
@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
def test_an_invalid_revision_is_rejected(roster: Roster, command: str, revision: str) -> None:
    refused = roster("db", command, revision)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Error: no_such_revision: The tables can't be {command}d to ")
    assert len(refused.stderr) < 200


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", r"\u0141\xe4"), ("latin-1", r"\u0141ä")])
@pytest.mark.parametrize(
    "arguments", ["create --email b@x.test --name Łä", "list --filter name=Łä", "count --by name"]
)
def test_characters_that_the_encoding_of_the_output_lacks_are_escaped(
    roster: Roster, sqlite_url: str, encoding: str, shown: str, arguments: str
) -> None:
    assert roster("users", "create", "--email", "a@x.test", "--name", "Łä").exit_code == 0
    environment = {"ROSTER_DATABASE_URL": sqlite_url, "PYTHONIOENCODING": encoding}
    command = [ROSTER, "users", *arguments.split()]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
    assert shown in done.stdout.decode(encoding)


def test_a_file_name_that_is_not_text_is_escaped(
    roster: Roster, sqlite_url: str, tmp_path: Path
) -> None:
    environment = {"ROSTER_DATABASE_URL": sqlite_url, "PYTHONIOENCODING": "utf-8:strict"}
    command = [os.fsencode(ROSTER), b"db", b"backup", b"copy\xff.db"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | environment, capture_output=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(rb"Backed up to copy\udcff.db: ")
