"""A command that fails because of its database ends with one line that contains the reason."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import httpx
import psycopg2
import pymysql
import pytest
from click.testing import CliRunner
from database_servers import MariaServer
from roster_process import ROSTER
from sqlalchemy import make_url
from waiting import until

from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.error_reasons import MAX_LENGTH, reason, redact
from adapters.sql.metadata import METADATA
from entrypoints.cli.main import main

Roster = Callable[..., subprocess.CompletedProcess[str]]

COMMANDS = [
    "users list",
    "users list --json --all",
    "users show 1",
    "users create --email ann@example.org --name Ann",
    "users update 1 --name Ann",
    "users delete 1",
    "users delete 1 --erase",
    "users history 1",
    "users import people.csv",
    "users export --format csv",
    "users export --format jsonl --sort name",
    "events",
    "demo 5",
    "db upgrade",
    "db current",
    "db check",
    "db downgrade base --yes",
]
UNUSABLE = {
    "closed port, PostgreSQL": ("postgresql://ann:hush@127.0.0.1:1/roster", "refused"),
    "closed port, MariaDB": ("mariadb+pymysql://ann:hush@127.0.0.1:1/roster", "refused"),
    "unknown host, PostgreSQL": ("postgresql://ann:hush@no-such-host.invalid/x", "no-such-host"),
    "unknown host, MariaDB": ("mariadb+pymysql://ann:hush@no-such-host.invalid/x", "no-such-host"),
    "invalid host name": (f"mariadb+pymysql://ann:hush@{'a' * 80}.test/x", "a.test"),
    "no socket": ("postgresql://ann:hush@/roster?host=/no/such/folder", "/no/such/folder"),
    "no folder": ("sqlite:////no/such/folder/roster.db", "/no/such/folder"),
    "a folder": ("sqlite:////tmp", "folder"),
    "another file": ("sqlite:///people.csv", "not a database"),
}


def is_one_line(stderr: str) -> bool:
    assert stderr.startswith("Error: ")
    assert stderr.count("\n") == 1
    assert stderr.endswith("\n")
    assert "Traceback" not in stderr
    assert "hush" not in stderr
    return True


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of commands, with the file people.csv."""
    (tmp_path / "people.csv").write_text("email,name\nann@example.org,Ann\n" * 50)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind_of_url", UNUSABLE)
def test_each_command_reports_why_it_has_no_database(
    folder: Path, command: str, kind_of_url: str
) -> None:
    url, cause = UNUSABLE[kind_of_url]
    result = CliRunner().invoke(main, command.split(), env={"ROSTER_DATABASE_URL": url})
    assert result.exit_code == 1
    assert is_one_line(result.stderr)
    assert cause in result.stderr


@pytest.mark.parametrize("kind_of_url", UNUSABLE)
def test_the_service_reports_why_it_does_not_start(
    roster: Roster, tmp_path: Path, kind_of_url: str
) -> None:
    (tmp_path / "people.csv").write_text("email,name\nann@example.org,Ann\n" * 50)
    url, cause = UNUSABLE[kind_of_url]
    result = roster("serve", "--port", "0", ROSTER_DATABASE_URL=url)
    assert (result.returncode, result.stdout) == (1, "")
    assert is_one_line(result.stderr)
    assert cause in result.stderr


