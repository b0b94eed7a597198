"""Large bodies of any content take little memory, and get a response in time."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from socket import socket
from time import monotonic
from typing import Any

import pytest
from process.server import Serve, Server
from roster_process import ATOMIC, OPERATIONS
from waiting import until

LIMIT = 8 * 2**20
AT_ONCE = 4
MAX_MEMORY = 200 * 2**20
KEPT_MEMORY = 40 * 2**20
"""The memory that the process may keep after the requests. Its first requests load code."""
REQUEST_SECONDS = 8
"""The deadline of a request."""
MAX_RESPONSE_BYTES = 1_500_000


def add(data: bytes) -> bytes:
    return b'{"atomic:operations":[{"op":"add","data":{"type":"users",%b}}]}' % data


def filled(pattern: str, most: int = 10**7) -> bytes:
    """Numbered members or elements that fill a body."""
    size = len(pattern % 0) + 7
    return ",".join(pattern % number for number in range(min(most, (LIMIT - 200) // size))).encode()


def in_string(text: str) -> bytes:
    """A name that repeats the text until it fills a body."""
    sent = text.encode()
    return add(b'"attributes":{"name":"%b"}' % (sent * ((LIMIT - 200) // len(sent))))


def nested(depth: int) -> bytes:
    one = "[" * depth + "]" * depth
    return add(b'"meta":{"x":[%b]}' % filled(one + "%.0s"))


SHAPES: dict[str, Callable[[], bytes]] = {
    "empty operations": lambda: b'{"atomic:operations":[%b]}' % b",".join([b"{}"] * (LIMIT // 4)),
    "unknown attributes": lambda: add(b'"attributes":{%b}' % filled('"%x":1')),
    "wrong relationships": lambda: add(b'"relationships":{%b}' % filled('"%x":1')),
    "numbers": lambda: add(b'"meta":{"x":[%b]}' % filled("%d")),
    "strings": lambda: add(b'"meta":{"x":[%b]}' % filled('"%d"')),
    "empty strings": lambda: add(b'"meta":{"x":[%b]}' % b",".join([b'""'] * (LIMIT // 4))),
    "meta": lambda: add(b'"meta":{%b}' % filled('"%x":null')),
    "objects": lambda: add(b'"meta":{"x":[%b]}' % filled('{"a":%d}')),
    "depth": lambda: nested(50),
    "brackets": lambda: b"[" * LIMIT,
    "closing brackets": lambda: b"[]" * (LIMIT // 2),
    "duplicates": lambda: add(b'"meta":{%b}' % filled('"a":%d')),
    "long names": lambda: add(b'"attributes":{%b}' % filled('"' + "n" * 8000 + '%d":1', 1000)),
    "long names of controls": lambda: add(
        b'"attributes":{%b}' % filled('"' + "\\u0001~" * 1000 + '%d":1', 1000)
    ),
    "the largest number of members": lambda: add(
        b'"attributes":{%b}' % filled('"' + "n" * 150 + '%d":1', 49_000)
    ),
    "a long string": lambda: in_string("a"),
    "a long string beyond the BMP": lambda: in_string("a" * 20 + "\U00010000"),
    "backslashes": lambda: in_string("\\\\"),
    "quotes": lambda: in_string('\\"'),
    "escaped letters": lambda: in_string("\\u0041"),
    "escaped letters of two bytes": lambda: in_string("\\u4e00"),
    "short pieces": lambda: in_string("ab\\n"),
    "commas": lambda: in_string(","),
    "brackets in a string": lambda: in_string("[{"),
    "a quote that does not end": lambda: b'{"atomic:operations":"' + b'\\"' * (LIMIT // 2 - 20),
    "quotes side by side": lambda: b'"' * LIMIT,
    "odd quotes": lambda: b'"\\\\"\\' * (LIMIT // 5),
    "a long number": lambda: add(b'"meta":{"x":%b}' % (b"9" * (LIMIT - 200))),
    "a long fraction": lambda: add(b'"meta":{"x":0.%b}' % (b"1" * (LIMIT - 200))),
    "invalid UTF-8": lambda: add(b'"meta":{"x":"%b"}' % (b"\xff" * (LIMIT - 200))),
    "white space": lambda: add(b'"meta":{}').ljust(LIMIT),
    "white space before it": lambda: b" " * (LIMIT - 100) + add(b'"meta":{}'),
    "NUL": lambda: b"\0" * LIMIT,
    "links": lambda: add(b'"links":{%b}' % filled('"%x":"x"')),
    "large operations": lambda: (
        b'{"atomic:operations":[%b]}'
        % b",".join(
            [b'{"op":"add","data":{"type":"users","attributes":{"%b":1}}}' % (b"n" * 80_000)] * 100
        )
    ),
}


class Usage:
    """The memory of a process, from the kernel."""

    def __init__(self, pid: int) -> None:
        self._directory = Path(f"/proc/{pid}")

    def _status(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", (self._directory / "status").read_text())
        assert found
        return int(found[1]) * 1024

    @property
    def now(self) -> int:
        return self._status("VmRSS")

    @property
    def peak(self) -> int:
        return self._status("VmHWM")

    def reset_peak(self) -> None:
        (self._directory / "clear_refs").write_text("5")


def post(port: int, body: bytes) -> tuple[int, Any, float, int]:
    """The status, the document, the seconds after the last byte was sent, and the length."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST", OPERATIONS, body, {"Content-Type": ATOMIC})
        sent = monotonic()
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content), monotonic() - sent, len(content)


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    started = serve_for_module("--workers", "1", ROSTER_DATABASE_URL="memory://")
    post(started.port, b"[" * LIMIT)  # the first rejection loads code
    return started


