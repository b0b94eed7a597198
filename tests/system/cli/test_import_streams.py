"""Slow and interrupted imports from standard input."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from click.testing import Result
from roster_process import ROSTER
from waiting import until

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]
Directory = Callable[[], list[tuple[Any, ...]]]
BadLines = Callable[[Result], list[tuple[int, str]]]

GOOD = "email,name,role\nann@x.test,Ann,admin\nbob@x.test,Bob,user\n"


def as_line(attributes: dict[str, Any]) -> str:
    return json.dumps(attributes) + "\n"


def test_standard_input_is_csv_by_default(
    sqlite_url: str, roster: Roster, directory: Directory
) -> None:
    for options, text in (
        ([], GOOD),
        (["--format", "jsonl"], as_line({"email": "c@x.test", "name": "C"})),
    ):
        done = subprocess.run(
            [ROSTER, "users", "import", "-", *options],
            input=text.encode(),
            env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
            check=True,
            capture_output=True,
        )
        assert done.stdout.endswith(b" created, 0 changed, 0 unchanged, 0 bad\n")
    assert len(directory()) == 3


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ends a process by a signal, as a user who presses Ctrl-C again.

    Python handles a signal later if it arrives right before a read begins to wait.
    """
    while process.poll() is None:
        process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_import_stores_nothing(
    roster: Roster, import_url: str, how: signal.Signals
) -> None:
    environment = os.environ | {"ROSTER_DATABASE_URL": import_url}
    assert roster("db", "upgrade", ROSTER_DATABASE_URL=import_url).exit_code == 0
    with subprocess.Popen(
        [ROSTER, "users", "import", "-", "--format", "jsonl"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdin
        assert process.stderr
        for number in range(3000):
            process.stdin.write(as_line({"email": f"u{number}@x.test", "name": "U"}).encode())
        process.stdin.write(b"{}\n" * 1000)
        process.stdin.flush()
        # The import reports errors as it reads, so its transaction already has rows.
        assert b"line 3001: email: missing" in process.stderr.readline()
        with ThreadPoolExecutor(1) as thread:
            rest = thread.submit(process.stderr.read)
            end(process, how)
            error = rest.result()
    assert process.returncode != 0
    assert b"Traceback" not in error
    again = roster("users", "import", "-", ROSTER_DATABASE_URL=import_url)
    assert again.exit_code == 1  # no lock remains; an empty input has no header
    listed = roster("users", "list", "--json", ROSTER_DATABASE_URL=import_url)
    assert json.loads(listed.stdout)["data"] == []
    created = ("--email", "u1@x.test", "--name", "U")
    assert roster("users", "create", *created, ROSTER_DATABASE_URL=import_url).exit_code == 0


@pytest.mark.parametrize(
    "command",
    [
        ["users", "import", "-"],
        ["users", "create", "--email", "ann@x.test", "--name", "Ann"],
    ],
)
def test_an_interruption_during_the_commit_is_reported(
    roster: Roster, postgresql_url: str, command: list[str]
) -> None:
    """The server commits although the command has ended, so "Aborted!" would be wrong."""
    assert roster("db", "upgrade", ROSTER_DATABASE_URL=postgresql_url).exit_code == 0
    with (
        closing(psycopg2.connect(postgresql_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(SLOW_COMMIT)
    holder = psycopg2.connect(postgresql_url)
    holder.autocommit = True
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")
    with (
        subprocess.Popen(
            [ROSTER, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"ROSTER_DATABASE_URL": postgresql_url},
        ) as process,
        closing(holder),  # before the process, which may wait for the lock
        holder.cursor() as cursor,
    ):

        def commits() -> object:
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return cursor.fetchone()

        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(GOOD.encode())
        process.stdin.close()
        until(commits)
        process.send_signal(signal.SIGINT)
        process.wait(20)
        output, error = process.stdout.read(), process.stderr.read()
    assert (process.returncode, output) == (1, b"")
    assert error.startswith(b"Error: outcome_unknown: The database did not confirm the commit")

    def is_committed() -> bool:
        shown = roster("users", "show", "ann@x.test", ROSTER_DATABASE_URL=postgresql_url)
        return shown.exit_code == 0

    until(is_committed)


SLOW_COMMIT = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait();
"""
"""The commit of a transaction that creates users waits for the advisory lock 1."""


@pytest.fixture(params=["sqlite_url", "postgresql_url", "mariadb_url"])
def import_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind."""
    return str(request.getfixturevalue(request.param))


def test_an_import_may_take_longer_than_a_request(sqlite_url: str, roster: Roster) -> None:
    environment = os.environ | {"ROSTER_DATABASE_URL": sqlite_url, "ROSTER_REQUEST_SECONDS": "0.5"}
    with subprocess.Popen(
        [ROSTER, "users", "import", "-", "--format", "jsonl"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(as_line({"email": "u@x.test", "name": "U"}).encode())
        process.stdin.write(b"{}\n" * 1000)
        process.stdin.flush()
        process.stderr.readline()
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
            other.execute("PRAGMA busy_timeout=1000")
            with pytest.raises(sqlite3.OperationalError):  # after a second
                other.execute("BEGIN IMMEDIATE")
        error = process.communicate()[1]
    assert b"Error: import_refused: 1,000 of 1,001 records are bad" in error


def test_the_file_below_standard_input_is_not_overwritten(
    roster: Roster, sqlite_url: str, write: Write
) -> None:
    file = write("people.csv", GOOD)
    with Path(file).open("rb") as source:
        done = subprocess.run(
            [ROSTER, "users", "import", "-", "--errors", file],
            stdin=source,
            env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--errors would overwrite FILE" in done.stderr
    assert Path(file).read_text() == GOOD


def test_rejected_records_are_added_to_what_standard_output_contains(
    roster: Roster, sqlite_url: str, write: Write, tmp_path: Path
) -> None:
    file = write("people.csv", "email,name\nann,Ann\n")
    log = tmp_path / "log"
    log.write_text("earlier\n")
    with log.open("a") as output:
        subprocess.run(
            [ROSTER, "users", "import", file, "--errors", "-"],
            stdout=output,
            env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
            timeout=60,
        )
    assert log.read_text().splitlines()[:2] == ["earlier", "line,errors,email,name"]
