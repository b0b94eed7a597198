"""What `roster serve` says first leads a newcomer everywhere."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

README = Path(__file__).parents[2] / "README.md"
ROSTER = Path(sys.executable).with_name("roster")


def told(terminal: int) -> str:
    """What is written to a terminal up to the line that ends the first ones."""
    text = ""
    while not text.endswith("/readyz\r\n"):
        text += os.read(terminal, 1000).decode()
    return text.replace("\r", "")


def status(url: str) -> int:
    """What it is answered by, once a worker has come, which takes a moment longer."""
    patience = time.monotonic() + 20
    while time.monotonic() < patience:
        with suppress(httpx.TransportError):
            return httpx.get(url).status_code
    raise AssertionError(f"nobody answers at {url}")


def test_the_first_lines_lead_to_the_api_the_docs_and_the_health() -> None:
    terminal, its_end = pty.openpty()
    with subprocess.Popen(
        [ROSTER, "serve", "--port", "0"],
        env=os.environ | {"ROSTER_DATABASE_URL": "memory://"},
        stdout=subprocess.PIPE,
        stderr=its_end,
    ) as server:
        try:
            assert server.stdout
            line = json.loads(server.stdout.readline())
            lines = told(terminal)
            urls = [line[name] for name in ("url", "api", "docs", "health")]
            assert [status(url) for url in urls] == [200] * 4
            server.terminate()
            server.stdout.read()
        finally:
            server.kill()
            os.close(terminal)
            os.close(its_end)
    assert re.findall(r"http://\S+", lines) == urls
    assert f"```\n{lines.replace(urls[0], 'http://127.0.0.1:5000')}```\n" in README.read_text()