@pytest.mark.parametrize("shape", SHAPES)
def test_four_large_bodies_at_once_take_little_memory_and_time(server: Server, shape: str) -> None:
    body = SHAPES[shape]()
    assert len(body) <= LIMIT
    (worker,) = server.workers()
    usage = Usage(worker.pid)
    usage.reset_peak()
    idle = usage.now
    with ThreadPoolExecutor(AT_ONCE) as threads:
        responses = list(threads.map(lambda _: post(server.port, body), range(AT_ONCE)))
    for status, document, seconds, length in responses:
        assert status in (400, 409, 422), document
        assert seconds < REQUEST_SECONDS
        assert length < MAX_RESPONSE_BYTES
    assert usage.peak - idle < MAX_MEMORY
    until(lambda: usage.now - idle < KEPT_MEMORY, within=10)


def unfinished(server: Server, size: int, sent: int) -> socket:
    """A connection on which a part of a body of operations was sent."""
    lines = ("Host: localhost", f"Content-Type: {ATOMIC}", f"Content-Length: {size}", "", "")
    connection = server.connect("\r\n".join((f"POST {OPERATIONS} HTTP/1.1", *lines)).encode())
    for _ in range(sent // 2**16):
        connection.sendall(b" " * 2**16)
    return connection


def test_unfinished_bodies_take_little_memory_and_block_no_client(server: Server) -> None:
    (worker,) = server.workers()
    usage = Usage(worker.pid)
    usage.reset_peak()
    idle = usage.now
    with ExitStack() as connections:
        for _ in range(40):
            connection = unfinished(server, LIMIT, LIMIT - 2**18)
            connections.enter_context(closing(connection))
        assert usage.peak - idle < MAX_MEMORY
        small = server.user("small@example.org")
        assert server.post(small).status_code == 201
        large = server.user("large@example.org").ljust(2**20)
        assert server.post(large).status_code == 201
        status, *_ = post(server.port, add(b'"attributes":{}').ljust(LIMIT))
        assert status == 422
    until(lambda: usage.now - idle < KEPT_MEMORY, within=10)


def unread(port: int) -> int:
    """The number of bytes that the server has not yet read from the kernel."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queues = [line[4] for line in lines if line[1].endswith(f":{port:04X}")]
    return sum(int(queue.partition(":")[2], 16) for queue in queues)


def test_the_larger_of_two_bodies_that_exceed_the_memory_is_503(serve: Serve) -> None:
    memory = {"ROSTER_BODY_BYTES": "131072", "ROSTER_BODY_MEMORY": "1100000"}
    server = serve("--workers", "1", ROSTER_DATABASE_URL="memory://", **memory)
    size = 8 * 131072
    document = add(b'"attributes":{}')
    with (
        closing(unfinished(server, size, size - 2**16)) as larger,
        closing(unfinished(server, size // 2, size // 2 - 2**16)) as smaller,
    ):
        until(lambda: unread(server.port) == 0)
        smaller.sendall(document.rjust(2**16))
        assert smaller.recv(65536).startswith(b"HTTP/1.1 422 ")
        larger.sendall(document.rjust(2**16))
        response = HTTPResponse(larger)
        response.begin()
        assert (response.status, response.getheader("Retry-After")) == (503, "1")
        assert json.loads(response.read())["errors"][0]["code"] == "overloaded"
