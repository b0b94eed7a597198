"""Third-party clients, which `make test-clients` installs."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from roster_process import ROSTER

HERE = Path(__file__).parent
PROGRAMS = HERE.parents[2] / ".venv-clients" / "bin"


@pytest.fixture
def base_url(serve: Callable[[str], str], sqlite_url: str) -> str:
    """The URL of a service over an empty directory."""
    return serve(sqlite_url)


@pytest.fixture
def guarded(
    serve: Callable[[str], str], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """The URL of a service that requires tokens, and a token for all requests."""
    monkeypatch.setenv("ROSTER_JWT_SECRET", "a secret of the tests, of 32 bytes or more")
    scopes = "users:read users:write groups:read groups:write"
    command = [ROSTER, "token", "--scope", scopes, "--subject", "client"]
    token = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return serve(sqlite_url), token


@pytest.fixture
def run() -> Callable[..., str]:
    """Runs a third-party program, which must succeed, and returns its output."""

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


@pytest.fixture
def run_in_browser(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a JavaScript program that uses Chromium, and returns its output."""
    chromium = shutil.which("chromium")
    assert chromium, "make test-clients installs Chromium"
    monkeypatch.setenv("CHROMIUM", chromium)
    return lambda script, *arguments: run("node", script, *arguments)


class _Files(SimpleHTTPRequestHandler):
    """Serves a directory without a log."""

    def log_message(self, *arguments: object) -> None:
        """Write nothing."""


@pytest.fixture
def page_port(tmp_path: Path) -> Iterator[int]:
    """The port of a server of the files in `tmp_path`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=tmp_path)) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
