"""A backup under load can be restored, and has all changes acknowledged before it."""

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
from faults.load import Load, creation
from faults.postgres import Postgres
from faults.service import Service
from roster_process import JSONAPI, ROSTER, USERS

Serve = Callable[..., Service]
SKIPPED = 1_000_000  # more ids than are assigned between a backup and its restoration


@pytest.fixture
def archive(postgresql_18: object) -> Iterator[Path]:
    """The directory of PostgreSQL's archive, which its user owns."""
    with TemporaryDirectory(prefix="roster-archive-") as directory:
        if os.geteuid() == 0:
            shutil.chown(directory, "pgserver")
        yield Path(directory)


def backed_up(load: Load, back_up: Callable[[], object]) -> tuple[frozenset[int], frozenset[int]]:
    """The tasks acknowledged before the backup began, and some time after its end."""
    before = load.acknowledged()
    back_up()
    load.until_acknowledged(100)
    return before, load.acknowledged()


def check_restored(
    load: Load,
    known: tuple[frozenset[int], frozenset[int]],
    last_position: int,
    restored: Service,
    skip: Callable[[], None],
) -> None:
    """No id and no position that a client has received is assigned again.

    `last_position` is the last position in the audit log before the loss.
    """
    before, after = known
    users = restored.users()
    found = load.account_of(before, restored)
    assert (found.lost, found.duplicated, found.half_applied, found.missing_events) == (0, 0, 0, 0)
    assert load.account_of(after, restored).lost > 0, "the account does not count the loss"
    newest = max(int(user["id"]) for user in users)
    created = create(restored, "first@example.org")
    assert created > newest
    delete(restored, created)
    assert create(restored, "second@example.org") > created
    skip()
    assert create(restored, "third@example.org") > max(load.ids())
    assert "third@example.org" in events(restored.environment, last_position)[-1]


def events(environment: dict[str, str], after: int) -> list[str]:
    command = [ROSTER, "events", f"--after={after}"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def position_of(service: Service) -> int:
    """The last position in the audit log."""
    return int(json.loads(events(service.environment, 0)[-1])["position"])


def create(service: Service, email: str) -> int:
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=20)) as connection:
        body = json.dumps(creation(email, "New").body)
        connection.request("POST", USERS, body, {"Content-Type": JSONAPI})
        return int(json.loads(connection.getresponse().read())["data"]["id"])


def delete(service: Service, user_id: int) -> None:
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=20)) as connection:
        connection.request("DELETE", f"{USERS}/{user_id}")
        assert connection.getresponse().status == 204


def check(url: str) -> None:
    """Checks that the tables are those of this release, without a migration."""
    environment = {"PATH": os.environ["PATH"], "ROSTER_DATABASE_URL": url}
    subprocess.run([ROSTER, "db", "check"], env=environment, check=True, capture_output=True)


def by_command(source: Path, copy: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "ROSTER_DATABASE_URL": f"sqlite:///{source}"}
    command = [ROSTER, "db", "backup", str(copy)]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def by_vacuum(source: Path, copy: Path) -> None:
    with closing(sqlite3.connect(source, timeout=20)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))


@pytest.mark.parametrize("back_up", [by_command, pytest.param(by_vacuum, marks=pytest.mark.long)])
def test_a_file_can_be_backed_up_under_load(
    serve: Serve, tmp_path: Path, back_up: Callable[[Path, Path], None]
) -> None:
    source, copy = tmp_path / "roster.db", tmp_path / "copy.db"
    service = serve(f"sqlite:///{source}")
    with Load(service) as load:
        known = backed_up(load, lambda: back_up(source, copy))
        load.recovered()
    last_position = position_of(service)
    url = f"sqlite:///{copy}"
    check(url)

    def skip() -> None:
        with closing(sqlite3.connect(copy)) as connection:
            connection.executescript(
                "INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM sqlite_master"
                " WHERE sql LIKE '%AUTOINCREMENT%'"
                " AND name NOT IN (SELECT name FROM sqlite_sequence);"
                f"UPDATE sqlite_sequence SET seq = seq + {SKIPPED};"
                f"UPDATE event_positions SET last = last + {SKIPPED};"
            )

    check_restored(load, known, last_position, serve(url), skip)


def skipping(url: str) -> Callable[[], None]:
    def skip() -> None:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            for sequence in ("users_id_seq", "groups_id_seq", "events_id_seq"):
                cursor.execute(
                    f"SELECT setval('{sequence}', (SELECT last_value FROM {sequence}) + {SKIPPED})"
                )
            cursor.execute(f"UPDATE event_positions SET last = last + {SKIPPED}")
            connection.commit()

    return skip


@pytest.mark.long
def test_a_database_can_be_dumped_under_load(
    serve: Serve, postgres: Postgres, new_postgres: Callable[..., Postgres], tmp_path: Path
) -> None:
    dump = tmp_path / "roster.dump"

    def run(program: str, *arguments: object) -> None:
        command = [str(postgres.binaries / program), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True)

    service = serve(postgres.url)
    with Load(service) as load:
        known = backed_up(
            load, lambda: run("pg_dump", "--format=custom", f"--file={dump}", postgres.url)
        )
        load.recovered()
    last_position = position_of(service)
    restored = new_postgres()
    restored.create()
    options = ("--exit-on-error", "--no-owner", "--no-comments")
    run("pg_restore", *options, f"--dbname={restored.url}", dump)
    check(restored.url)
    check_restored(load, known, last_position, serve(restored.url), skipping(restored.url))


@pytest.mark.long
def test_a_server_can_be_backed_up_under_load_and_restored_to_a_point_in_time(
    serve: Serve, new_postgres: Callable[..., Postgres], archive: Path
) -> None:
    postgres = new_postgres(
        archive_mode="on", archive_command=f"test ! -f {archive}/%f && cp %p {archive}/%f"
    )
    postgres.create()
    restored = new_postgres()
    service = serve(postgres.url)
    with Load(service) as load:
        restored.back_up(postgres)
        load.until_acknowledged(100)
        known = backed_up(
            load, lambda: postgres.execute("SELECT pg_create_restore_point('before the loss')")
        )
        load.recovered()
    last_position = position_of(service)
    postgres.execute("SELECT pg_switch_wal()")
    postgres.stop()  # which archives the rest
    restored.recover(f"cp {archive}/%f %p", "before the loss")
    check(restored.url)
    check_restored(load, known, last_position, serve(restored.url), skipping(restored.url))
