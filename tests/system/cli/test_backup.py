"""roster db backup: a complete, checked and private copy of an SQLite database, or no file."""

import os
import signal
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from roster_process import ROSTER
from waiting import until

from adapters.sql.engine import make_engine
from adapters.sql.schema import REVISION
from adapters.sql.sqlite_backup import back_up

Roster = Callable[..., Result]
ANN = ("users", "create", "--email", "ann@example.org", "--name", "Ann")


pytestmark = pytest.mark.usefixtures("open_umask")


def error_of(result: Result, status: int = 1) -> str:
    assert (result.exit_code, result.stdout) == (status, "")
    return result.stderr


def test_a_backup_is_a_private_file_that_serves(roster: Roster, tmp_path: Path) -> None:
    assert roster(*ANN).exit_code == 0
    copy = tmp_path / "copy.db"
    done = roster("db", "backup", str(copy))
    assert (done.exit_code, done.stderr) == (0, "")
    size = copy.stat().st_size / 1e6
    assert done.stdout == f"Backed up to {copy}: {size:.1f} MB, at {REVISION}.\n"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} <= {
        "copy.db",
        "roster.db",
        "roster.db-shm",
        "roster.db-wal",
    }
    restored = {"ROSTER_DATABASE_URL": f"sqlite:///{copy}"}
    assert roster("db", "check", **restored).exit_code == 0
    assert "ann@example.org" in roster("users", "list", **restored).stdout


def test_a_backup_is_one_file_that_opens_where_nothing_can_be_written(
    roster: Roster, tmp_path: Path
) -> None:
    roster("db", "backup", str(tmp_path / "copy.db"))
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_an_existing_file_is_never_overwritten(roster: Roster, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")
    for file in (precious, link, tmp_path):
        line = f"Error: file_exists: {file} exists already. Choose another name.\n"
        assert error_of(roster("db", "backup", str(file))) == line
    assert precious.read_text() == "precious"
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
def test_the_files_of_the_database_are_rejected_as_targets(
    roster: Roster, tmp_path: Path, ending: str
) -> None:
    name = f"{tmp_path}/roster.db{ending}"
    line = f"Error: file_exists: {name} belongs to the database. Choose another name.\n"
    assert error_of(roster("db", "backup", name)) == line


def test_a_missing_folder_is_named(roster: Roster, tmp_path: Path) -> None:
    name = f"{tmp_path}/none/copy.db"
    line = f"Error: file_failed: {name}: No such file or directory.\n"
    assert error_of(roster("db", "backup", name)) == line


def test_a_backup_to_standard_output_is_rejected(roster: Roster) -> None:
    assert "FILE must be the name of a file" in error_of(roster("db", "backup", "-"), 2)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("postgresql://db.example.org/roster", "; use pg_dump for this database"),
        ("mariadb+pymysql://db.example.org/roster", "; use mariadb-dump for this database"),
        ("mysql+pymysql://db.example.org/roster", "; use mariadb-dump for this database"),
        ("memory://", ""),
    ],
)
def test_other_databases_have_their_own_programs(
    roster: Roster, tmp_path: Path, url: str, remedy: str
) -> None:
    result = roster("db", "backup", str(tmp_path / "copy"), ROSTER_DATABASE_URL=url)
    line = f"Error: ROSTER_DATABASE_URL: roster db backup is for SQLite{remedy}\n"
    assert error_of(result, 2) == line


def test_a_database_that_does_not_exist_is_not_created(roster: Roster, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    result = roster("db", "backup", str(tmp_path / "copy"), ROSTER_DATABASE_URL=url)
    line = f"Error: ROSTER_DATABASE_URL: the file {tmp_path}/other.db does not exist\n"
    assert error_of(result, 2) == line
    assert not (tmp_path / "other.db").exists()


def test_a_file_without_tables_of_roster_is_not_backed_up(roster: Roster, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    url = f"sqlite:///{tmp_path}/empty.db"
    error = error_of(roster("db", "backup", str(tmp_path / "copy"), ROSTER_DATABASE_URL=url))
    assert "The file has no tables of Roster. Check ROSTER_DATABASE_URL." in error
    assert not (tmp_path / "copy").exists()


def test_a_damaged_database_leaves_no_backup(roster: Roster, tmp_path: Path) -> None:
    assert roster(*ANN).exit_code == 0
    source = tmp_path / "roster.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'users'"
            " AND sql IS NOT NULL LIMIT 1"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with source.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
    before = set(tmp_path.iterdir())
    error = error_of(roster("db", "backup", str(tmp_path / "copy.db")))
    assert error.startswith("Error: unavailable: ")
    assert "damaged" in error
    assert set(tmp_path.iterdir()) <= before | {Path(f"{source}-wal"), Path(f"{source}-shm")}


def test_concurrent_changes_do_not_delay_a_backup_and_are_not_in_it(
    roster: Roster, sqlite_url: str, tmp_path: Path
) -> None:
    assert roster("demo", "200").exit_code == 0
    copy = tmp_path / "copy.db"
    steps = []
    engine = make_engine(sqlite_url)
    with closing(sqlite3.connect(tmp_path / "roster.db", isolation_level=None)) as writer:

        def write(done: int, pages: int) -> None:
            steps.append(done)
            writer.execute("UPDATE users SET name = 'Changed' WHERE id = ?", (len(steps),))

        back_up(engine, copy, report=write, pages_per_step=5)
        (changed,) = writer.execute("SELECT count(*) FROM users WHERE name = 'Changed'").fetchone()
    engine.dispose()
    assert changed == len(steps) > 5
    assert steps == sorted(set(steps))  # the backup did not restart
    with closing(sqlite3.connect(copy)) as connection:
        found = connection.execute("SELECT count(*), sum(name = 'Changed') FROM users").fetchone()
    assert found == (200, 0)


def test_a_file_created_during_the_backup_is_not_overwritten(
    roster: Roster, sqlite_url: str, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    engine = make_engine(sqlite_url)

    def write(*_: int) -> None:
        copy.write_text("precious")

    with pytest.raises(FileExistsError):
        back_up(engine, copy, report=write)
    engine.dispose()
    assert copy.read_text() == "precious"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_backup_leaves_no_copy(
    roster: Roster, sqlite_url: str, tmp_path: Path, how: signal.Signals
) -> None:
    assert roster("demo", "2000").exit_code == 0
    folder = tmp_path / "backups"
    folder.mkdir()
    with subprocess.Popen(
        [ROSTER, "db", "backup", str(folder / "copy.db")],
        env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
    ) as process:
        until(lambda: process.poll() is not None or any(folder.glob("*/copy")))
        process.send_signal(how)
    assert process.returncode in (0, 1, 128 + how)  # 0 if the backup ended before
    assert {path.name for path in folder.iterdir()} <= {"copy.db"}
