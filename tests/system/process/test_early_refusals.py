"""Every client receives the refusal of a body that was not read, and knows whether to go on."""

import json
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPResponse
from shutil import which
from typing import Any

import jwt
import pytest

Serve = Callable[..., Any]
Lacking = Callable[[str], None]

SECRET = "hush" * 8
ATOMIC = 'application/vnd.api+json;ext="https://jsonapi.org/ext/atomic"'
JSONAPI = b"application/vnd.api+json"
SIZES = (1_000, 100_000, 1_000_000, 3_000_000, 7_000_000)


def token() -> str:
    claims = {"sub": "tester", "exp": 2**40, "scope": "users:read users:write"}
    return f"Bearer {jwt.encode(claims, SECRET)}"


KINDS = {
    "401": ("POST", "/api/v1/operations", {"Authorization": "Bearer a.b.c"}),
    "404": ("POST", "/api/v1/operation", {}),
    "405": ("PUT", "/api/v1/operations", {}),
    "406": ("POST", "/api/v1/operations", {"Accept": "text/html"}),
    "415": ("POST", "/api/v1/operations", {"Content-Type": "application/json"}),
    "413": ("POST", "/api/v1/users", {"Content-Type": "application/json"}),
    "400": ("POST", "/api/v1/operations?x=1", {}),
}


@pytest.fixture
def guarded(serve: Serve) -> Any:
    return serve(ROSTER_DATABASE_URL="memory://", ROSTER_JWT_SECRET=SECRET)


def headers(more: dict[str, str]) -> dict[str, str]:
    return {"Authorization": token(), "Content-Type": ATOMIC, **more}


@pytest.mark.parametrize("status", KINDS)
def test_a_client_that_sends_everything_first_receives_the_refusal(
    guarded: Any, status: str
) -> None:
    method, path, more = KINDS[status]
    sizes = [size for size in SIZES if status != "413" or size > 2**20]
    with closing(HTTPConnection("127.0.0.1", guarded.port, timeout=20)) as connection:
        connection.connect()
        connection.auto_open = 0  # the connection is kept through all of them
        for size in sizes:
            connection.request(method, path, b"x" * size, headers(more))
            response = connection.getresponse()
            assert (response.status, response.getheader("Connection")) == (int(status), None)
            response.read()
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200


def test_node_receives_the_refusal(guarded: Any, lacking: Lacking) -> None:
    if which("node") is None:
        lacking("Node")
    script = """
        const [url, size, headers] = JSON.parse(process.argv[1])
        const options = {method: "POST", headers, body: "x".repeat(size)}
        const response = await fetch(url, options)
        console.log(response.status, (await response.json()).errors[0].code)
    """
    url = f"{guarded.url}/api/v1/operations"
    for size in SIZES:
        sent = json.dumps([url, size, headers({"Authorization": "Bearer a.b.c"})])
        command = ["node", "--input-type=module", "-e", script, sent]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert answer.stdout.split() == ["401", "invalid_token"], answer.stderr


def refusal(connection: socket.socket) -> HTTPResponse:
    response = HTTPResponse(connection)
    response.begin()
    response.read()
    return response


def is_closed(connection: socket.socket) -> bool:
    """Whether the server closes the connection, unasked."""
    connection.settimeout(20)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_the_end_of_a_refused_body_in_chunks_is_not_waited_for(guarded: Any) -> None:
    head = guarded.head("Transfer-Encoding: chunked")
    size = 7 * 2**20
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b" " * size)
    with closing(guarded.connect(head + body)) as connection:
        response = refusal(connection)
        assert (response.status, response.getheader("Connection")) == (401, "close")
        assert is_closed(connection)


def test_more_than_is_discarded_ends_the_connection_with_notice(guarded: Any) -> None:
    size = 100 * 2**20
    with closing(guarded.connect(guarded.head(f"Content-Length: {size}"))) as connection:
        # The server reads 32 MiB of it: so much can always be sent.
        connection.sendall(b" " * 2**25)
        response = refusal(connection)
        assert (response.status, response.getheader("Connection")) == (401, "close")
        assert is_closed(connection)


def test_a_body_that_waits_for_permission_is_not_read(guarded: Any) -> None:
    lines = (f"Content-Length: {7 * 2**20}", "Expect: 100-continue")
    with closing(guarded.connect(guarded.head(*lines))) as connection:
        response = refusal(connection)
        assert (response.status, response.getheader("Connection")) == (401, "close")
        assert is_closed(connection)


@pytest.mark.parametrize("sent", [b"", b"x" * 100_000])
def test_a_refused_body_that_stops_is_answered_at_once_and_waited_for_no_longer_than_its_time(
    serve: Serve, sent: bytes
) -> None:
    times = ("ROSTER_BODY_SECONDS", "ROSTER_REQUEST_SECONDS", "ROSTER_HEADER_SECONDS")
    settings = {"ROSTER_JWT_SECRET": SECRET, **dict.fromkeys(times, "2")}
    server = serve(ROSTER_DATABASE_URL="memory://", **settings)
    with closing(server.connect(server.head("Content-Length: 200000") + sent)) as connection:
        assert refusal(connection).status == 401
        assert is_closed(connection)
    assert server.answers()


def test_little_processor_time_is_spent_on_discarding_tiny_chunks(guarded: Any) -> None:
    """Without a token, 6 MB on the wire once took 5 s."""
    (worker,) = guarded.workers()
    head = guarded.head("Transfer-Encoding: chunked")
    before = sum(worker.cpu_times()[:2])
    with closing(guarded.connect(head)) as connection, suppress(OSError):
        for _ in range(100):
            connection.sendall(b"1\r\nx\r\n" * 10_000)
        while connection.recv(65536):
            pass
    assert guarded.answers()
    assert sum(worker.cpu_times()[:2]) - before < 2


def test_little_processor_time_is_spent_on_reading_tiny_chunks(guarded: Any) -> None:
    (worker,) = guarded.workers()
    lines = ["Transfer-Encoding: chunked", f"Authorization: {token()}"]
    head = guarded.head(*lines).replace(b"/users", b"/operations").replace(JSONAPI, ATOMIC.encode())
    before = sum(worker.cpu_times()[:2])
    with closing(guarded.connect(head)) as connection:
        for _ in range(300):
            with suppress(OSError):
                connection.sendall(b"1\r\n \r\n" * 10_000)
    assert guarded.answers()
    assert sum(worker.cpu_times()[:2]) - before < 5
