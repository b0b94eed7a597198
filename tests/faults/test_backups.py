"""What is backed up under load can be restored, and has all that was acknowledged by then."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pytest
from faults.load import JSONAPI, Load, creation
from faults.postgres import Postgres
from faults.service import ROSTER, Service

Serve = Callable[..., Service]
SKIPPED = 1_000_000  # more ids than are given between a backup and the loss of what came after


@pytest.fixture
def archive(postgresql_18: object) -> Iterator[Path]:
    """Where PostgreSQL, as whom it may run, keeps what it has written."""
    with TemporaryDirectory(prefix="roster-archive-") as directory:
        if os.geteuid() == 0:
            shutil.chown(directory, "pgserver")
        yield Path(directory)


def backed_up(load: Load, back_up: Callable[[], None]) -> tuple[frozenset[int], frozenset[int]]:
    """What was acknowledged before the backup began, and some time after it had ended."""
    before = load.acknowledged()
    back_up()
    load.until_acknowledged(100)
    return before, load.acknowledged()


def judge(
    load: Load,
    known: tuple[frozenset[int], frozenset[int]],
    restored: Service,
    skip_ids: Callable[[], None],
) -> None:
    before, after = known
    users = restored.users()
    found = load.account_of(before, restored)
    assert (found.lost, found.duplicated, found.half_applied, found.untold) == (0, 0, 0, 0)
    assert load.account_of(after, restored).lost > 0, "the count does not see what is not there"
    newest = max(int(user["id"]) for user in users)
    made = create(restored, "first@example.org")
    assert made > newest
    delete(restored, made)
    assert create(restored, "second@example.org") > made
    skip_ids()
    assert create(restored, "third@example.org") > max(load.ids())


def create(service: Service, email: str) -> int:
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=20)) as connection:
        body = json.dumps(creation(email, "New").body)
        connection.request("POST", "/api/v1/users", body, {"Content-Type": JSONAPI})
        return int(json.loads(connection.getresponse().read())["data"]["id"])


def delete(service: Service, user_id: int) -> None:
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=20)) as connection:
        connection.request("DELETE", f"/api/v1/users/{user_id}")
        assert connection.getresponse().status == 204


def check(url: str) -> None:
    """That the tables are those of this release; nothing is migrated."""
    environment = {"PATH": os.environ["PATH"], "ROSTER_DATABASE_URL": url}
    subprocess.run([ROSTER, "db", "check"], env=environment, check=True, capture_output=True)


def by_its_backup(source: Path, copy: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(copy)) as other:
        one.backup(other)


def by_vacuum(source: Path, copy: Path) -> None:
    with closing(sqlite3.connect(source, timeout=20)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))


@pytest.mark.parametrize(
    "back_up", [by_its_backup, pytest.param(by_vacuum, marks=pytest.mark.long)]
)
def test_a_file_is_backed_up_under_load(
    serve: Serve, tmp_path: Path, back_up: Callable[[Path, Path], None]
) -> None:
    source, copy = tmp_path / "roster.db", tmp_path / "copy.db"
    with Load(serve(f"sqlite:///{source}")) as load:
        known = backed_up(load, lambda: back_up(source, copy))
        load.mended()
    url = f"sqlite:///{copy}"
    check(url)

    def skip_ids() -> None:
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute(
                f"UPDATE sqlite_sequence SET seq = seq + {SKIPPED} WHERE name = 'users'"
            )
            connection.commit()

    judge(load, known, serve(url), skip_ids)


def skipping(url: str) -> Callable[[], None]:
    def skip_ids() -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(
                f"SELECT setval('users_id_seq', (SELECT last_value FROM users_id_seq) + {SKIPPED})"
            )
            connection.commit()

    return skip_ids


@pytest.mark.long
def test_a_database_is_dumped_under_load(
    serve: Serve, postgres: Postgres, new_postgres: Callable[..., Postgres], tmp_path: Path
) -> None:
    dump = tmp_path / "roster.dump"

    def run(program: str, *arguments: object) -> None:
        command = [postgres.binaries / program, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    with Load(serve(postgres.url)) as load:
        known = backed_up(
            load, lambda: run("pg_dump", "--format=custom", f"--file={dump}", postgres.url)
        )
        load.mended()
    restored = new_postgres()
    restored.create()
    run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={restored.url}", dump)
    check(restored.url)
    judge(load, known, serve(restored.url), skipping(restored.url))


@pytest.mark.long
def test_a_server_is_backed_up_under_load_and_restored_to_a_point_in_time(
    serve: Serve, new_postgres: Callable[..., Postgres], archive: Path
) -> None:
    postgres = new_postgres(
        archive_mode="on", archive_command=f"test ! -f {archive}/%f && cp %p {archive}/%f"
    )
    postgres.create()
    restored = new_postgres()
    with Load(serve(postgres.url)) as load:
        restored.back_up(postgres)
        load.until_acknowledged(100)
        known = backed_up(
            load, lambda: postgres.execute("SELECT pg_create_restore_point('a good hour')")
        )
        load.mended()
    postgres.execute("SELECT pg_switch_wal()")
    postgres.stop()  # which archives what is left
    restored.recover(f"cp {archive}/%f %p", "a good hour")
    check(restored.url)
    judge(load, known, serve(restored.url), skipping(restored.url))
