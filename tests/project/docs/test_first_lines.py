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

README = Path(__file__).parents[3] / "README.md"
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


def lines_on_terminal(**environment: str) -> list[str]:
    """What is logged where standard output is a terminal, until a request was answered."""
    terminal, its_end = pty.openpty()
    with subprocess.Popen(
        [ROSTER, "serve", "--port", "0"],
        env=os.environ | {"ROSTER_DATABASE_URL": "memory://"} | environment,
        stdout=its_end,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            text = ""
            while not (url := re.search(r"http://127\.0\.0\.1:\d+", text)):
                text += os.read(terminal, 1000).decode()
            assert status(f"{url[0]}/healthz") == 200
            while "/healthz" not in text or not text.endswith("\n"):
                text += os.read(terminal, 1000).decode()
            server.terminate()
            server.wait()
        finally:
            server.kill()
            os.close(terminal)
            os.close(its_end)
    return text.replace("\r", "").splitlines()


def test_the_log_is_text_on_a_terminal() -> None:
    listening, *_, request = lines_on_terminal()
    assert re.match(r"\S+Z \[info +\] listening ", listening)
    assert re.match(r"\S+Z \[info +\] request ", request)


def test_the_log_is_in_json_on_a_terminal_if_it_is_set() -> None:
    listening, *_, request = lines_on_terminal(ROSTER_LOG_FORMAT="json")
    assert json.loads(listening)["event"] == "listening"
    assert json.loads(request)["event"] == "request"
