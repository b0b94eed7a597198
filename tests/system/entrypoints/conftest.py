"""The command line, in a process and in this process."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from roster_process import ROSTER

from entrypoints.cli.main import main

ROOT = Path(__file__).parents[3]
Roster = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    """Runs a command as a user does, in an empty directory."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROSTER, *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Roster:
    """Runs a command in this process, in an empty directory, with the same results as `roster`."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("ROSTER_", "OTEL_"))]:
        monkeypatch.delenv(name)

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(
            main, arguments, env=environment, prog_name="roster", catch_exceptions=False
        )
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """The directory of an installation of the wheel."""
    directory = tmp_path / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    return directory
