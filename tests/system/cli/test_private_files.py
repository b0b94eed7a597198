"""Files that Roster creates are readable by their owner only, with any umask."""

import os
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from click.testing import Result
from roster_process import ROSTER

from adapters.sql import schema, sqlite_file
from adapters.sql.engine import make_engine

Roster = Callable[..., Result]
Write = Callable[[str, str], str]


pytestmark = pytest.mark.usefixtures("open_umask")


def mode(file: Path | str) -> int:
    return stat.S_IMODE(Path(file).stat().st_mode)


@pytest.mark.parametrize("url", ["sqlite:///{}", "sqlite:///file:{}?uri=true&mode=rwc"])
def test_the_files_of_a_database_are_private(tmp_path: Path, url: str) -> None:
    file = tmp_path / "roster.db"
    engine = make_engine(url.format(file))
    schema.upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM users")
        found = sorted(tmp_path.iterdir())
        assert [each.name for each in found] == ["roster.db", "roster.db-shm", "roster.db-wal"]
        assert {mode(each) for each in found} == {0o600}
    engine.dispose()


def test_a_database_behind_a_symbolic_link_is_private(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "file.db")
    engine = make_engine(f"sqlite:///{tmp_path}/link.db")
    schema.upgrade(engine)
    engine.dispose()
    assert mode(tmp_path / "file.db") == 0o600


def test_an_existing_database_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "roster.db"
    file.touch(0o640)
    engine = make_engine(f"sqlite:///{file}")
    schema.upgrade(engine)
    engine.dispose()
    assert mode(file) == 0o640
    assert sqlite_file.readable_by_others(f"sqlite:///{file}") == file
    file.chmod(0o600)
    assert sqlite_file.readable_by_others(f"sqlite:///{file}") is None
    assert sqlite_file.readable_by_others(f"sqlite:///{tmp_path}/none.db") is None


def test_a_read_only_database_is_not_created(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///file:{tmp_path}/none.db?uri=true&mode=ro")
    with pytest.raises(Exception, match="unable to open"), closing(engine.raw_connection()):
        pass
    assert [*tmp_path.iterdir()] == []


def test_exports_and_error_files_are_private(roster: Roster, write: Write, tmp_path: Path) -> None:
    bad = write("bad.csv", "email,name\nann@example.org,Ann\nno address,Bob\n")
    rejected, export = tmp_path / "rejected.csv", tmp_path / "people.csv"
    result = roster("users", "import", bad, "--skip-errors", "--errors", str(rejected))
    assert result.exit_code == 0
    result = roster("users", "export", str(export))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "ann@example.org" in export.read_text()
    assert "no address" in rejected.read_text()
    assert (mode(export), mode(rejected)) == (0o600, 0o600)


def test_an_existing_file_keeps_its_permissions_with_a_warning(
    roster: Roster, tmp_path: Path
) -> None:
    export = tmp_path / "people.csv"
    export.touch(0o644)
    result = roster("users", "export", str(export))
    assert result.exit_code == 0
    assert result.stderr == (
        f"Warning: other users of this machine can read {export}: chmod 600 {export}\n"
    )
    assert export.read_text().startswith("id,email")
    assert mode(export) == 0o644


def test_a_pipe_and_standard_output_are_written_without_a_warning(
    roster: Roster, sqlite_url: str, tmp_path: Path
) -> None:
    pipe, read = tmp_path / "pipe.csv", []
    os.mkfifo(pipe)
    reader = Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    result = roster("users", "export", str(pipe))
    reader.join(20)
    assert (result.exit_code, result.stderr) == (0, "")
    assert read[0].startswith("id,email")
    command = [ROSTER, "users", "export", "/dev/stdout"]
    done = subprocess.run(
        [*command, "--format", "csv"],
        env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (read[0], "")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///file:roster.db", "file:roster.db"),
        ("sqlite:///file:roster.db?uri=false", "file:roster.db"),
        ("sqlite:///roster.db?timeout=5&check_same_thread=false", "roster.db"),
        ("sqlite:///file:roster%20a.db?uri=true", "roster a.db"),
    ],
)
def test_the_file_that_sqlite_opens_is_private_in_every_form_of_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, name: str
) -> None:
    """Without uri=true, `file:` is part of the name."""
    monkeypatch.chdir(tmp_path)
    engine = make_engine(url)
    with closing(engine.raw_connection()):
        assert {each.name: mode(each) for each in tmp_path.glob(f"*{name}")} == {name: 0o600}
        (tmp_path / name).chmod(0o644)
        found = sqlite_file.readable_by_others(url)
        assert found
        assert found.absolute() == tmp_path / name
    engine.dispose()
    assert {each.name for each in tmp_path.iterdir()} == {name}


def test_a_file_of_another_user_is_written_with_a_warning(
    roster: Roster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner can read the file with any permissions."""
    export = tmp_path / "people.csv"
    export.touch(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: export.stat().st_uid + 1)
    result = roster("users", "export", str(export))
    assert result.exit_code == 0
    assert f"Warning: {export} belongs to another user, who can read it" in result.stderr
