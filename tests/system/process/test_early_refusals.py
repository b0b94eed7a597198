"""Every client receives the rejection of a body that the server has not read.

The response states whether the connection ends.
"""

import json
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPResponse
from shutil import which

import jwt
import pytest
from process.server import Serve, Server
from roster_process import ATOMIC, JSONAPI, OPERATIONS, SECRET, USERS

SIZES = (1_000, 100_000, 1_000_000, 3_000_000, 7_000_000)


def token() -> str:
    claims = {"sub": "tester", "exp": 2**40, "scope": "users:read users:write"}
    return f"Bearer {jwt.encode(claims, SECRET)}"


KINDS = {
    "401": ("POST", OPERATIONS, {"Authorization": "Bearer a.b.c"}),
    "404": ("POST", "/api/v1/operation", {}),
    "405": ("PUT", OPERATIONS, {}),
    "406": ("POST", OPERATIONS, {"Accept": "text/html"}),
    "415": ("POST", OPERATIONS, {"Content-Type": "application/json"}),
    "413": ("POST", USERS, {"Content-Type": "application/json"}),
    "400": ("POST", f"{OPERATIONS}?x=1", {}),
}


@pytest.fixture(scope="module")
def guarded(serve_for_module: Serve) -> Server:
    return serve_for_module(ROSTER_DATABASE_URL="memory://", ROSTER_JWT_SECRET=SECRET)


def headers(more: dict[str, str]) -> dict[str, str]:
    return {"Authorization": token(), "Content-Type": ATOMIC, **more}


@pytest.mark.parametrize("status", KINDS)
def test_a_client_that_sends_everything_first_receives_the_rejection(
    guarded: Server, status: str
) -> None:
    method, path, more = KINDS[status]
    sizes = [size for size in SIZES if status != "413" or size > 2**20]
    with closing(HTTPConnection("127.0.0.1", guarded.port, timeout=20)) as connection:
        connection.connect()
        connection.auto_open = 0  # all requests use one connection
        for size in sizes:
            connection.request(method, path, b"x" * size, headers(more))
            response = connection.getresponse()
            assert (response.status, response.getheader("Connection")) == (int(status), None)
            response.read()
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200


def test_node_receives_the_rejection(guarded: Server, lacking: Callable[[str], None]) -> None:
    if which("node") is None:
        lacking("Node")
    script = """
        const [url, size, headers] = JSON.parse(process.argv[1])
        const options = {method: "POST", headers, body: "x".repeat(size)}
        const response = await fetch(url, options)
        console.log(response.status, (await response.json()).errors[0].code)
    """
    url = f"{guarded.url}{OPERATIONS}"
    for size in SIZES:
        sent = json.dumps([url, size, headers({"Authorization": "Bearer a.b.c"})])
        command = ["node", "--input-type=module", "-e", script, sent]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["401", "invalid_token"], done.stderr


def received(connection: socket.socket) -> HTTPResponse:
    response = HTTPResponse(connection)
    response.begin()
    response.read()
    return response


def is_closed(connection: socket.socket) -> bool:
    """Returns True when the server closes the connection."""
    connection.settimeout(20)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_the_server_does_not_wait_for_the_end_of_a_rejected_body_in_chunks(
    guarded: Server,
) -> None:
    head = guarded.post_headers("Transfer-Encoding: chunked")
    size = 7 * 2**20
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b" " * size)
    with closing(guarded.connect(head + body)) as connection:
        response = received(connection)
        assert (response.status, response.getheader("Connection")) == (401, "close")
        assert is_closed(connection)


def test_a_rejected_body_that_is_too_large_to_discard_ends_the_connection(
    guarded: Server,
) -> None:
    size = 100 * 2**20
    with closing(guarded.connect(guarded.post_headers(f"Content-Length: {size}"))) as connection:
        # The server reads and discards 32 MiB, so the client can always send that.
        connection.sendall(b" " * 2**25)
        response = received(connection)
        assert (response.status, response.getheader("Connection")) == (401, "close")
        assert is_closed(connection)


def test_a_rejected_body_that_waits_for_100_continue_is_not_read(guarded: Server) -> None:
    lines = (f"Content-Length: {7 * 2**20}", "Expect: 100-continue")
    with closing(guarded.connect(guarded.post_headers(*lines))) as connection:
        response = received(connection)
        assert (response.status, response.getheader("Connection")) == (401, "close")
        assert is_closed(connection)


@pytest.mark.parametrize("sent", [b"", b"x" * 100_000])
def test_a_rejected_body_that_stops_gets_its_response_at_once_and_ends_at_its_deadline(
    serve: Serve, sent: bytes
) -> None:
    times = ("ROSTER_BODY_SECONDS", "ROSTER_REQUEST_SECONDS", "ROSTER_HEADER_SECONDS")
    settings = {"ROSTER_JWT_SECRET": SECRET, **dict.fromkeys(times, "2")}
    server = serve(ROSTER_DATABASE_URL="memory://", **settings)
    headers = server.post_headers("Content-Length: 200000")
    with closing(server.connect(headers + sent)) as connection:
        assert received(connection).status == 401
        assert is_closed(connection)
    assert server.is_ready()


def test_discarding_tiny_chunks_takes_little_processor_time(guarded: Server) -> None:
    """Without a token, 6 MB on the wire once took 5 s."""
    (worker,) = guarded.workers()
    head = guarded.post_headers("Transfer-Encoding: chunked")
    before = sum(worker.cpu_times()[:2])
    with closing(guarded.connect(head)) as connection, suppress(OSError):
        for _ in range(100):
            connection.sendall(b"1\r\nx\r\n" * 10_000)
        while connection.recv(65536):
            pass
    assert guarded.is_ready()
    assert sum(worker.cpu_times()[:2]) - before < 2


def test_reading_tiny_chunks_takes_little_processor_time(guarded: Server) -> None:
    (worker,) = guarded.workers()
    lines = ["Transfer-Encoding: chunked", f"Authorization: {token()}"]
    head = guarded.post_headers(*lines)
    head = head.replace(USERS.encode(), OPERATIONS.encode())
    head = head.replace(JSONAPI.encode(), ATOMIC.encode())
    before = sum(worker.cpu_times()[:2])
    with closing(guarded.connect(head)) as connection:
        for _ in range(300):
            with suppress(OSError):
                connection.sendall(b"1\r\n \r\n" * 10_000)
    assert guarded.is_ready()
    assert sum(worker.cpu_times()[:2]) - before < 5
