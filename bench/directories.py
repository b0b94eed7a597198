"""Databases of any kind, filled with users, groups and memberships."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import pymysql

from adapters.sql.engine import make_engine
from bench.database import migrate, start_postgresql

ALL, THOUSAND, PAGE, NONE, TEN = range(1, 6)
"""The ids of groups: of all users, of 1,000, of 25, of no user, and of 10."""
EMPTY = range(6, 14)
"""The ids of eight more groups of no user."""
FIRST_OTHER = 14
OTHERS_PER_USER = 4
"""The number of groups of each user, in addition to the group of all users."""
OUTSIDERS = 2000
"""The number of users who are in no group. Their ids follow those of the others."""
_BUFFERS = "1GB"

Started = tuple[str, psutil.Process | None]
"""The URL of a database and its main process."""


@dataclass(frozen=True)
class Directory:
    """A database with this number of users in groups, and a number of groups."""

    kind: str
    url: str
    users: int
    groups: int
    server: psutil.Process | None = None
    """The main process of the database, if it is not SQLite."""

    def execute(self, *statements: str) -> None:
        """Runs the statements, and commits each."""
        engine = make_engine(self.url, exclusive=True)
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
                connection.commit()
        engine.dispose()


@contextmanager
def directory(kind: str, users: int, groups: int) -> Iterator[Directory]:
    """Starts a database of this kind, fills it, and removes it at the end."""
    with empty_database(kind) as (url, server):
        filled = Directory(kind, url, users, groups, server)
        filled.execute(*_statements(filled))
        yield filled


@contextmanager
def empty_database(kind: str) -> Iterator[Started]:
    """Starts a database of this kind with Roster's tables, and removes it at the end."""
    with _STARTS[kind]() as (url, server):
        migrate(url)
        yield url, server


@contextmanager
def _sqlite() -> Iterator[Started]:
    with tempfile.TemporaryDirectory(prefix="roster-bench-") as name:
        yield f"sqlite:///{name}/roster.db", None