MARIADB = "mariadb+pymysql://ann@127.0.0.1:1/x"
POSTGRESQL = "postgresql://ann@127.0.0.1:1/x"
BAD_URLS = {
    "mariadb+pymysql://ann:p@hush/w@127.0.0.1:1/x": "%40",
    "mariadb+pymysql://ann:hush@hu'sh/x": "%27",
    "postgresql://ann:hush@hush@127.0.0.1:1/roster": "%40",
    "postgresql://ann:p'a@hush\"b@127.0.0.1:1/x": "%40",
    "postgresql://ann:12/hush@127.0.0.1:1/x": "%40",
    "postgresql://ann:12/x?hush=1@127.0.0.1:1/x": "not supported",
    "sqlite:///x.db?timeout=hush": "timeout",
    "sqlite:///x.db?timeout=nan": "timeout",
    "sqlite:///x.db?detect_types=hush": "detect_types",
    "sqlite:///x.db?check_same_thread=hush": "check_same_thread",
    "sqlite:///x.db?bogus=hush": "bogus",
    "sqlite:///x.db?timeout=5&timeout=hush": "timeout",
    "sqlite:///x.db?mode=rw": "mode",
    "sqlite:///x?vfs=hush&uri=true": "vfs",
    "sqlite:///x?mode=rw&uri=true": "file:",
    "sqlite:///file:?uri=true": "file:",
    "sqlite:///%00": "%00",
    "sqlite:///file:x%2500?uri=true": "%00",
    "sqlite://x:hush/y": "can't be read",
    f"{POSTGRESQL}?connect_timeout=hush": "connect_timeout",
    f"{POSTGRESQL}?connect_timeout=0": "connect_timeout",
    f"{POSTGRESQL}?sslmode=hush": "sslmode must be disable, allow,",
    f"{POSTGRESQL}?keepalives=hush": "keepalives",
    f"{POSTGRESQL}?replication=database": "replication",
    "mariadb+pymysql://ann@127.0.0.1:99999/x": "port",
    f"{MARIADB}?connect_timeout=hush": "connect_timeout",
    f"{MARIADB}?client_flag=hush": "client_flag",
    f"{MARIADB}?read_default_file=/etc/passwd": "read_default_file",
    f"{MARIADB}?conv=hush": "conv",
    f"{MARIADB}?ssl=1": "ssl is not supported",
    f"{MARIADB}?ssl_verify_cert=hush": "ssl_verify_cert must be true or false",
    f"{MARIADB}?ssl_ca=/hush": "ssl_ca",
}


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_stops_a_command_with_a_reason_that_does_not_repeat_it(
    folder: Path, url: str
) -> None:
    result = CliRunner().invoke(main, ["users", "list"], env={"ROSTER_DATABASE_URL": url})
    assert result.exit_code == 2
    assert is_one_line(result.stderr)
    assert result.stderr.startswith("Error: ROSTER_DATABASE_URL: ")
    assert BAD_URLS[url] in result.stderr
    assert "invalid literal" not in result.stderr
    assert [each.name for each in folder.iterdir()] == ["people.csv"]


def error_of(url: str, command: str) -> str:
    """Returns the error message of a command that fails."""
    environment = {"ROSTER_DATABASE_URL": url, "ROSTER_REQUEST_SECONDS": "5"}
    result = CliRunner().invoke(main, command.split(), env=environment)
    assert result.exit_code == 1, result.output
    assert is_one_line(result.stderr)
    return result.stderr


@pytest.mark.parametrize("command", ["db upgrade", "users list"])
@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_a_database_that_does_not_exist_is_named(
    request: pytest.FixtureRequest, kind: str, command: str
) -> None:
    url = request.getfixturevalue(kind).url("roster_nowhere")
    assert "roster_nowhere" in error_of(url, command)


@pytest.mark.parametrize("command", ["db upgrade", "users list"])
def test_a_wrong_password_is_reported(mariadb: MariaServer, mariadb_url: str, command: str) -> None:
    name = make_url(mariadb_url).database
    mariadb.execute("CREATE OR REPLACE USER shy@localhost IDENTIFIED BY 'hush'")
    mariadb.execute(f"GRANT ALL ON {name}.* TO shy@localhost")
    error = error_of(mariadb_url.replace("roster@", "shy:hushhush@"), command)
    assert "Access denied" in error
    assert "password" in error


@pytest.mark.parametrize("password", ["pässwörd", "пароль", "€ +%&#/?:@\"'\\"])
def test_a_password_may_have_any_characters(
    mariadb: MariaServer, mariadb_url: str, password: str
) -> None:
    name = make_url(mariadb_url).database
    literal = password.replace("\\", "\\\\").replace("'", "\\'")
    mariadb.execute(f"CREATE OR REPLACE USER odd@localhost IDENTIFIED BY '{literal}'")
    mariadb.execute(f"GRANT ALL ON {name}.* TO odd@localhost")
    url = mariadb_url.replace("roster@", f"odd:{quote(password, safe='')}@")
    result = CliRunner().invoke(main, ["db", "current"], env={"ROSTER_DATABASE_URL": url})
    assert (result.exit_code, result.stderr) == (0, "")


def test_tls_that_the_server_does_not_have_is_named() -> None:
    """The test servers use sockets, so a TCP server that rejects TLS replaces them."""

    def refuse() -> None:
        client, _ = listening.accept()
        with client:
            client.recv(8)
            client.sendall(b"N")  # the rejection of SSLRequest
            client.recv(1)

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = Thread(target=refuse)
        thread.start()
        port = listening.getsockname()[1]
        url = f"postgresql://ann:hush@127.0.0.1:{port}/x?sslmode=require&gssencmode=disable"
        error = error_of(url, "db current")
        thread.join(10)
    assert "SSL" in error


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_a_role_without_the_permission_to_create_tables_is_reported(
    request: pytest.FixtureRequest, kind: str
) -> None:
    server = request.getfixturevalue(kind)
    url = server.new_database()
    server.execute("DROP ROLE IF EXISTS modest")
    server.execute("CREATE ROLE modest LOGIN")
    error = error_of(url.replace("postgres@", "modest@"), "db upgrade")
    assert error.startswith("Error: not_permitted: ")
    assert "permission denied for schema public" in error
    server.execute("DROP ROLE modest")


