"""Rejected requests do not close a connection that the server promises to keep."""

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple

import jwt
import pytest
from process.server import Serve, Server
from roster_process import SECRET, USERS

PARALLEL = 4


class Kind(NamedTuple):
    """A request that is rejected, or that has an unused body."""

    status: int
    line: str
    headers: tuple[str, ...] = ()
    scope: str = "users:read users:write"
    size: int = 150
    service: str = "guarded"


JSONAPI = "Content-Type: application/vnd.api+json"
KINDS = {
    "401": Kind(401, f"POST {USERS}", (JSONAPI,), scope=""),
    "403": Kind(403, f"POST {USERS}", (JSONAPI,), scope="users:read"),
    "404": Kind(404, "POST /api/v1/nothing", (JSONAPI,)),
    "404 elsewhere": Kind(404, "POST /nothing", (JSONAPI,)),
    "405": Kind(405, f"PUT {USERS}", (JSONAPI,)),
    "406": Kind(406, f"POST {USERS}", (JSONAPI, "Accept: text/html")),
    "413": Kind(413, f"POST {USERS}", (JSONAPI,), size=250),
    "415": Kind(415, f"POST {USERS}", ("Content-Type: text/plain",)),
    "415 encoded": Kind(415, f"POST {USERS}", (JSONAPI, "Content-Encoding: gzip")),
    "400 query": Kind(400, f"POST {USERS}?x=1", (JSONAPI,)),
    "400 document": Kind(400, f"POST {USERS}", (JSONAPI,)),
    "429": Kind(429, f"POST {USERS}", (JSONAPI,), service="limited"),
    "GET": Kind(200, f"GET {USERS}"),
    "HEAD": Kind(200, f"HEAD {USERS}"),
    "DELETE": Kind(404, f"DELETE {USERS}/1"),
    "OPTIONS": Kind(204, f"OPTIONS {USERS}"),
    "page": Kind(405, "POST /docs"),
}


@pytest.fixture(scope="module")
def services(serve_for_module: Serve) -> dict[str, Server]:
    """A service that requires tokens and short bodies, and one that responds only with 429."""
    settings = {
        "guarded": {"ROSTER_JWT_SECRET": SECRET, "ROSTER_BODY_BYTES": "200"},
        "limited": {"ROSTER_RATE_LIMIT": "1/day"},
    }
    started = {
        name: serve_for_module("--workers", "1", ROSTER_DATABASE_URL="memory://", **each)
        for name, each in settings.items()
    }
    started["limited"].get(USERS)  # the only request that the limit allows
    return started


def token(scope: str) -> str:
    """A header with a token of the scope, or an unused header."""
    claims = {"sub": "tester", "exp": 2**40, "scope": scope}
    return f"Authorization: Bearer {jwt.encode(claims, SECRET)}" if scope else "X-Token: none"


def head(kind: Kind, *framing: str) -> bytes:
    lines = (f"{kind.line} HTTP/1.1", "Host: 127.0.0.1", token(kind.scope), *kind.headers, *framing)
    return "\r\n".join((*lines, "", "")).encode()


def lost(port: int, kind: Kind, number: int, *, chunked: bool) -> Counter[str]:
    """Counts the unexpected results of a number of requests on kept connections.

    The body follows the headers in a packet of its own, as most clients send it.
    """
    found: Counter[str] = Counter()
    body = b" " * kind.size
    sent = head(kind, "Transfer-Encoding: chunked" if chunked else f"Content-Length: {kind.size}")
    if chunked:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (kind.size, body)
    method = kind.line.partition(" ")[0]
    done = 0
    while done < number:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while done < number:
                done += 1
                try:
                    connection.sendall(sent)
                    connection.sendall(body)
                    response = HTTPResponse(connection, method=method)
                    response.begin()
                    response.read()
                except (OSError, HTTPException) as error:
                    found[f"lost: {type(error).__name__}"] += 1
                    break
                if response.status != kind.status:
                    found[f"status {response.status}"] += 1
                if response.will_close:  # allowed for chunked bodies
                    found["closed with notice"] += not chunked
                    break
    return found


def assert_none_lost(services: dict[str, Server], name: str, number: int, *, chunked: bool) -> None:
    kind = KINDS[name]
    port = services[kind.service].port
    with ThreadPoolExecutor(PARALLEL) as threads:
        each = number // PARALLEL
        parts = [threads.submit(lost, port, kind, each, chunked=chunked) for _ in range(PARALLEL)]
        found = sum((part.result() for part in parts), Counter())
    assert +found == Counter()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("name", KINDS)
def test_a_kept_connection_survives_rejections(
    services: dict[str, Server], name: str, chunked: bool
) -> None:
    assert_none_lost(services, name, 400, chunked=chunked)


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_a_kept_connection_survives_ten_thousand_rejections(
    services: dict[str, Server], name: str
) -> None:
    assert_none_lost(services, name, 10_000, chunked=False)
