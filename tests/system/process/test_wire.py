"""What the server makes of what comes over the wire."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

Serve = Callable[..., Any]
Eventually = Callable[..., None]
MEMORY = {"ROSTER_DATABASE_URL": "memory://"}
LIMIT = 1024 * 1024


def in_chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 65536):
        yield b" " * 65536


def code_of(response: Any) -> Any:
    return response.json()["errors"][0]["code"]


@pytest.mark.parametrize("size", [LIMIT + 1, 4 * LIMIT, 30 * LIMIT])
def test_a_body_over_the_limit_is_413_with_content_length(serve: Serve, size: int) -> None:
    server = serve(**MEMORY)
    response = server.post(b" " * size)
    assert (response.status_code, code_of(response)) == (413, "body_too_large")
    assert sent_before_looking(server, server.head(f"Content-Length: {size}"), b" " * size)


@pytest.mark.parametrize("size", [2 * LIMIT, 30 * LIMIT])
def test_a_body_over_the_limit_is_413_in_chunks(serve: Serve, size: int) -> None:
    server = serve(**MEMORY)
    response = server.post(in_chunks(size))
    assert (response.status_code, code_of(response)) == (413, "body_too_large")
    chunks = f"{size:x}\r\n".encode() + b" " * size + b"\r\n0\r\n\r\n"
    assert sent_before_looking(server, server.head("Transfer-Encoding: chunked"), chunks)


def sent_before_looking(server: Any, head: bytes, body: bytes) -> bool:
    """Whether a client that sends everything first, as many do, finds the refusal then."""
    with closing(server.connect(head + body)) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    return True


def test_a_body_at_the_limit_is_read(serve: Serve) -> None:
    server = serve(**MEMORY)
    body = server.user()
    assert server.post(body + b" " * (LIMIT - len(body))).status_code == 201
    assert server.post(iter([server.user("bob@example.org")])).status_code == 201


def test_a_client_that_asks_first_need_not_send_a_body_over_the_limit(serve: Serve) -> None:
    server = serve(**MEMORY)
    head = server.head(f"Content-Length: {2 * LIMIT}", "Expect: 100-continue")
    with closing(server.connect(head)) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("Content-Length: 50", b'{"data": {'),
        ("Transfer-Encoding: chunked", b'a\r\n{"data": {\r\n'),
        ("Transfer-Encoding: chunked", b'a\r\n{"data": {\r\nzz\r\n'),
    ],
)
def test_a_body_that_breaks_off_is_400(serve: Serve, line: str, body: bytes) -> None:
    server = serve(**MEMORY)
    with closing(server.connect(server.head(line) + body)) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_whole_document_with_too_long_a_content_length_creates_nobody(serve: Serve) -> None:
    server = serve(**MEMORY)
    body = server.user()
    head = server.head(f"Content-Length: {len(body) + 1}")
    with closing(server.connect(head + body)) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"incomplete_body" in answer
    assert server.get("/api/v1/users").json()["data"] == []


def test_giant_heads_are_refused(serve: Serve) -> None:
    server = serve(ROSTER_HEADER_BYTES="16384", **MEMORY)
    response = server.get("/healthz", headers={"X-Padding": "x" * 100_000})
    assert response.status_code == 431
    assert server.answers()


def test_the_longest_url_is_as_described(serve: Serve) -> None:
    server = serve(**MEMORY)
    described = server.get("/openapi.json").json()["info"]["description"]
    assert "a URL of more than 65,534 bytes (414)" in described
    assert status_of_url(server, 65_534) == 400
    assert status_of_url(server, 65_535) == 414


def status_of_url(server: Any, size: int) -> int:
    """The status of a request whose URL has this many bytes."""
    url = "/api/v1/users?filter[name]=".ljust(size, "a")
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("GET", url)
        return connection.getresponse().status


def test_each_request_is_one_line_without_anything_private(
    serve: Serve, eventually: Eventually
) -> None:
    server = serve(ROSTER_TRUSTED_PROXIES="1", **MEMORY)
    query = "filter[email]=ann@example.org"
    answer = server.get(f"/api/v1/users?{query}", headers={"X-Request-ID": "seven"})
    server.post(server.user(), headers={"Content-Type": "application/json"})
    server.post(b'{"data": "ann@example.org"}')
    eventually(lambda: len(server.lines("request")) >= 4)
    first, second, third = server.lines("request")[-3:]
    assert {name: first[name] for name in ("method", "route", "status", "request_id")} == {
        "method": "GET",
        "route": "/api/v1/users",
        "status": 200,
        "request_id": "seven",
    }
    assert answer.headers["X-Request-ID"] == "seven"
    assert first["duration_ms"] >= 0
    assert (second["method"], second["status"], third["status"]) == ("POST", 201, 400)
    assert "ann" not in server.log()


def test_the_log_can_be_made_for_people(serve: Serve, eventually: Eventually) -> None:
    server = serve(ROSTER_LOG_FORMAT="text", **MEMORY)
    eventually(lambda: "/readyz" in server.log())
    assert "listening" in server.log().splitlines()[0]
    assert "{" not in server.log()


def test_links_become_absolute_under_the_public_url(serve: Serve) -> None:
    server = serve(ROSTER_PUBLIC_URL="https://people.example.org", **MEMORY)
    created = server.post(server.user())
    assert created.headers["Location"] == "https://people.example.org/api/v1/users/1"
