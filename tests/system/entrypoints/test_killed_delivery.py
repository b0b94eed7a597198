"""No email is lost if the process that sends it is killed at any point."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "system" / "killed_delivery.py"


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.long)])
def test_an_email_is_sent_once_or_twice_wherever_its_process_is_killed(
    tmp_path: Path, step: int
) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, str(step)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    counts = [int(line) for line in done.stdout.split()]
    assert len(counts) > 40 / step
    assert set(counts) <= {1, 2}
    assert step > 1 or 2 in counts  # only one of the lines is after sending and before removing
    assert counts[-1] == 1  # this process was not killed
