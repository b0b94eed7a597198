"""The HTTPS client: the identity, the time limit and the errors of its requests."""

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest

from adapters.https_client import FetchError, get

HEAD = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"

Serve = Callable[..., str]


def fetch(url: str, *, seconds: float = 20) -> bytes:
    return get(url, accept="application/json", seconds=seconds, max_bytes=1000)


def reason(url: str, **options: Any) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(url, **options)
    return str(caught.value)


@pytest.fixture
def serve(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a server that runs `talk` on one connection, with or without TLS."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    stop = Event()
    threads = []
    listeners = []

    def start(talk: Callable[[socket.socket, Event], None], *, tls: bool = True) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        port = listener.getsockname()[1]

        def run() -> None:
            with suppress(OSError), listener, listener.accept()[0] as plain:
                plain.settimeout(20)
                if not tls:
                    talk(plain, stop)
                    return
                with context.wrap_socket(plain, server_side=True) as secure:
                    talk(secure, stop)

        threads.append(Thread(target=run))
        threads[-1].start()
        return f"https://127.0.0.1:{port}/keys"

    yield start
    stop.set()
    for listener in listeners:
        with suppress(OSError):  # a connection arrived, so it is closed
            listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(20)


def test_requests_identify_roster(issuer: Any) -> None:
    issuer.body = b"{}"
    assert fetch(f"{issuer.url}?tenant=1") == b"{}"
    (headers,) = issuer.received
    assert headers["user-agent"] == f"Roster/{version('roster-directory')}"
    assert headers["accept"] == "application/json"
    assert headers["host"] == issuer.url.split("/")[2]


def drip_bytes(connection: socket.socket, stop: Event, byte: bytes) -> None:
    """Sends a byte every 10 ms for 8 seconds."""
    for _ in range(800):
        if stop.wait(0.01):
            return
        connection.sendall(byte)


@pytest.mark.parametrize("start", [HEAD, BODY])
def test_times_out_if_a_server_sends_single_bytes(serve: Serve, start: bytes) -> None:
    def drip(connection: socket.socket, stop: Event) -> None:
        connection.recv(65536)
        connection.sendall(start)
        drip_bytes(connection, stop, b"x")

    began = monotonic()
    assert reason(serve(drip), seconds=0.5) == "timed out after 0.5 s"
    assert 0.5 <= monotonic() - began < 5


@pytest.mark.parametrize("tls", [True, False])
def test_times_out_if_a_server_sends_nothing(serve: Serve, tls: bool) -> None:
    def wait(_: socket.socket, stop: Event) -> None:
        stop.wait(20)

    assert reason(serve(wait, tls=tls), seconds=0.5) == "timed out after 0.5 s"


def test_times_out_during_a_slow_handshake(serve: Serve) -> None:
    def drip(connection: socket.socket, stop: Event) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # a long handshake record
        drip_bytes(connection, stop, b"\x03")

    assert reason(serve(drip, tls=False), seconds=0.5) == "timed out after 0.5 s"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, "HTTP 301: redirects are not followed"),
        (302, "HTTP 302: redirects are not followed"),
        (307, "HTTP 307: redirects are not followed"),
        (308, "HTTP 308: redirects are not followed"),
        (204, "HTTP 204 No Content"),
        (403, "HTTP 403 Forbidden"),
        (404, "HTTP 404 Not Found"),
        (500, "HTTP 500 Internal Server Error"),
        (599, "HTTP 599"),
    ],
)
def test_only_200_succeeds_and_errors_name_other_statuses(
    issuer: Any, status: int, expected: str
) -> None:
    issuer.body = b"" if status == 204 else b"{}"
    issuer.status = status
    issuer.headers = {"Location": f"{issuer.url}/elsewhere"}
    assert reason(issuer.url) == expected
    assert issuer.requests == 1


def test_rejects_an_untrusted_certificate_with_the_reason(untrusted_issuer: Any) -> None:
    assert reason(untrusted_issuer.url).startswith("certificate verify failed: ")
    assert untrusted_issuer.requests == 0


def test_rejects_a_certificate_of_another_host(issuer: Any) -> None:
    url = issuer.url.replace("127.0.0.1", "localhost")
    assert reason(url).startswith("certificate verify failed: Hostname mismatch")
    assert issuer.requests == 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://127.0.0.1:1/", "Connection refused"),
        ("https://nowhere.invalid/", "cannot resolve the host: "),
        (f"https://{'a' * 64}.invalid/", ""),
        ("https://[::1", "the URL is not valid"),
        ("https://127.0.0.1:x/", "the URL is not valid"),
        ("https://a b/", ""),
    ],
)
def test_a_server_that_cannot_be_reached_is_reported_with_the_reason(
    url: str, expected: str
) -> None:
    message = reason(url)
    assert message.startswith(expected)
    assert message.isprintable()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", "the connection was closed without a response"),
        (b"SSH-2.0\r\n", "the response is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000, "the response is not valid HTTP"),
        (b"HTTP/1.1 403 <b>Forbidden by us</b>\r\n\r\n", "HTTP 403 Forbidden"),
    ],
)
def test_a_response_that_is_not_http_is_reported(serve: Serve, sent: bytes, expected: str) -> None:
    def talk(connection: socket.socket, _: Event) -> None:
        connection.recv(65536)
        connection.sendall(sent)

    assert reason(serve(talk)) == expected


