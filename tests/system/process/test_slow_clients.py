"""Clients that send slowly, or never finish, do not delay others."""

import socket
from collections.abc import Callable
from contextlib import ExitStack, closing
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
from process.server import Serve, Server
from roster_process import USERS
from waiting import until

SHORT_TIMES = {"ROSTER_BODY_SECONDS": "1", "ROSTER_REQUEST_SECONDS": "1"}


SLOW_SERVICE = """
from threading import Event
from flask import Blueprint, Response, request
from adapters.web.app import create_app
from adapters.web.request_body import read_body
from entrypoints.slow_clients import SlowClients

slow = Blueprint("slow", __name__)

@slow.post("/")
def process() -> Response:
    body = read_body(request.environ, limit=100, seconds=1)
    Event().wait(6)
    return Response(body)

app = create_app(
    [slow],
    render_error=lambda error: Response(type(error).__name__, 408),
    canonical=str,
    request_seconds=1,
)
SlowClients({port}, seconds=2, idle_seconds=2).watch()
"""


@pytest.fixture(scope="module")
def impatient(serve_for_module: Serve) -> Server:
    """A server that waits for its clients for a short time."""
    return serve_for_module(ROSTER_HEADER_SECONDS="2", **SHORT_TIMES)


def received(connection: Any) -> bytes:
    """Everything that the server sends until it closes the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_slow_bodies_and_idle_connections_do_not_delay_other_clients(serve: Serve) -> None:
    server = serve()
    stopped = Event()
    with ExitStack() as open_connections:

        def opened(sent: bytes = b"") -> Any:
            return open_connections.enter_context(closing(server.connect(sent)))

        headers = server.post_headers("Content-Length: 1000")
        slow = [opened(headers) for _ in range(16)]
        for _ in range(100):
            opened()

        def send_slowly() -> None:
            while not stopped.wait(0.1):
                for connection in slow:
                    connection.sendall(b" ")

        thread = Thread(target=send_slowly)
        thread.start()
        try:
            for number in range(20):
                began = monotonic()
                assert server.post(server.user(f"person{number}@example.org")).status_code == 201
                assert server.get(USERS).status_code == 200
                assert monotonic() - began < 3
        finally:
            stopped.set()
            thread.join()


@pytest.mark.parametrize(
    ("lines", "body", "statuses"),
    [
        (["Content-Length: 100"], b"{", [408]),
        (["Content-Length: 100", "Expect: 100-continue"], b"", [100, 408]),
        (["Transfer-Encoding: chunked"], b"1\r\n{\r\n", [408]),
    ],
)
def test_a_body_that_stops_is_408_after_its_deadline(
    impatient: Server, lines: list[str], body: bytes, statuses: list[int]
) -> None:
    with closing(impatient.connect(impatient.post_headers(*lines) + body)) as connection:
        sent = received(connection)
    found = [int(line.split()[1]) for line in sent.splitlines() if line.startswith(b"HTTP/1.1")]
    assert found == statuses
    assert impatient.is_ready()


def test_a_body_that_arrives_byte_by_byte_is_408_after_its_deadline(impatient: Server) -> None:
    headers = impatient.post_headers("Content-Length: 100000")
    with closing(impatient.connect(headers)) as connection:
        began = monotonic()
        connection.settimeout(0.1)
        response = b""
        while not response:
            assert monotonic() - began < 10
            try:
                connection.sendall(b" ")
                response = connection.recv(65536)
            except TimeoutError:
                continue
    assert response.startswith(b"HTTP/1.1 408 ")


def test_a_slow_body_that_arrives_in_time_is_accepted(serve: Serve) -> None:
    server = serve(ROSTER_BODY_SECONDS="10", ROSTER_REQUEST_SECONDS="1")
    body = server.user()
    began = monotonic()
    with closing(server.connect(server.post_headers(f"Content-Length: {len(body)}"))) as connection:
        connection.sendall(body[:10])
        until(lambda: monotonic() - began > 1.5)
        connection.sendall(body[10:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")


def test_unfinished_headers_and_idle_connections_are_closed(impatient: Server) -> None:
    for sent in (b"", b"GET /healthz HTTP/1.1\r\nHo"):
        began = monotonic()
        with closing(impatient.connect(sent)) as connection:
            received(connection)
        assert monotonic() - began < 5


def test_a_connection_in_use_remains_open(impatient: Server) -> None:
    began = monotonic()
    with closing(impatient.connect()) as connection:
        while monotonic() - began < 5:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_request_that_takes_longer_than_the_deadlines_of_clients_gets_its_response(
    start_slow_service: Callable[[str], Any],
) -> None:
    """The request takes three times the deadline of a client. Another client does not finish."""
    server = start_slow_service(SLOW_SERVICE)
    head = b"POST / HTTP/1.1\r\nHost: roster\r\nContent-Length: 5\r\n\r\n"
    with closing(server.connect(head + b"h")) as stopped:
        with closing(server.connect(head + b"hello")) as arrived:
            assert arrived.recv(65536).endswith(b"\r\n\r\nhello")
        assert received(stopped).startswith(b"HTTP/1.1 408 ")


def test_connections_of_clients_that_do_not_read_are_closed(impatient: Server) -> None:
    """The clients have sent further requests, so the connections are not idle for the server."""
    (worker,) = impatient.workers()

    def count() -> int:
        return sum(each.status == "ESTABLISHED" for each in worker.net_connections("tcp"))

    request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(5):
            connection = stack.enter_context(closing(impatient.connect()))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(request * 20)
        until(lambda: count() == 5)
        until(lambda: count() == 0)
    assert impatient.is_ready()