@contextmanager
def _mariadb() -> Iterator[Started]:
    """Starts Debian's server on a unix socket, with a buffer for all of the data."""
    with tempfile.TemporaryDirectory(prefix="roster-bench-") as name:
        socket, data = f"{name}/socket", f"--datadir={name}/data"
        options = ["--no-defaults", data, *(["--user=root"] if os.geteuid() == 0 else [])]
        environment = os.environ | {"TMPDIR": name}
        installation = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(
            ["mariadb-install-db", *options, *installation],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        program = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "mariadbd is not installed"
        settings = ["--skip-networking", f"--innodb-buffer-pool-size={_BUFFERS}"]
        with Path(name, "log").open("wb") as log:
            process = psutil.Popen(
                [program, *options, *settings, f"--socket={socket}"],
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            _create_database(socket)
            query = f"unix_socket={socket}&ssl_disabled=True"
            yield f"mariadb+pymysql://root@localhost/roster?{query}", process
        finally:
            process.terminate()
            process.wait()


def _create_database(socket: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with (
            suppress(pymysql.OperationalError),
            pymysql.connect(unix_socket=socket, user="root") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("CREATE DATABASE roster")
            return
        time.sleep(0.2)
    raise RuntimeError("MariaDB does not start.")


_STARTS: Mapping[str, Callable[[], AbstractContextManager[Started]]] = {
    "sqlite": _sqlite,
    "postgresql": start_postgresql,
    "mariadb": _mariadb,
}
KINDS = tuple(_STARTS)


def _statements(filled: Directory) -> Iterator[str]:
    """The statements that fill the database. Each of them inserts many rows."""
    users, groups = filled.users, filled.groups
    text = _CONCATENATIONS[filled.kind]
    times = "'2026-11-22 09:30:00.123', '2026-11-22 09:30:00.123'"
    active = "CASE WHEN n % 3 = 0 THEN FALSE ELSE TRUE END"
    role = "CASE WHEN n % 10 = 0 THEN 'admin' ELSE 'user' END"
    email, name = text("'person'", "n", "'@example.org'"), text("'person '", "n % 9973")
    yield (
        "INSERT INTO users (id, email, email_key, name, name_key, is_active, role, creation_time,"
        f" update_time, version) SELECT n, {email}, {email}, {name}, {name}, {active}, {role},"
        f" {times}, 1 FROM {_numbers(filled.kind, users + OUTSIDERS)}"
    )
    name, description = text("'group '", "n"), text("'the description of group '", "n")
    owner = f"CASE WHEN n % 2 = 0 THEN 1 + n % {users} END"
    yield (
        "INSERT INTO groups (id, name, name_key, description, description_key, owner,"
        f" creation_time, update_time, version) SELECT n, {name}, {name}, {description},"
        f" {description}, {owner}, {times}, 1 FROM {_numbers(filled.kind, groups)}"
    )
    pairs = " UNION ".join(_memberships(filled))  # which removes duplicates
    before, after = _INDEX_CHANGES[filled.kind]
    yield from before
    yield f"INSERT INTO memberships (group_id, user_id) {pairs} ORDER BY 1, 2"
    yield from after
    yield from _COMPLETIONS[filled.kind]


def _memberships(filled: Directory) -> Iterator[str]:
    """The queries for the pairs of a group and a user."""
    kind, users = filled.kind, filled.users
    for group, count in ((ALL, users), (THOUSAND, 1000), (PAGE, 25), (TEN, 10)):
        yield f"SELECT {group}, n * {users // count} FROM {_numbers(kind, count)}"
    others = filled.groups - FIRST_OTHER
    for number in range(OTHERS_PER_USER):  # spread, so that neighbors share no group
        other = f"{FIRST_OTHER} + (n * {7919 + 2 * number} + {number * 15013}) % {others}"
        yield f"SELECT {other}, n FROM {_numbers(kind, users)}"
    yield f"SELECT {FIRST_OTHER} + n, {users} FROM {_numbers(kind, min(1000, others))}"


def _numbers(kind: str, count: int) -> str:
    """A table with the column n, which has the numbers from 1 to `count`."""
    if kind == "postgresql":
        return f"generate_series(1::bigint, {count}) AS numbers(n)"
    if kind == "mariadb":
        return f"(SELECT seq AS n FROM seq_1_to_{count}) AS numbers"
    return (
        f"(WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
        f" WHERE n < {count}) SELECT n FROM numbers) AS numbers"
    )


def _with_operator(*parts: str) -> str:
    return " || ".join(f"({each})" for each in parts)


def _with_function(*parts: str) -> str:
    return f"CONCAT({', '.join(parts)})"


_CONCATENATIONS: Mapping[str, Callable[..., str]] = {
    "sqlite": _with_operator,
    "postgresql": _with_operator,
    "mariadb": _with_function,
}
_INDEX: Final = "ix_memberships_user_id_group_id"
_REBUILDING: Final = (
    (f"DROP INDEX {_INDEX}",),
    (f"CREATE INDEX {_INDEX} ON memberships (user_id, group_id)",),
)
_INDEX_CHANGES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "sqlite": _REBUILDING,
    "postgresql": _REBUILDING,
    "mariadb": ((), ()),  # a foreign key needs the index
}
"""Statements before and after the insertion of memberships, which make it faster."""
_COMPLETIONS: Mapping[str, tuple[str, ...]] = {
    "sqlite": ("ANALYZE",),
    "postgresql": (
        "SELECT setval('users_id_seq', (SELECT max(id) FROM users))",
        "SELECT setval('groups_id_seq', (SELECT max(id) FROM groups))",
        "VACUUM ANALYZE",
    ),
    "mariadb": ("ANALYZE TABLE users, groups, memberships",),
}