def test_a_server_without_tls_is_reported(serve: Serve) -> None:
    def talk(connection: socket.socket, _: Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert reason(serve(talk, tls=False)).startswith("TLS failed: ")


def test_reads_a_body_up_to_the_limit(issuer: Any) -> None:
    issuer.body = b"x" * 100_000
    assert len(fetch(issuer.url)) == 1001


@pytest.mark.parametrize(("size", "is_read"), [(1_000_000, True), (1_050_000, False)])
def test_reads_at_most_a_mebibyte(issuer: Any, size: int, *, is_read: bool) -> None:
    """The bound includes the headers, and applies if the limit for the body is higher."""
    issuer.body = b"x" * size
    with nullcontext() if is_read else pytest.raises(FetchError, match="sent too much"):
        body = get(issuer.url, accept="application/json", seconds=20, max_bytes=2_000_000)
        assert len(body) == size


def proxy(response: bytes, seen: list[bytes]) -> Callable[[socket.socket, Event], None]:
    """A proxy for one connection. It opens a tunnel if its response is 200."""

    def talk(client: socket.socket, stop: Event) -> None:
        head = client.recv(65536)
        seen.append(head)
        client.sendall(response)
        if b" 200 " not in response:
            return
        host, port = head.split()[1].decode().split(":")
        with socket.create_connection((host, int(port)), timeout=20) as server:
            back = Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join(20)

    return talk


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)


def test_uses_the_proxy_from_the_environment(
    serve: Serve, issuer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    issuer.body = b"{}"
    url = serve(proxy(b"HTTP/1.1 200 Connection established\r\n\r\n", seen), tls=False)
    proxy_url = re.sub("https://(.*)/keys", r"http://ann:p%40ss@\1", url)
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert fetch(issuer.url) == b"{}"
    (head,) = seen
    authority = issuer.url.split("/")[2]
    assert head.startswith(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n".encode())
    assert b"\r\nUser-Agent: Roster/" in head
    assert b"\r\nProxy-Authorization: Basic YW5uOnBAc3M=\r\n" in head


def test_a_proxy_is_not_used_for_the_hosts_of_no_proxy(
    issuer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.body = b"{}"
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert fetch(issuer.url) == b"{}"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            b"HTTP/1.1 407 No\r\n\r\n",
            "the proxy responded with HTTP 407 Proxy Authentication Required",
        ),
        (b"SSH-2.0\r\n\r\n", "the response of the proxy is not valid HTTP"),
        (b"", "the response of the proxy is not valid HTTP"),
        (b"HTTP/1.1 403 No\r\n" + b"x" * 65536, "the response of the proxy is not valid HTTP"),
    ],
)
def test_reports_the_error_of_a_proxy(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, response: bytes, expected: str
) -> None:
    url = serve(proxy(response, []), tls=False)
    monkeypatch.setenv("HTTPS_PROXY", url.replace("https://", ""))
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert reason("https://issuer.example.org/keys") == expected


@pytest.mark.parametrize("scheme", ["https", "socks5"])
def test_a_proxy_that_expects_another_protocol_gets_no_password(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    seen: list[bytes] = []
    host = serve(proxy(b"", seen), tls=False).split("/")[2]
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://ann:secret@{host}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert reason("https://issuer.example.org/keys") == INVALID_PROXY
    assert not seen


INVALID_PROXY = "HTTPS_PROXY must be an http URL such as http://proxy.example.org:3128"


@pytest.mark.parametrize(
    ("proxy_url", "expected"),
    [
        ("http://proxy.example.org:port", INVALID_PROXY),
        ("http://ann:secret@[::1", INVALID_PROXY),
        ("http://", INVALID_PROXY),
        ("127.0.0.1:1", "cannot connect to the proxy of HTTPS_PROXY: Connection refused"),
        (
            "http://ann:secret@nowhere.invalid",
            "cannot connect to the proxy of HTTPS_PROXY: cannot resolve the host: ",
        ),
    ],
)
def test_names_the_variable_of_a_proxy_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, proxy_url: str, expected: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    message = reason("https://issuer.example.org/keys")
    assert message.startswith(expected)
    assert "secret" not in message
