"""The real server, as a user runs it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from process.server import Listener, Serve, Server
from roster_process import free_port
from waiting import until


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server, which is stopped after the test."""
    with ExitStack() as stack:

        def start_one(*options: str, **environment: str) -> Server:
            server = Server(tmp_path, *options, **environment)
            stack.callback(server.stop)
            return server

        yield start_one


@pytest.fixture
def serve(start: Serve) -> Serve:
    """Starts a server and waits until it is ready. The server is stopped after the test."""

    def serve_one(*options: str, **environment: str) -> Server:
        server = start(*options, **environment)
        server.wait_until_ready()
        return server

    return serve_one


@pytest.fixture(scope="module")
def serve_for_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Like `serve`, for servers that the tests of a module share."""
    with ExitStack() as stack:

        def serve_one(*options: str, **environment: str) -> Server:
            server = Server(tmp_path_factory.mktemp("server"), *options, **environment)
            stack.callback(server.stop)
            server.wait_until_ready()
            return server

        yield serve_one


class Collector:
    """Receives traces by OTLP over HTTP, and stores them."""

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
    running = Collector()
    yield running
    running.close()


class SlowService(Listener):
    """granian with a WSGI application from source code, in which {port} is replaced."""

    def __init__(self, directory: Path, source: str) -> None:
        self.port = free_port()
        (directory / "slow_service.py").write_text(source.replace("{port}", str(self.port)))
        options = ("--interface", "wsgi", "--blocking-threads", "8", "--port", str(self.port))
        self.process = psutil.Popen(
            [sys.executable, "-m", "granian", *options, "slow_service:app"],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        for each in (*self.process.children(), self.process):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()


@pytest.fixture
def start_slow_service(tmp_path: Path) -> Iterator[Callable[[str], SlowService]]:
    """Starts a WSGI application from its source code. It is stopped after the test."""
    with ExitStack() as stack:

        def start(source: str) -> SlowService:
            service = SlowService(tmp_path, source)
            stack.callback(service.stop)
            until(service.listens, within=30)
            return service

        yield start
