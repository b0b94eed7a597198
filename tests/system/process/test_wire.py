"""Requests of any size and framing over the wire, and the log of each."""

import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from process.server import Serve, Server
from roster_process import USERS
from waiting import until

MEMORY = {"ROSTER_DATABASE_URL": "memory://"}
LIMIT = 1024 * 1024


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    return serve_for_module(**MEMORY)


def in_chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 65536):
        yield b" " * 65536


def status_and_code(response: Any) -> tuple[int, str]:
    (error,) = response.json()["errors"]
    return response.status_code, error["code"]


def first_bytes(server: Server, sent: bytes, *, end: bool = False) -> bytes:
    """The beginning of the response to bytes that a client sends before it reads anything."""
    with closing(server.connect(sent)) as connection:
        if end:
            connection.shutdown(socket.SHUT_WR)
        return connection.recv(65536)


@pytest.mark.parametrize("size", [LIMIT + 1, 4 * LIMIT, 30 * LIMIT])
def test_a_body_over_the_limit_is_413_with_content_length(server: Server, size: int) -> None:
    assert status_and_code(server.post(b" " * size)) == (413, "body_too_large")
    headers = server.post_headers(f"Content-Length: {size}")
    assert first_bytes(server, headers + b" " * size).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("size", [2 * LIMIT, 30 * LIMIT])
def test_a_body_over_the_limit_is_413_in_chunks(server: Server, size: int) -> None:
    assert status_and_code(server.post(in_chunks(size))) == (413, "body_too_large")
    chunks = f"{size:x}\r\n".encode() + b" " * size + b"\r\n0\r\n\r\n"
    headers = server.post_headers("Transfer-Encoding: chunked")
    assert first_bytes(server, headers + chunks).startswith(b"HTTP/1.1 413 ")


def test_a_body_at_the_limit_is_read(server: Server) -> None:
    body = server.user("limit@example.org")
    assert server.post(body + b" " * (LIMIT - len(body))).status_code == 201
    assert server.post(iter([server.user("chunk@example.org")])).status_code == 201


def test_a_body_over_the_limit_is_413_before_it_is_sent(server: Server) -> None:
    headers = server.post_headers(f"Content-Length: {2 * LIMIT}", "Expect: 100-continue")
    assert first_bytes(server, headers).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("line", "body", "code"),
    [
        ("Content-Length: 50", b'{"data": {', b"incomplete_body"),
        ("Transfer-Encoding: chunked", b'a\r\n{"data": {\r\n', b"malformed_json"),
        ("Transfer-Encoding: chunked", b'a\r\n{"data": {\r\nzz\r\n', b"malformed_json"),
    ],
)
def test_an_incomplete_body_is_400(server: Server, line: str, body: bytes, code: bytes) -> None:
    response = first_bytes(server, server.post_headers(line) + body, end=True)
    assert response.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"%b"' % code in response


def test_a_whole_document_with_a_greater_content_length_creates_no_user(server: Server) -> None:
    body = server.user("short@example.org")
    headers = server.post_headers(f"Content-Length: {len(body) + 1}")
    response = first_bytes(server, headers + body, end=True)
    assert response.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"incomplete_body"' in response
    assert server.get(f"{USERS}?filter[email]=short@example.org").json()["data"] == []


def test_headers_over_the_limit_are_431(serve: Serve) -> None:
    server = serve(ROSTER_HEADER_BYTES="16384", **MEMORY)
    response = server.get("/healthz", headers={"X-Padding": "x" * 100_000})
    assert response.status_code == 431
    assert server.is_ready()


def test_the_longest_url_is_as_the_description_states(server: Server) -> None:
    description = server.get("/openapi.json").json()["info"]["description"]
    assert "a URL of more than 65,534 bytes (414)" in description
    assert status_of_url(server, 65_534) == 400
    assert status_of_url(server, 65_535) == 414


def status_of_url(server: Server, size: int) -> int:
    """The status of a request whose URL has this many bytes."""
    url = f"{USERS}?filter[name]=".ljust(size, "a")
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("GET", url)
        return connection.getresponse().status


def test_each_request_is_one_log_entry_without_personal_data(serve: Serve) -> None:
    server = serve(ROSTER_TRUSTED_PROXIES="1", **MEMORY)
    query = "filter[email]=ann@example.org"
    response = server.get(f"{USERS}?{query}", headers={"X-Request-ID": "seven"})
    server.post(server.user(), headers={"Content-Type": "application/json"})
    server.post(b'{"data": "ann@example.org"}')
    until(lambda: server.log().count(USERS) >= 3)
    first, second, third = (each for each in server.logged("request") if each["route"] == USERS)
    names = ("method", "route", "status", "request_id")
    assert [first[name] for name in names] == ["GET", USERS, 200, "seven"]
    assert response.headers["X-Request-ID"] == "seven"
    assert 0 <= first["duration_ms"] < 10_000
    assert (second["method"], second["status"], third["status"]) == ("POST", 201, 400)
    assert "ann" not in server.log()


def test_the_text_format_of_the_log_is_not_json(serve: Serve) -> None:
    server = serve(ROSTER_LOG_FORMAT="text", **MEMORY)
    until(lambda: "/readyz" in server.log())
    assert "listening" in server.log().splitlines()[0]
    assert "{" not in server.log()


def test_links_are_absolute_under_the_public_url(serve: Serve) -> None:
    server = serve(ROSTER_PUBLIC_URL="https://people.example.org", **MEMORY)
    created = server.post(server.user())
    assert created.headers["Location"] == f"https://people.example.org{USERS}/1"
