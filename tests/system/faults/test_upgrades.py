"""The previous release, from the Git history, serves until this release takes over."""

import subprocess
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from threading import Event
from time import monotonic

import psycopg2
import pytest
from faults.accounts import Account, Outcome
from faults.load import Load
from faults.postgres import Postgres
from faults.service import Service
from psycopg2.errors import LockNotAvailable
from roster_process import ROSTER
from sqlalchemy import Engine

from adapters.sql import schema
from adapters.sql.engine import make_engine

Serve = Callable[..., Service]
Hold = Callable[..., Account]

ROOT = Path(__file__).parents[3]
LAST_RELEASE = "c0160acacc10f8d2fbace551e6f9941bd1c55dd1"
"""The commit of release 0.1.0. RELEASING.md describes when to change it."""
LAST_REVISION = "0005"
ROWS = 100_000
LOCK_SECONDS = 0.5

pytestmark = pytest.mark.long


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, (
        f"this test needs the last release, which a shallow clone does not contain "
        f"(git fetch --unshallow): {done.stderr.decode()}"
    )
    return done.stdout


@pytest.fixture(scope="session")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the last release, from the history of this repository."""
    directory = tmp_path_factory.mktemp("release")
    with tarfile.open(fileobj=BytesIO(git("archive", LAST_RELEASE))) as archive:
        archive.extractall(directory, filter="data")
    return directory


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


def revision(url: str) -> str | None:
    with engine_of(url) as engine:
        return schema.current(engine)


def upgrade(service: Service) -> None:
    """Upgrades the database with the command of this release."""
    environment = {
        name: value for name, value in service.environment.items() if name != "PYTHONPATH"
    }
    done = subprocess.run(
        [ROSTER, "db", "upgrade"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def durable_postgresql_url(postgres: Postgres) -> str:
    return postgres.url


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("durable_postgresql_url", "an upgrade, and the return to the previous release"),
        ("mariadb_url", "an upgrade on MariaDB, and the return"),
    ],
)
def test_a_release_takes_over_and_no_request_fails(
    request: pytest.FixtureRequest,
    release_before: Path,
    serve: Serve,
    hold: Hold,
    kind: str,
    fault: str,
) -> None:
    url = request.getfixturevalue(kind)
    old = serve(url, release=release_before)
    assert revision(url) == LAST_REVISION
    with Load(old) as load:
        upgrade(old)
        assert revision(url) == schema.REVISION
        load.until_acknowledged(50)
        new = serve(url)
        load.move(new)
        old.terminate()
        assert old.ended() == 0
        load.until_acknowledged(50)
        # The operator returns to the old release, which runs with the new tables.
        old.start()
        load.move(old)
        new.terminate()
        assert new.ended() == 0
        load.recovered()
    assert {each.outcome for each in load.replies()} == {Outcome.DONE}
    hold(fault, load)


def test_a_release_takes_over_an_sqlite_file(
    sqlite_url: str, release_before: Path, serve: Serve, hold: Hold
) -> None:
    old = serve(sqlite_url, release=release_before)
    assert revision(sqlite_url) == LAST_REVISION
    with Load(old, breaks=True) as load:
        old.terminate()
        assert old.ended() == 0
        del old.environment["PYTHONPATH"]
        old.start()
        load.recovered()
    assert revision(sqlite_url) == schema.REVISION
    hold("an upgrade of an SQLite file", load)


def revisions_with_users() -> list[tuple[str, str]]:
    """Each revision that changes a database with users, and the revision before it."""
    numbers = range(2, int(schema.REVISION) + 1)
    return [(f"{number - 1:04}", f"{number:04}") for number in numbers]


@pytest.mark.parametrize(("before", "revision"), revisions_with_users())
def test_no_migration_delays_changes_of_users(
    postgres: Postgres, before: str, revision: str
) -> None:
    with engine_of(postgres.url) as engine:
        schema.upgrade(engine, before)
        fill(postgres.url)
        with writing(postgres.url) as written:
            began = monotonic()
            schema.upgrade(engine, revision)
            ended = monotonic()
    assert written["refused"] == 0, f"{ended - began:.1f} s"
    assert written["done"] > 0


def fill(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO users (email, email_key, name, name_key, is_active, role,"
            " creation_time, update_time, version)"
            " SELECT n || '@example.org', n || '@example.org', md5(n::text), md5(n::text),"
            " n % 2 = 0, 'user', now(), now(), 1"
            f" FROM generate_series(1, {ROWS}) AS n"
        )
        connection.commit()


@contextmanager
def writing(url: str) -> Iterator[dict[str, int]]:
    """In the block, users are changed one after the other. Counts the changes and lock timeouts."""
    stop, written = Event(), {"done": 0, "refused": 0}

    def write() -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            while not stop.is_set():
                user_id = 1 + written["done"] % ROWS
                try:
                    cursor.execute(
                        "UPDATE users SET role = 'admin', update_time = now(),"
                        f" version = version + 1 WHERE id = {user_id}"
                    )
                    written["done"] += 1
                except LockNotAvailable:
                    written["refused"] += 1

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(write)
        try:
            yield written
        finally:
            stop.set()
        running.result()
