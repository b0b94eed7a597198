"""roster users delete --erase, as an operator runs it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from entrypoints.cli import changes

Roster = Callable[..., Result]


@pytest.fixture
def ann(roster: Roster) -> str:
    """The id of a user with two events."""
    created = roster("users", "create", "--email", "needle@example.org", "--name", "Needle")
    assert created.exit_code == 0
    assert roster("users", "update", "1", "--active").exit_code == 0
    return "1"


def test_an_erasure_asks_for_confirmation_and_reports_the_loss(roster: Roster, ann: str) -> None:
    refused = roster("users", "delete", ann, "--erase")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "deletes user 1 and erases the personal values in 2 events" in refused.stderr
    assert "--yes" in refused.stderr
    assert "needle@example.org" in roster("users", "show", ann).stdout
    erased = roster("users", "delete", "needle@example.org", "--erase", "--yes")
    assert (erased.exit_code, erased.stdout) == (0, "Erased user 1.\n")
    assert "2 events" in erased.stderr


def test_a_plain_deletion_needs_no_confirmation(roster: Roster, ann: str) -> None:
    deleted = roster("users", "delete", ann)
    assert (deleted.exit_code, deleted.stdout, deleted.stderr) == (0, "Deleted user 1.\n", "")


def test_the_erasure_of_an_unknown_user_needs_no_confirmation(roster: Roster) -> None:
    refused = roster("users", "delete", "7", "--erase")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "Error: user_not_found: There is no user 7.\n",
    )


def test_no_erased_value_remains_in_the_file_or_its_log(
    roster: Roster, ann: str, tmp_path: Path
) -> None:
    assert any(b"needle" in file.read_bytes().lower() for file in tmp_path.glob("roster.db*"))
    assert roster("users", "delete", ann, "--erase", "--yes").exit_code == 0
    for file in tmp_path.glob("roster.db*"):
        assert b"needle" not in file.read_bytes().lower()
    assert roster("db", "check").exit_code == 0


def test_an_erasure_waits_for_readers_of_the_file(
    roster: Roster, ann: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "roster.db"
    pauses: list[float] = []
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM users").fetchall()

        def end_transaction(seconds: float) -> None:
            pauses.append(seconds)
            reader.execute("ROLLBACK")

        monkeypatch.setattr(changes, "sleep", end_transaction)
        assert roster("users", "delete", ann, "--erase", "--yes").exit_code == 0
    assert len(pauses) == 1
    assert b"needle" not in file.read_bytes().lower()


def test_remnants_are_reported_if_a_reader_of_the_file_does_not_end(
    roster: Roster, ann: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_SECONDS_BETWEEN_PURGES", 600.0)
    with closing(sqlite3.connect(tmp_path / "roster.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM users").fetchall()
        erased = roster("users", "delete", ann, "--erase", "--yes")
    assert (erased.exit_code, erased.stdout) == (1, "Erased user 1.\n")
    assert "remnants_left" in erased.stderr
    assert "keeps reading the database" in erased.stderr


def test_a_backup_before_the_file_is_rewritten_contains_no_remnants(
    roster: Roster, ann: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_SECONDS_BETWEEN_PURGES", 600.0)
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(tmp_path / "roster.db", isolation_level=None)) as reader:
        # Leaves a value in an unused page, as SQLite itself does when it splits a page.
        reader.execute("PRAGMA secure_delete=OFF")
        reader.execute("CREATE TABLE other AS SELECT 'needle'")
        reader.execute("DROP TABLE other")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM users").fetchall()
        assert roster("users", "delete", ann, "--erase", "--yes").exit_code == 1
        assert roster("db", "backup", str(copy)).exit_code == 0
    assert b"needle" not in copy.read_bytes().lower()
    assert roster("db", "check", ROSTER_DATABASE_URL=f"sqlite:///{copy}").exit_code == 0
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


def test_a_subject_is_erased_as_well(roster: Roster, ann: str) -> None:
    for subject in ("another", "NEEDLE"):
        changed = roster("users", "update", ann, "--role", f"r{len(subject)}", "--actor", subject)
        assert changed.exit_code == 0
    bob = ("--email", "bob@example.org", "--name", "Bob", "--actor", "auth0|1807")
    assert roster("users", "create", *bob).exit_code == 0
    refused = roster("users", "delete", ann, "--subject", "auth0|1807")
    assert (refused.exit_code, refused.stdout) == (2, "")
    options = ("--erase", "--yes", "--subject", "AUTH0|1807", "--subject", "unknown subject")
    assert roster("users", "delete", ann, *options).exit_code == 0
    events = roster("events").stdout
    assert "1807" not in events
    assert "needle" not in events.lower()
    assert '"actor":"another"' in events
    assert '"actor":null,"actor_kind":"command_line"' in events
