"""The real server, as a user runs it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import httpx
import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

ROSTER = Path(sys.executable).with_name("roster")
JSONAPI = "application/vnd.api+json"


def until(what: Callable[[], object], *, within: float = 10) -> None:
    """Look until it is true; fail if it does not become so in time."""
    end = monotonic() + within
    while not what():
        assert monotonic() < end, "it did not come to be in time"
        sleep(0.02)


class Server:
    """`roster serve` on a port of its own."""

    def __init__(self, directory: Path, *options: str, **environment: str) -> None:
        self._log = directory / "server.log"
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        with self._log.open("wb") as log:
            self.process = psutil.Popen(
                [ROSTER, "serve", "--port", str(self.port), *options],
                cwd=directory,
                env={"PATH": os.environ["PATH"], **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", **{"timeout": 20, **options})

    def post(self, body: bytes, **options: Any) -> httpx.Response:
        options = {"headers": {"Content-Type": JSONAPI}, "timeout": 20, **options}
        return httpx.post(f"{self.url}/api/v1/users", content=body, **options)

    def answers(self, path: str = "/readyz") -> bool:
        with suppress(httpx.TransportError):
            return self.get(path).status_code == 200
        return False

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(sent)
        return connection

    @staticmethod
    def user(email: str = "ann@example.org") -> bytes:
        """A document that creates a user."""
        attributes = {"email": email, "name": "Ann"}
        return json.dumps({"data": {"type": "users", "attributes": attributes}}).encode()

    @staticmethod
    def head(*lines: str) -> bytes:
        """The head of a POST that is written by hand."""
        fixed = ("POST /api/v1/users HTTP/1.1", "Host: localhost", f"Content-Type: {JSONAPI}")
        return "\r\n".join((*fixed, *lines, "", "")).encode()

    def workers(self) -> list[psutil.Process]:
        """The processes that serve (Python's own helpers for shared resources don't listen)."""
        found = []
        for child in self.process.children():
            with suppress(psutil.NoSuchProcess):  # nor does one that has ended
                if "resource_tracker" not in str(child.cmdline()):
                    found.append(child)
        return found

    def listens(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    def log(self) -> str:
        return self._log.read_text()

    def lines(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log().splitlines()]
        return [line for line in lines if line["event"] == event]

    def stop(self) -> None:
        for each in [self.process, *self.process.children()] if self.process.is_running() else []:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()


@pytest.fixture
def eventually() -> Callable[..., None]:
    return until


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server; stopped at the end."""
    started: list[Server] = []

    def start(*options: str, **environment: str) -> Server:
        server = Server(tmp_path, *options, **environment)
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def serve(begin: Callable[..., Server]) -> Callable[..., Server]:
    """Starts a server and waits until it is ready; stopped at the end."""

    def start(*options: str, **environment: str) -> Server:
        server = begin(*options, **environment)
        until(lambda: server.process.poll() is not None or server.answers(), within=30)
        assert server.process.poll() is None, server.log()
        return server

    return start


class Collector:
    """What takes traces by OTLP over HTTP, and keeps them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.user_agents: set[str | None] = set()
        bodies, user_agents = self.bodies, self.user_agents

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                user_agents.add(self.headers["User-Agent"])
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


class SlowService:
    """granian with a WSGI application of its own, whose source has {port} where it is needed."""

    def __init__(self, directory: Path, source: str) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            self.port = probe.getsockname()[1]
        (directory / "slow_service.py").write_text(source.replace("{port}", str(self.port)))
        options = ("--interface", "wsgi", "--blocking-threads", "8", "--port", str(self.port))
        self.process = psutil.Popen(
            [sys.executable, "-m", "granian", *options, "slow_service:app"],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(sent)
        return connection

    def listens(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    def stop(self) -> None:
        for each in (*self.process.children(), self.process):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()


@pytest.fixture
def begin_slow_service(tmp_path: Path) -> Iterator[Callable[[str], SlowService]]:
    """Starts a WSGI application from its source; stopped at the end."""
    started: list[SlowService] = []

    def start(source: str) -> SlowService:
        service = SlowService(tmp_path, source)
        started.append(service)
        until(service.listens, within=30)
        return service

    yield start
    for service in started:
        service.stop()
