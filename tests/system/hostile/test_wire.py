"""Invalid, ambiguous and unfinished requests."""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roster_process import JSONAPI, USERS

EXAMPLES = [60, pytest.param(2000, marks=pytest.mark.long)]
SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck))
HEAD = f"POST {USERS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSONAPI}\r\n".encode()
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"DELETE /api/v1/users/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
USER = json.dumps(
    {"data": {"type": "users", "attributes": {"email": "wire@example.org", "name": "Wire"}}}
).encode()
CHUNKS = {
    "no length": b"\r\n{}\r\n0\r\n\r\n",
    "a negative length": b"-2\r\n{}\r\n0\r\n\r\n",
    "a signed length": b"+2\r\n{}\r\n0\r\n\r\n",
    "a prefix": b"0x2\r\n{}\r\n0\r\n\r\n",
    "a length as a word": b"two\r\n{}\r\n0\r\n\r\n",
    "a giant length": b"ffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a length of 100 digits": b"f" * 100 + b"\r\n{}\r\n0\r\n\r\n",
    "too short a length": b"1\r\n{}\r\n0\r\n\r\n",
    "too long a length": b"3\r\n{}\r\n0\r\n\r\n",
    "a long extension": b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "line feeds only": b"2\n{}\n0\n\n",
    "no end": b"2\r\n{}\r\n",
    "an end in the middle": b"50\r\n{}",
    "trailers": b"2\r\n{}\r\n0\r\nContent-Length: 99\r\nIf-Match: x\r\n\r\n",
}
FRAMINGS = {
    "both, the length first": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    "both, the coding first": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\nContent-Length: 4\r\n",
    "a tab": b"Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n",
    "a vertical tab": b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 4\r\n",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n",
    "two codings": b"Transfer-Encoding: chunked, identity\r\nContent-Length: 4\r\n",
    "twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n",
    "a folded line": b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n",
    "an underscore": b"Transfer_Encoding: chunked\r\nContent-Length: 4\r\n",
    "two lengths": b"Content-Length: 4\r\nContent-Length: 60\r\n",
    "a list of lengths": b"Content-Length: 4, 60\r\n",
    "a signed length": b"Content-Length: +4\r\n",
    "a negative length": b"Content-Length: -4\r\n",
    "a hexadecimal length": b"Content-Length: 0x4\r\n",
    "a giant length": b"Content-Length: 99999999999999999999999\r\n",
    "no length": b"",
    "a zero length": b"Content-Length: 0\r\n",
}
NOT_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/9.9": b"GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "no method": b" /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method with NUL": b"GE\0T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "spaces in the target": b"GET /health z HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "raw bytes in the target": b"GET /\xff\xfe\x80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "control characters in a header": b"GET /healthz HTTP/1.1\r\nHost: r\r\nX: \x01\x02\r\n\r\n",
    "NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: \0\r\n\r\n",
    "a carriage return in a header": b"GET /healthz HTTP/1.1\r\nHost: r\r\nX: a\rY: b\r\n\r\n",
    "a header without a colon": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n",
    "a header without a name": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n",
    "a giant header": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: %b\r\n\r\n"
    % (b"x" * 200_000),
    "a thousand headers": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
    % (b"X: 1\r\n" * 1000),
    "a giant method": b"%b /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"A" * 200_000),
    "a giant target": b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"a" * 200_000),
    "binary": bytes(range(256)) * 40,
    "SMTP": b"EHLO roster\r\nMAIL FROM:<a@b>\r\n",
    "blank lines": b"\r\n" * 1000,
}


@pytest.mark.parametrize("name", CHUNKS)
def test_bad_chunks_are_rejected(target: Any, name: str) -> None:
    for response in target.send_all(CHUNKED + CHUNKS[name], end=True):
        assert response.status in (400, 408, 413)


