"""The servers of the comparison: their commands and the forms of their URLs."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Protocol
from urllib.parse import quote

import httpx
import psutil

from bench.machine import APPLICATION, CORES

ROOT = Path(__file__).parents[1]
OURS = Path(sys.executable).parent
PROGRAM = OURS / "roster"
PEERS = ROOT / ".venv-bench" / "bin"
JSONAPI = "application/vnd.api+json"
SECRET = "a secret of the bench, long enough to sign with"
THREADS = 512
START_SECONDS = 30


class Filled(Protocol):
    """A database with a number of users."""

    @property
    def url(self) -> str: ...

    @property
    def users(self) -> int: ...


@dataclass(frozen=True)
class Server:
    """A service for users.

    `command` returns the command that starts it on a port with a number of workers. `page` returns
    the query for a page of a size that begins with the user with a number.
    """

    name: str
    base: str
    command: Callable[[int, int], list[str]]
    page: Callable[["Running", int, int], str]
    environment: Mapping[str, str] = field(default_factory=dict)
    has_etags: bool = True
    """True if it sends ETags and supports If-Match."""
    slash: str = ""
    """The end of its URLs."""

    @property
    def collection(self) -> str:
        """The URL of the list of users."""
        return self.base + self.slash

    def item(self, number: object) -> str:
        """The URL of a user."""
        return f"{self.base}/{number}{self.slash}"


@dataclass(frozen=True)
class Running:
    """A server that is ready."""

    server: Server
    process: psutil.Process
    client: httpx.Client
    users: int
    directory: Path
    """The directory for files that the load reads."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request of the load."""
        names = ("Accept", "Content-Type", "Authorization")
        return {name: self.client.headers[name] for name in names if name in self.client.headers}

    def page(self, first: int, size: int) -> str:
        """The URL of the page of `size` that begins with the user with that number."""
        query = self.server.page(self, first, size)
        return f"{self.server.collection}?{query}"


def _roster(port: int, workers: int) -> list[str]:
    return [str(PROGRAM), "serve", "--port", str(port), "--workers", str(workers)]


def _floor(port: int, workers: int) -> list[str]:
    size = ["--workers", str(workers), "--blocking-threads", str(THREADS)]
    size += ["--backpressure", str(THREADS)]
    kind = ["--interface", "wsgi", "--http", "1", "--no-ws", "--log-level", "error"]
    return [f"{OURS}/granian", "--port", str(port), *size, *kind, "bench.apps.floor:app"]


def _tutorial(port: int, workers: int) -> list[str]:
    size = ["--workers", str(workers), "--worker-class", "gthread", "--threads", "8"]
    return [f"{PEERS}/gunicorn", "-b", f"127.0.0.1:{port}", *size, "bench.apps.tutorial:app"]


def _fastapi(port: int, workers: int) -> list[str]:
    options = ["--port", str(port), "--workers", str(workers), "--no-access-log"]
    return [f"{PEERS}/uvicorn", *options, "bench.apps.fastapi_jsonapi:app"]


def _size(size: int) -> str:
    return quote("page[size]=", safe="=") + str(size)


def _by_cursor(running: Running, first: int, size: int) -> str:
    """The query with the cursor of the previous user."""
    if first == 1:
        return _size(size)
    cursor = _cursor_of(running, first - 1)
    return f"{_size(size)}&{quote('page[after]=', safe='=')}{cursor}"


def _cursor_of(running: Running, number: int) -> str:
    """Finds the cursor of a user. Page numbers have a limit; beyond it, follow the links."""
    skipped = min((number - 1) // 1000, 100)
    path = f"{running.server.collection}?page[size]=1000&page[number]={skipped + 1}"
    while True:
        document = running.client.get(path).raise_for_status().json()
        for item in document["data"]:
            if item["id"] == str(number):
                return str(item["meta"]["page"]["cursor"])
        path = document["links"]["next"]


def _by_id(_: Running, first: int, size: int) -> str:
    """The query for the floor, whose cursors are ids."""
    query = _size(size)
    return query if first == 1 else f"{query}&page%5Bafter%5D={first - 1}"


def _by_number(_: Running, first: int, size: int) -> str:
    return f"{_size(size)}&{quote('page[number]=', safe='=')}{(first - 1) // size + 1}"


SERVERS = {
    each.name: each
    for each in (
        Server("floor", "/api/v1/users", _floor, _by_id),
        Server("roster", "/api/v1/users", _roster, _by_cursor, {"ROSTER_JWT_SECRET": SECRET}),
        Server("tutorial", "/users", _tutorial, _by_number, has_etags=False),
        Server("fastapi-jsonapi", "/users", _fastapi, _by_number, has_etags=False, slash="/"),
    )
}


def earlier_release(checkout: Path) -> Server:
    """Returns the server `before`: Roster from a checkout of an earlier release, with its .venv."""

    def command(port: int, workers: int) -> list[str]:
        return [str(checkout / ".venv/bin/roster"), *_roster(port, workers)[1:]]

    environment = {"ROSTER_JWT_SECRET": SECRET, "PYTHONPATH": ""}
    return Server("before", "/api/v1/users", command, _by_cursor, environment)


@contextmanager
def running(
    server: Server, database: Filled, *, workers: int = 1, pinned: bool = True
) -> Iterator[Running]:
    """Starts the server on the database. If `pinned`, it runs only on the application's core."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "ROSTER_DATABASE_URL": database.url,
        **server.environment,
    }
    with (
        TemporaryDirectory(prefix="roster-bench-") as directory,
        Path(directory, "log").open("wb") as log,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=_headers(environment)) as client,
    ):
        process = psutil.Popen(
            server.command(port, workers), env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        process.cpu_affinity(APPLICATION if pinned else CORES)
        try:
            started = Running(server, process, client, database.users, Path(directory))
            _wait_until_ready(started)
            yield started
        finally:
            _end(process)


def _headers(environment: Mapping[str, str]) -> dict[str, str]:
    headers = {"Accept": JSONAPI, "Content-Type": JSONAPI}
    if "ROSTER_JWT_SECRET" in environment:
        scopes = "users:read users:write groups:read groups:write"
        options = ["--scope", scopes, "--subject", "bench", "--expires", "1d"]
        token = subprocess.check_output(
            [str(PROGRAM), "token", *options],
            env={**environment, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        headers["Authorization"] = f"Bearer {token.strip()}"
    return headers


def _wait_until_ready(running: Running) -> None:
    end = monotonic() + START_SECONDS
    while True:
        with suppress(httpx.TransportError):
            if running.client.get(running.server.item(1)).status_code == 200:
                return
        if monotonic() > end or running.process.poll() is not None:
            log = (running.directory / "log").read_text()
            raise RuntimeError(f"{running.server.name} does not respond:\n{log}")
        sleep(0.05)


def _end(process: psutil.Popen) -> None:
    with suppress(psutil.NoSuchProcess):
        children = process.children(recursive=True)
        process.terminate()
        for each in psutil.wait_procs([process, *children], timeout=10)[1]:
            each.kill()
    process.wait()
