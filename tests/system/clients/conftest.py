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
EMAIL, PASSWORD = "ann@example.org", "correct horse battery staple"
ACCOUNT_SETTINGS = {
    "ROSTER_ACCOUNTS": "on",
    "ROSTER_SIGNUP": "on",
    "ROSTER_ARGON2": "m=7168,t=5,p=1",
    "ROSTER_ACCOUNT_RATE": "1000000/minute",
    "ROSTER_LOGIN_FAILURES": "1000/1s",
}
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
def with_accounts(
    serve: Callable[[str], str],
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The URL of a service with accounts, which has an administrator with PASSWORD."""
    monkeypatch.setenv("ROSTER_MAIL_FOLDER", str(tmp_path / "mail"))
    for name, value in ACCOUNT_SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ROSTER_DATABASE_URL", sqlite_url)
    base_url = serve(sqlite_url)
    command = [ROSTER, "accounts", "admin", EMAIL, "--stdin"]
    subprocess.run(command, input=f"{PASSWORD}\n", capture_output=True, text=True, check=True)
    monkeypatch.setenv("ACCOUNT_URL", base_url)
    monkeypatch.setenv("ACCOUNT_EMAIL", EMAIL)
    monkeypatch.setenv("ACCOUNT_PASSWORD", PASSWORD)
    return base_url


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
        """Writes nothing."""


@pytest.fixture
def page_port(tmp_path: Path) -> Iterator[int]:
    """The port of a server of the files in `tmp_path`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=tmp_path)) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()
