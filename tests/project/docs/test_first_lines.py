"""The first lines of `roster serve` lead to the API, its documentation and its health."""

import json
import os
import pty
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

README = Path(__file__).parents[3] / "README.md"


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """A terminal, and the end of it that a program writes to."""
    ends = pty.openpty()
    try:
        yield ends
    finally:
        for each in ends:
            os.close(each)


@contextmanager
def serving(
    roster_program: Path, *, stdout: int, stderr: int, **environment: str
) -> Iterator[None]:
    """Runs `roster serve` in the block."""
    with subprocess.Popen(
        [roster_program, "serve", "--port", "0"],
        env=os.environ | {"ROSTER_DATABASE_URL": "memory://"} | environment,
        stdout=stdout,
        stderr=stderr,
    ) as server:
        try:
            yield
        finally:
            server.terminate()


def read_until(screen: int, end: str) -> str:
    """The text on a terminal up to the first match of a regular expression at its end."""
    text = ""
    while not re.search(rf"(?:{end})\Z", text):
        text += os.read(screen, 1000).decode().replace("\r", "")
    return text


def status(url: str) -> int:
    """The status of the response, as soon as a worker accepts requests."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            return httpx.get(url).status_code
    raise AssertionError(f"no response from {url}")


def test_the_first_lines_name_the_urls_of_the_api_the_docs_and_the_health(
    roster_program: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with (
        terminal() as (screen, end),
        log.open("wb") as file,
        serving(roster_program, stdout=file.fileno(), stderr=end),
    ):
        lines = read_until(screen, "/readyz\n")
        entry = json.loads(log.read_text().splitlines()[0])
        urls = [entry[name] for name in ("url", "api", "docs", "health")]
        assert [status(url) for url in urls] == [200] * 4
    assert re.findall(r"http://\S+", lines) == urls
    assert f"```\n{lines.replace(urls[0], 'http://127.0.0.1:5000')}```\n" in README.read_text()


def log_on_terminal(roster_program: Path, **environment: str) -> tuple[str, str]:
    """The log entries of the start and of a request, if standard output is a terminal."""
    with (
        terminal() as (screen, end),
        serving(roster_program, stdout=end, stderr=subprocess.DEVNULL, **environment),
    ):
        start = read_until(screen, r"http://127\.0\.0\.1:\d+.*\n")
        url = re.search(r"http://127\.0\.0\.1:\d+", start)
        assert url
        assert status(f"{url[0]}/healthz") == 200
        return start.splitlines()[0], read_until(screen, ".*/healthz.*\n").splitlines()[-1]


def test_the_log_is_text_on_a_terminal(roster_program: Path) -> None:
    listening, request = log_on_terminal(roster_program)
    assert re.match(r"\S+Z \[info +\] listening ", listening)
    assert re.match(r"\S+Z \[info +\] request ", request)


def test_the_log_is_json_on_a_terminal_if_that_is_set(roster_program: Path) -> None:
    listening, request = log_on_terminal(roster_program, ROSTER_LOG_FORMAT="json")
    assert json.loads(listening)["event"] == "listening"
    assert json.loads(request)["event"] == "request"