def test_a_mariadb_user_without_the_permission_to_create_tables_is_reported(
    mariadb: MariaServer, mariadb_url: str
) -> None:
    name = make_url(mariadb_url).database
    mariadb.execute("CREATE OR REPLACE USER modest@localhost")
    mariadb.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO modest@localhost")
    error = error_of(mariadb_url.replace("roster@", "modest@"), "db upgrade")
    assert error.startswith("Error: not_permitted: ")
    assert "CREATE command denied" in error


@pytest.mark.parametrize("table", ["users", "groups", "memberships", "counters"])
def test_a_check_names_a_table_that_mariadb_hides_from_the_user(
    mariadb: MariaServer, mariadb_url: str, table: str
) -> None:
    migrate(mariadb_url)
    name = make_url(mariadb_url).database
    mariadb.execute("CREATE OR REPLACE USER modest@localhost")
    for other in {*METADATA.tables, schema.VERSION_TABLE} - {table}:
        mariadb.execute(f"GRANT SELECT ON {name}.{other} TO modest@localhost")
    error = error_of(mariadb_url.replace("roster@", "modest@"), "db check")
    assert error.startswith("Error: not_permitted: ")
    assert f"for table `{name}`.`{table}`" in error


def test_a_locked_file_is_reported(sqlite_url: str) -> None:
    migrate(sqlite_url)
    with held(sqlite_url):
        environment = {"ROSTER_DATABASE_URL": sqlite_url, "ROSTER_REQUEST_SECONDS": "0.2"}
        command = ["users", "create", "--email", "ann@example.org", "--name", "Ann"]
        result = CliRunner().invoke(main, command, env=environment)
    assert result.exit_code == 1
    assert is_one_line(result.stderr)
    assert "locked" in result.stderr


def test_a_damaged_file_is_reported(sqlite_url: str) -> None:
    migrate(sqlite_url)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert "malformed" in error_of(sqlite_url, "users list")


def migrate(url: str) -> None:
    engine = make_engine(url)
    schema.upgrade(engine)
    engine.dispose()


_VIEW = (
    "ALTER TABLE users RENAME TO people",
    "CREATE VIEW users AS SELECT id, {} AS email, name, is_active, role, creation_time,"
    " update_time, version FROM people",
)
DAMAGE = {
    "sqlite": (
        "INSERT INTO users VALUES (1, 'a@x.test', 'a@x.test', 'A', 'a', 1, 'user', 'no time',"
        " 'no time', 1, NULL)",
    ),
    "postgresql": (_VIEW[0], _VIEW[1].format("(1 / 0)::text")),
    "mariadb": (
        _VIEW[0],
        _VIEW[1].format("email"),
        "SET foreign_key_checks = 0",
        "DROP TABLE people",
    ),
}
"""Statements after which a list of users fails for an unknown reason."""


@pytest.mark.parametrize("kind", ["sqlite_url", "postgresql_url", "mariadb_url"])
def test_an_unknown_error_is_one_line_unless_its_traceback_is_requested(
    request: pytest.FixtureRequest, kind: str
) -> None:
    url = request.getfixturevalue(kind)
    engine = make_engine(url)
    schema.upgrade(engine)
    with engine.connect() as connection:
        for statement in DAMAGE[engine.dialect.name]:
            connection.exec_driver_sql(statement)
    engine.dispose()
    error = error_of(url, "users list")
    assert error.startswith("Error: internal_error: ")
    assert "--traceback" in error
    command = [ROSTER, "--traceback", "users", "list"]
    environment = {"ROSTER_DATABASE_URL": url}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert shown.returncode == 1
    assert shown.stderr.startswith("Traceback")


