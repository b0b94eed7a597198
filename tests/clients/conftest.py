"""What others wrote, as `make test-clients` installs it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAMS = HERE.parents[1] / ".venv-clients" / "bin"


@pytest.fixture
def base_url(serve: Callable[[str], str], sqlite_url: str) -> str:
    """Where a service over an empty directory answers."""
    return serve(sqlite_url)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Runs a program of theirs to its good end; gives what it printed."""
    environment = os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"}

    def run(program: str, *arguments: object, within: Path = HERE, seconds: int = 60) -> str:
        assert (PROGRAMS / program).exists(), "make test-clients installs what this needs"
        done = subprocess.run(
            [PROGRAMS / program, *map(str, arguments)],
            cwd=within,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run
