"""Those who send slowly, or never finish, wait alone."""

import socket
from collections.abc import Callable
from contextlib import ExitStack, closing
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest

Serve = Callable[..., Any]
Eventually = Callable[..., None]
SOON = {"ROSTER_BODY_SECONDS": "1", "ROSTER_REQUEST_SECONDS": "1"}


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


def received(connection: Any) -> bytes:
    """All that comes until the other side ends it."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_dripping_bodies_and_idle_connections_keep_nobody_waiting(serve: Serve) -> None:
    server = serve()
    stopped = Event()
    with ExitStack() as open_connections:

        def opened(sent: bytes = b"") -> Any:
            return open_connections.enter_context(closing(server.connect(sent)))

        dripping = [opened(server.head("Content-Length: 1000")) for _ in range(16)]
        for _ in range(100):
            opened()

        def drip() -> None:
            while not stopped.wait(0.1):
                for connection in dripping:
                    connection.sendall(b" ")

        dripper = Thread(target=drip)
        dripper.start()
        try:
            for number in range(20):
                began = monotonic()
                assert server.post(server.user(f"person{number}@example.org")).status_code == 201
                assert server.get("/api/v1/users").status_code == 200
                assert monotonic() - began < 3
        finally:
            stopped.set()
            dripper.join()


@pytest.mark.parametrize(
    ("lines", "body", "statuses"),
    [
        (["Content-Length: 100"], b"{", {408}),
        (["Content-Length: 100", "Expect: 100-continue"], b"", {100, 408}),
        (["Transfer-Encoding: chunked"], b"1\r\n{\r\n", {408}),
    ],
)
def test_a_body_that_stops_is_waited_for_no_longer_than_its_time(
    serve: Serve, lines: list[str], body: bytes, statuses: set[int]
) -> None:
    server = serve(ROSTER_HEADER_SECONDS="2", **SOON)
    with closing(server.connect(server.head(*lines) + body)) as connection:
        answer = received(connection)
    found = {int(line.split()[1]) for line in answer.splitlines() if line.startswith(b"HTTP/1.1")}
    assert found == statuses
    assert server.answers()


def test_a_body_that_only_drips_is_cut_off_too(serve: Serve) -> None:
    server = serve(**SOON)
    with closing(server.connect(server.head("Content-Length: 100000"))) as connection:
        began = monotonic()
        connection.settimeout(0.1)
        answer = b""
        while not answer:
            assert monotonic() - began < 10
            try:
                connection.sendall(b" ")
                answer = connection.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_slow_body_that_comes_in_time_is_taken(serve: Serve, eventually: Eventually) -> None:
    server = serve(ROSTER_BODY_SECONDS="10", ROSTER_REQUEST_SECONDS="1")
    body = server.user()
    began = monotonic()
    with closing(server.connect(server.head(f"Content-Length: {len(body)}"))) as connection:
        connection.sendall(body[:10])
        eventually(lambda: monotonic() - began > 1.5)
        connection.sendall(body[10:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")


def test_heads_that_stop_and_idle_connections_are_closed(serve: Serve) -> None:
    server = serve(ROSTER_HEADER_SECONDS="1")
    for sent in (b"", b"GET /healthz HTTP/1.1\r\nHo"):
        began = monotonic()
        with closing(server.connect(sent)) as connection:
            received(connection)
        assert monotonic() - began < 5


def test_a_connection_in_use_is_left_alone(serve: Serve) -> None:
    server = serve(ROSTER_HEADER_SECONDS="2", **SOON)
    began = monotonic()
    with closing(server.connect()) as connection:
        while monotonic() - began < 5:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_request_that_has_arrived_is_answered_however_long_it_takes(
    begin_slow_service: Callable[[str], Any],
) -> None:
    """Three times as long as the service waits for clients, one of which does not finish."""
    server = begin_slow_service(SLOW_SERVICE)
    head = b"POST / HTTP/1.1\r\nHost: roster\r\nContent-Length: 5\r\n\r\n"
    with closing(server.connect(head + b"h")) as stopped:
        with closing(server.connect(head + b"hello")) as arrived:
            assert arrived.recv(65536).endswith(b"\r\n\r\nhello")
        assert received(stopped).startswith(b"HTTP/1.1 408 ")


def test_clients_that_do_not_read_their_responses_are_closed(
    serve: Serve, eventually: Eventually
) -> None:
    """Although they have sent further requests, and so are not silent in the server's eyes."""
    server = serve(ROSTER_HEADER_SECONDS="2", **SOON)
    (worker,) = server.workers()

    def held() -> int:
        return sum(each.status == "ESTABLISHED" for each in worker.net_connections("tcp"))

    request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(5):
            connection = stack.enter_context(closing(server.connect()))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(request * 20)
        eventually(lambda: held() == 5)
        eventually(lambda: held() == 0)
    assert server.answers()