@pytest.mark.parametrize(
    "arguments",
    [
        "users list",
        "users list --json",
        "users show 1",
        "users create --email eve@example.org --name Eve",
        "users delete 1",
        "users import new.csv",
        "users export",
        "memberships import pairs.csv --json",
        "db current",
        "keys new keys.json",
        "openapi",
        "settings",
    ],
)
def test_a_full_output_is_named(invoke: Roster, tmp_path: Path, arguments: str) -> None:
    invoke("db", "upgrade")
    invoke("users", "create", "--email", "ann@example.org", "--name", "Ann")
    (tmp_path / "new.csv").write_text("email,name\nfay@example.org,Fay\n")
    (tmp_path / "pairs.csv").write_text("group,user\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [ROSTER, *arguments.split()],
            cwd=tmp_path,
            env=os.environ | {"PYTHONUNBUFFERED": ""},  # so that Python buffers the output
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )
    line = "Error: file_failed: standard output: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.parametrize("arguments", ["--help", "--version", "users --help"])
def test_a_full_disk_below_help_is_named(invoke: Roster, tmp_path: Path, arguments: str) -> None:
    invoke("db", "upgrade")
    command = [ROSTER, *arguments.split()]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=tmp_path, timeout=30, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert is_one_line(done.stderr)
    assert "No space left" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "users list",
        "users list --json",
        "users list --filter id=9",
        "users count",
        "users count --by role",
        "users show 1",
        "users delete 1",
        "users history 1",
        "users export",
        "users export --format jsonl",
        "events",
        "openapi",
        "serve --port 0",
    ],
)
def test_a_closed_output_is_named(invoke: Roster, tmp_path: Path, arguments: str) -> None:
    invoke("db", "upgrade")
    invoke("users", "create", "--email", "ann@example.org", "--name", "Ann")
    closed = ["sh", "-c", '"$0" "$@" >&-', ROSTER, *arguments.split()]
    done = subprocess.run(closed, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: file_failed: standard output: Bad file descriptor.\n"


def test_a_closed_input_is_named(invoke: Roster, tmp_path: Path) -> None:
    invoke("db", "upgrade")
    closed = ["sh", "-c", '"$0" users import - <&-', ROSTER]
    done = subprocess.run(closed, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: file_failed: standard input: Bad file descriptor.\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("users delete 1 --erase", 2),
        ("db downgrade base", 2),
        ("accounts set-password 1", 2),
        ("accounts set-password 1 --stdin", 1),
    ],
)
def test_a_command_that_needs_input_reports_that_it_is_closed(
    invoke: Roster, tmp_path: Path, arguments: str, status: int
) -> None:
    invoke("db", "upgrade")
    invoke("users", "create", "--email", "ann@example.org", "--name", "Ann")
    closed = ["sh", "-c", '"$0" "$@" <&-', ROSTER, *arguments.split()]
    done = subprocess.run(closed, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (status, "")
    message = done.stderr.splitlines()[-1]
    assert message.startswith("Error: ")
    assert "tandard input" in message


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ("users import people.csv", "1 created, 0 changed, 0 unchanged, 0 bad\n"),
        ("users export people.csv", ""),
        ("users update --filter id=1 --name Ann --yes", "0 changed, 0 unchanged\n"),
        ("users list --limit 1", "No users found.\n"),
        ("demo 1", "1 user, 0 groups and 0 memberships created\n"),
    ],
)
def test_messages_are_discarded_if_standard_error_is_closed(
    invoke: Roster, tmp_path: Path, arguments: str, output: str
) -> None:
    invoke("db", "upgrade")
    tmp_path.joinpath("people.csv").write_text("email,name\nann@example.org,Ann\n")
    closed = ["sh", "-c", '"$0" "$@" <&- 2>&-', ROSTER, *arguments.split()]
    done = subprocess.run(closed, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, output)


