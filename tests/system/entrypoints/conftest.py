"""The command line, in a process and in this process."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from roster_process import ROSTER

from entrypoints.cli.main import main

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
