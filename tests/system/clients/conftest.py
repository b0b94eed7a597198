"""What others wrote, as `make test-clients` installs it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROSTER = Path(sys.executable).with_name("roster")
PROGRAMS = HERE.parents[2] / ".venv-clients" / "bin"


@pytest.fixture
def base_url(serve: Callable[[str], str], sqlite_url: str) -> str:
    """Where a service over an empty directory answers."""
    return serve(sqlite_url)


@pytest.fixture
def guarded(
    serve: Callable[[str], str], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """Where a service that wants tokens answers, and a token for everything."""
    monkeypatch.setenv("ROSTER_JWT_SECRET", "a secret of the tests, of 32 bytes or more")
    command = [ROSTER, "token", "--scope", "users:read users:write", "--subject", "client"]
    token = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return serve(sqlite_url), token


@pytest.fixture
def run() -> Callable[..., str]:
    """Runs a program of theirs to its good end; gives what it printed."""

    def run(program: str, *arguments: object, within: Path = HERE, seconds: int = 60) -> str:
        assert (PROGRAMS / program).exists(), "make test-clients installs what this needs"
        done = subprocess.run(
            [PROGRAMS / program, *map(str, arguments)],
            cwd=within,
            env=os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run