@pytest.mark.parametrize(
    "chunks",
    {
        "no length": b"\r\n%b\r\n0\r\n\r\n",
        "a negative length": b"-%x\r\n%b\r\n0\r\n\r\n",
        "a signed length": b"+%x\r\n%b\r\n0\r\n\r\n",
        "a prefix": b"0x%x\r\n%b\r\n0\r\n\r\n",
        "a point": b"%x.0\r\n%b\r\n0\r\n\r\n",
        "an underscore": b"0_%x\r\n%b\r\n0\r\n\r\n",
        "line feeds only": b"%x\n%b\n0\n\n",
        "half a document": b"%x\r\n{",
    }.items(),
    ids=lambda named: named[0],
)
def test_a_whole_document_in_bad_chunks_creates_no_user(
    target: Any, chunks: tuple[str, bytes]
) -> None:
    _, framed = chunks
    email = f"chunk-{target.new_number()}@example.org"
    body = USER.replace(b"wire@example.org", email.encode())
    sent = framed.replace(b"%x", b"%x" % len(body)).replace(b"%b", body)
    assert {response.status for response in target.send_all(CHUNKED + sent, end=True)} <= {400}
    found = target.get(f"{USERS}?filter[email]={email}")
    assert found.document["data"] == []


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b"\r\n", b"\r\n0\r\n", b"\r\nx\r\n", b"\n0\n\n"])
def test_a_request_after_chunks_without_a_valid_end_is_ignored(target: Any, end: bytes) -> None:
    """The server does not distinguish an incomplete body from a complete one.

    Roster accepts the document if it is complete.
    """
    body = USER.replace(b"wire@example.org", f"end-{target.new_number()}@example.org".encode())
    hidden = SMUGGLED.replace(target.canary.encode(), target.new_user_to_delete().encode())
    sent = CHUNKED + b"%x\r\n%b%b%b" % (len(body), body, end, hidden)
    responses = target.send_all(sent, end=True)
    assert len(responses) <= 1
    assert all(response.status in (201, 400) for response in responses)


@pytest.mark.parametrize("name", FRAMINGS)
def test_no_framing_hides_a_second_request(target: Any, name: str) -> None:
    """The canary remains if the bytes are read as one request or as two."""
    for body in (b"0\r\n\r\n", b"{}\r\n", b"2\r\n{}\r\n0\r\n\r\n"):
        hidden = SMUGGLED.replace(target.canary.encode(), target.new_user_to_delete().encode())
        responses = target.send_all(HEAD + FRAMINGS[name] + b"\r\n" + body + hidden, end=True)
        statuses = [response.status for response in responses]
        assert statuses == [] or statuses[0] in (400, 413, 415), statuses
        if b"ransfer-" in FRAMINGS[name] and b"Content-Length" in FRAMINGS[name]:
            # RFC 9112 section 6.3: such a request is rejected, or ends the connection.
            assert len(responses) <= 1, statuses


@pytest.mark.parametrize("name", NOT_HTTP)
def test_bytes_that_are_not_http_are_rejected_or_end_the_connection(target: Any, name: str) -> None:
    statuses = [response.status for response in target.send_all(NOT_HTTP[name], end=True)]
    assert statuses in (
        [],
        [400],
        [404],
        [431],
        [414],
        [505],
        [405],
    )


@pytest.mark.parametrize("declared", [1, len(USER) - 1, len(USER) + 1, 10**6, 10**30])
def test_a_wrong_length_creates_no_user(target: Any, declared: int) -> None:
    sent = HEAD + b"Content-Length: %d\r\n\r\n" % declared + USER
    assert [each.status for each in target.send_all(sent, end=True, most=1)] in ([400], [413])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "compress", "gzip, gzip"])
def test_compressed_bodies_are_415_without_decompression(target: Any, coding: str) -> None:
    for body in (gzip.compress(b" " * 10**7 + USER), zlib.compress(USER), USER):
        response = target.post(body, f"Content-Encoding: {coding}")
        assert (response.status, response.header("accept-encoding")) == (415, "identity")


@pytest.mark.parametrize(
    "header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"]
)
def test_no_header_or_parameter_overrides_the_method(target: Any, header: str) -> None:
    for method in ("DELETE", "PATCH", "PUT"):
        assert target.get(target.canary, f"{header}: {method}").status == 200
        response = target.post(b'{"data": null}', f"{header}: {method}", to=target.canary)
        assert response.status == 405
        assert target.post(b"{}", to=f"{USERS}?_method={method}").status == 400


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "DEBUG", "get", "A" * 5000, "*"])
def test_unknown_methods_change_and_echo_nothing(target: Any, method: str) -> None:
    response = target.request(method, target.canary, None, "X-Secret: 4711")
    assert response.status in (400, 404, 405)
    assert b"4711" not in response.body


