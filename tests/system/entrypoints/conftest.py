import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Roster = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    """The command line as a user runs it, in an empty directory."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("roster"), *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run
