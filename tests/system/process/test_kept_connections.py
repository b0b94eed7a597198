"""No connection that the server promises to keep is closed, whatever is refused on it."""

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest

SECRET = "hush" * 8
PARALLEL = 4


class Kind(NamedTuple):
    """A kind of request that is refused, or that has a body which is not used."""

    status: int
    line: str
    headers: tuple[str, ...] = ()
    scope: str = "users:read users:write"
    size: int = 150
    service: str = "guarded"


USERS = "/api/v1/users"
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
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A service that wants tokens and takes short bodies, and one that answers nothing but 429."""
    from process.conftest import Server, until

    settings = {
        "guarded": {"ROSTER_JWT_SECRET": SECRET, "ROSTER_BODY_BYTES": "200"},
        "limited": {"ROSTER_RATE_LIMIT": "1/day"},
    }
    started = {}
    try:
        for name, each in settings.items():
            directory: Path = tmp_path_factory.mktemp(name)
            options = {"ROSTER_DATABASE_URL": "memory://", **each}
            server = started[name] = Server(directory, "--workers", "1", **options)
            until(server.answers, within=30)
        started["limited"].get(USERS)  # the only request that is not too many
        yield started
    finally:
        for server in started.values():
            server.stop()


def token(scope: str) -> str:
    """A header with a token of the scope, or nothing."""
    claims = {"sub": "tester", "exp": 2**40, "scope": scope}
    return f"Authorization: Bearer {jwt.encode(claims, SECRET)}" if scope else "X-Token: none"


def head(kind: Kind, *framing: str) -> bytes:
    lines = (f"{kind.line} HTTP/1.1", "Host: 127.0.0.1", token(kind.scope), *kind.headers, *framing)
    return "\r\n".join((*lines, "", "")).encode()


def lost(port: int, kind: Kind, number: int, *, chunked: bool) -> Counter[str]:
    """How many of so many requests on kept connections ended otherwise than they should.

    The body follows the head in a packet of its own, as most clients send it.
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
                if response.will_close:  # which it may announce where it can't see the end
                    found["closed with notice"] += not chunked
                    break
    return found


def assert_none_lost(services: dict[str, Any], name: str, number: int, *, chunked: bool) -> None:
    kind = KINDS[name]
    port = services[kind.service].port
    with ThreadPoolExecutor(PARALLEL) as threads:
        each = number // PARALLEL
        parts = [threads.submit(lost, port, kind, each, chunked=chunked) for _ in range(PARALLEL)]
        found = sum((part.result() for part in parts), Counter())
    assert not +found, found


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("name", KINDS)
def test_a_kept_connection_outlives_a_refusal(
    services: dict[str, Any], name: str, chunked: bool
) -> None:
    assert_none_lost(services, name, 400, chunked=chunked)


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_a_kept_connection_outlives_ten_thousand_refusals(
    services: dict[str, Any], name: str
) -> None:
    assert_none_lost(services, name, 10_000, chunked=False)