@pytest.mark.parametrize(
    "lines",
    [
        ["If_Match: *", "Content_Type: text/plain", "Content_Length: 7", "X_Request_ID: x"],
        ["If-None-Match: " + ", ".join(['"x"'] * 5_000)],
        ["If-Match: " + '"' * 5_000],
        ["Accept: " + ",".join(["text/html;q=0.1"] * 3_000) + ",*/*"],
        ["Accept: " + "application/vnd.api+json;" * 2_000 + ",*/*"],
        ["Authorization: Bearer " + "." * 50_000],
        ["X-Forwarded-For: ::1", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: x"],
        ["X-Original-URL: /api/v1/users/2", "X-Rewrite-URL: /", "X-Forwarded-Prefix: /evil"],
        ["X-Request-ID: a\tb", "X-Request-ID: c"],
        ["X-Request-ID: " + "x" * 5_000],
        ["traceparent: 00-" + "f" * 5_000, "tracestate: " + "a=b," * 1_000],
        ["Range: bytes=0-1", "If-Range: x", "Expect: 100-continue"],
        ["Connection: keep-alive, close, Host", "Keep-Alive: 9999999"],
        ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk"],
        ["Cookie: " + "a=b; " * 5_000, "Proxy: http://evil.example"],
    ],
)
def test_unused_headers_change_nothing(target: Any, lines: list[str]) -> None:
    response = target.get(target.canary, *lines)
    assert response.status in {200, 304, 400, 406, 412} | no_token(target, lines)
    assert b"evil" not in response.body
    if response.status == 200:
        assert response.document["data"]["id"] == target.canary.rpartition("/")[2]


def no_token(target: Any, lines: list[str] | list[bytes]) -> set[int]:
    """The further status that is allowed if a header invalidates the token."""
    invalid = any(str(line).lower().find("authorization:") >= 0 for line in lines)
    return {401} if invalid and target.is_guarded else set()


@pytest.mark.parametrize(
    "twice",
    [
        [f"Content-Type: {JSONAPI}", "Content-Type: text/plain"],
        ['If-Match: "1-x"', "If-Match: *"],
        ["Idempotency-Key: a", "Idempotency-Key: b"],
        ["Idempotency-Key: \x80\xff"],
        ["Idempotency-Key: " + "k" * 5_000],
    ],
)
def test_repeated_and_invalid_headers_are_rejected(target: Any, twice: list[str]) -> None:
    response = target.post(b"{}", *twice)
    assert response.status in (400, 415, 422)


def test_two_hosts_or_a_missing_host_are_400(target: Any) -> None:
    for second in ("roster", "evil.example", ""):
        assert target.get(target.canary, f"Host: {second}").codes == {"bad_request"}
    request = f"GET {target.canary} HTTP/1.%d\r\nConnection: close\r\n\r\n"
    assert target.send((request % 1).encode()).codes == {"bad_request"}
    assert target.send((request % 0).encode()).status == (401 if target.is_guarded else 200)


def test_the_first_of_two_content_types_applies(target: Any) -> None:
    """The server drops the second. A proxy that inspects bodies must do the same."""
    plain, typed = "Content-Type: text/plain", f"Content-Type: {JSONAPI}"
    assert target.post(b"{}", plain, typed).codes == {"unsupported_media_type"}
    assert target.post(b"{}", typed, plain).codes == {"missing_member"}
    assert target.post(b"{}", typed, "Content_Type: text/plain").codes == {"missing_member"}


def test_two_lengths_are_rejected_unless_they_are_equal(target: Any) -> None:
    for lengths in ((2, 3), (3, 2), (2, 0), (0, 2), (2, 2, 1)):
        lines = [f"Content-Length: {length}" for length in lengths]
        assert target.post(b"{}", *lines).status == 400, lengths
    twice = target.post(b"{}", "Content-Length: 2", "Content-Length: 2")
    assert twice.codes == {"missing_member"}
    hidden = target.post(b"{}", "Content-Length: 2", "Content_Length: 1")
    assert hidden.codes == {"missing_member"}


def test_either_of_two_conditions_applies_and_two_keys_are_rejected(target: Any) -> None:
    current = f"If-None-Match: {target.get(target.canary).header('etag')}"
    for lines in ((current, 'If-None-Match: "x"'), ('If-None-Match: "x"', current)):
        assert target.get(target.canary, *lines).status == 304
    key = 'Idempotency-Key: "%s"'
    user = json.dumps({"data": {"type": "users", "attributes": {"email": "k@e.x", "name": "K"}}})
    assert target.post(user.encode(), key % "a", key % "b").status == 400


def test_no_request_can_forge_a_log_entry(target: Any) -> None:
    forged = '%0d%0a{"event":"forged"}%0a'
    target.get(f"/api/v1/users/1{forged}")
    target.get(f"{USERS}?x={forged}")
    target.get("/healthz", f"X-Request-ID: {forged}", f"User-Agent: {forged}")
    target.request(f"GET{forged}", "/healthz")
    entries = [json.loads(line) for line in target.log().splitlines()]
    assert {entry["event"] for entry in entries} == {"listening", "request"}
    assert [entry for entry in entries if "forged" in entry.get("request_id", "")] == []


def test_slow_and_idle_clients_do_not_delay_others(target: Any) -> None:
    stopped = Event()
    with ExitStack() as connections:

        def opened() -> Iterator[Any]:
            while True:
                yield connections.enter_context(closing(target.connect()))

        sockets = opened()
        slow = [next(sockets) for _ in range(16)]
        head = target.with_token(HEAD)
        for number, each in enumerate(slow):
            each.sendall(head + b"Content-Length: 9999\r\n\r\n" if number % 2 else head)
        for _ in range(100):
            next(sockets)

        def send_slowly() -> None:
            while not stopped.wait(0.1):
                for number, each in enumerate(slow):
                    each.sendall(b" " if number % 2 else b"X-Slow: 1\r\n")

        target.logged_without_response += len(slow)
        thread = Thread(target=send_slowly)
        thread.start()
        try:
            for _ in range(20):
                began = monotonic()
                target.new_user(f"quick-{target.new_number()}@example.org")
                assert target.get(USERS).status == 200
                assert monotonic() - began < 4
        finally:
            stopped.set()
            thread.join()


# -- random input ----------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        *("Accept", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "X-Request-ID"),
        *("Authorization", "Host", "Origin", "Content-Encoding", "Forwarded", "traceparent"),
        *("Access-Control-Request-Method", "Expect", "TE", "Via", "Prefer", "If-Unmodified-Since"),
    ]
)
VALUES = st.binary(max_size=30).map(
    lambda value: bytes(byte for byte in value if byte >= 32 or byte == 9)
) | st.sampled_from(
    [
        *(
            b"*",
            b'"1-x"',
            b'W/"',
            b"*/*;q=x",
            b"application/vnd.api+json; profile=",
            b"a/b;=;",
            b",",
        ),
        *(
            b'application/vnd.api+json;ext="',
            b"00-0-0-0",
            b"Bearer ",
            b"http://evil.example",
            b'"\\"',
        ),
    ]
)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_header_gets_a_response(target: Any, examples: int) -> None:
    @settings(SLOW, max_examples=examples)
    @given(st.lists(st.tuples(NAMES, VALUES), max_size=4), st.sampled_from(["GET", "POST"]))
    def attack(headers: list[tuple[str, bytes]], method: str) -> None:
        sent = [name.encode() + b": " + value for name, value in headers]
        response = target.request(method, USERS, b"{}" if method == "POST" else None, *sent)
        allowed = {200, 304, 400, 403, 406, 412, 415, 417} | no_token(target, sent)
        assert response.status in allowed

    attack()


@pytest.mark.parametrize("examples", EXAMPLES)
def test_any_bytes_get_a_response_or_end_the_connection(target: Any, examples: int) -> None:
    whole = HEAD + b"Content-Length: 2\r\n\r\n{}"
    damage = st.tuples(st.integers(0, len(whole)), st.integers(0, 3), st.binary(max_size=3))

    @settings(SLOW, max_examples=examples)
    @given(st.binary(max_size=60) | st.lists(damage, min_size=1, max_size=3))
    def attack(sent: Any) -> None:
        if isinstance(sent, list):
            damaged = whole
            for at, length, put in sent:
                damaged = damaged[:at] + put + damaged[at + length :]
            sent = damaged
        responses = target.send_all(sent, end=True)
        assert all(response.status < 500 for response in responses)

    attack()
