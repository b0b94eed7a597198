"""A service for the documentation's commands."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

RETRYING = ("--retry", "100", "--retry-connrefused", "--retry-delay", "1", "--retry-max-time", "20")
ROSTER = Path(sys.executable).with_name("roster")


@pytest.fixture
def base_url(sqlite_url: str) -> Iterator[str]:
    """Where a service over an empty directory answers."""
    server = subprocess.Popen(
        [ROSTER, "serve", "--port", "0"],
        env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    with server.stdout as log:
        url = next(line for line in log if "listening" in line).split('"url":"')[1].split('"')[0]
        # The line is written by the master; the worker is a moment later.
        subprocess.run(["curl", "-sf", *RETRYING, f"{url}/readyz"], check=True, capture_output=True)
        yield url
        server.terminate()
        log.read()
    server.wait(20)