def test_an_error_is_not_printed_to_the_output_if_standard_error_is_closed(
    invoke: Roster, tmp_path: Path
) -> None:
    invoke("db", "upgrade")
    closed = ["sh", "-c", '"$0" users show 7 2>&-', ROSTER]
    done = subprocess.run(closed, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_service_starts_without_standard_error(tmp_path: Path) -> None:
    closed = ["sh", "-c", 'exec "$0" serve --port 0 2>&-', ROSTER]
    with subprocess.Popen(closed, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout
        try:
            health = json.loads(service.stdout.readline())["health"]
            until(lambda: service.poll() is not None or is_ready(health), within=60)
        finally:
            service.terminate()
    assert service.returncode == 0


@pytest.mark.parametrize(
    "arguments", ["users list", "users create --email ann@example.org --name Ann", "db check"]
)
def test_a_full_disk_is_named(small_disk: Path, arguments: str) -> None:
    """SQLite reports an I/O error if it cannot create its index of the write-ahead log."""
    url = f"sqlite:///{small_disk}/roster.db"
    engine = make_engine(url)
    schema.upgrade(engine)
    engine.dispose()
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    assert error_of(url, arguments).endswith("Free space on the disk.\n")


@pytest.mark.parametrize("url", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "50% of a b"
    folder.mkdir()
    path = quote(quote(str(folder)) if "uri" in url else str(folder))
    assert f": {folder}: it is a folder." in error_of(url.format(path), "db upgrade")


def test_a_missing_current_directory_is_named(tmp_path: Path) -> None:
    removed = ["sh", "-c", 'rmdir "$PWD" && exec "$0" users list', ROSTER]
    folder = tmp_path / "removed"
    folder.mkdir()
    ended = subprocess.run(removed, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == (
        "Error: ROSTER_DATABASE_URL: The current directory does not exist. Change to another one.\n"
    )


def test_every_file_that_must_be_writable_is_named(invoke: Roster) -> None:
    invoke("db", "upgrade")
    read_only = {"ROSTER_DATABASE_URL": "sqlite:///file:roster.db?mode=ro&uri=true"}
    arguments = ("users", "create", "--email", "ann@example.org", "--name", "Ann")
    done = invoke(*arguments, **read_only)
    assert (done.returncode, is_one_line(done.stderr)) == (1, True)
    for each in ("to the file", "its folder", "-wal", "-shm"):
        assert each in done.stderr


def is_ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url).status_code == 200
    return False


@contextmanager
def held(url: str) -> Iterator[None]:
    """In the block, another process migrates or writes."""
    parts = make_url(url)
    with ExitStack() as stack:
        if url.startswith("sqlite"):
            sqlite = stack.enter_context(closing(sqlite3.connect(str(parts.database))))
            sqlite.execute("BEGIN IMMEDIATE")
        elif url.startswith("postgresql"):
            postgresql = stack.enter_context(closing(psycopg2.connect(url)))
            postgresql.cursor().execute(f"SELECT pg_advisory_lock({0x526F73746572})")
        else:
            where = parts.query["unix_socket"]
            mariadb = stack.enter_context(closing(pymysql.connect(unix_socket=where, user="root")))
            mariadb.cursor().execute(f"SELECT GET_LOCK('roster {parts.database}', 0)")
        yield


@pytest.fixture(params=["sqlite_url", "postgresql_url", "mariadb_url"])
def url(request: pytest.FixtureRequest) -> str:
    """A database that an upgrade changes."""
    url = str(request.getfixturevalue(request.param))
    engine = make_engine(url)
    schema.upgrade(engine, "0004")
    engine.dispose()
    return url


@contextmanager
def upgrading(url: str) -> Iterator["subprocess.Popen[str]"]:
    command = [ROSTER, "db", "upgrade"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {"ROSTER_DATABASE_URL": url, "PATH": os.environ["PATH"]}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def test_an_upgrade_reports_that_it_waits_for_a_lock_and_continues(url: str) -> None:
    with ExitStack() as stack:
        lock = stack.enter_context(ExitStack())
        lock.enter_context(held(url))
        process = stack.enter_context(upgrading(url))
        assert process.stderr
        assert process.stderr.readline().startswith("Waiting for another migration")
        lock.close()
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (0, f"{schema.REVISION}\n")


def test_an_upgrade_that_waits_is_ended_by_ctrl_c_without_a_traceback(url: str) -> None:
    with held(url), upgrading(url) as process:
        assert process.stderr
        assert process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "Traceback" not in error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two\n\tlines", "two lines"),
        ('could not translate host name "hush@host"', 'could not translate host name "…@host"'),
        ("can't connect to 'a:hush@host:1'", "can't connect to '…@host:1'"),
        ("postgresql://ann:hush@host/x failed", "postgresql://…@host/x failed"),
        ("postgresql://ann:hush@hush@host/x failed", "postgresql://…@host/x failed"),
        ("denied for user 'ann'@'host'", "denied for user 'ann'@'host'"),
        ("host=x password=hush user=y", "host=x password=… user=y"),
        ("host=x password='hush hush' user=y", "host=x password=… user=y"),
    ],
)
def test_no_password_is_in_a_reason(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_a_reason_is_one_line_of_a_bounded_length() -> None:
    error = reason(psycopg2.OperationalError("a very\nlong one " * 10_000))
    assert "\n" not in error
    assert len(error) <= MAX_LENGTH


def test_no_value_of_a_row_is_in_a_reason() -> None:
    for code in (1062, 1366, 1292, 1064, 4025):
        error = pymysql.err.IntegrityError(code, "Duplicate entry 'ann@example.org' for key 'x'")
        assert "ann" not in reason(error)
