"""The SMTP client, with servers that are slow, hang or close the connection."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Thread
from time import monotonic

import pytest

from adapters.deadline_sockets import PlainSocket
from adapters.mail.smtp import SmtpMailer, SmtpServer, parse_smtp_url
from application.ports import MailFailed

from .conftest import compose, outgoing

STEPS = ("connect", "EHLO", "MAIL", "RCPT", "DATA", "content")
REPLIES = {
    "connect": b"220 ready\r\n",
    "EHLO": b"250 mail\r\n",
    "MAIL": b"250 ok\r\n",
    "RCPT": b"250 ok\r\n",
    "DATA": b"354 continue\r\n",
    "content": b"250 accepted\r\n",
    "QUIT": b"221 bye\r\n",
}
SECONDS = 0.5

Failure = Callable[[socket.socket, Event], None]
Serve = Callable[[str, Failure], SmtpServer]


def hang(connection: socket.socket, stop: Event) -> None:
    stop.wait(20)


def close(connection: socket.socket, stop: Event) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def trickle(connection: socket.socket, stop: Event) -> None:
    """Sends a reply that never ends, one byte every 10 ms."""
    connection.sendall(b"250-")
    while not stop.wait(0.01):
        connection.sendall(b"x")


def flood(connection: socket.socket, stop: Event) -> None:
    """Sends a reply that never ends as fast as possible."""
    while not stop.is_set():
        connection.sendall(b"250-more\r\n" * 1000)


def read_command(connection: socket.socket, step: str) -> None:
    end = b"\r\n.\r\n" if step == "content" else b"\r\n"
    received = b""
    while not received.endswith(end):
        part = connection.recv(65536)
        if not part:
            raise ConnectionError
        received += part


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that accepts one connection, and fails at a step of it."""
    stop = Event()
    threads = []

    def start(failing_step: str, fail: Failure) -> SmtpServer:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(10)

        def run() -> None:
            with suppress(OSError), listener, listener.accept()[0] as connection:
                connection.settimeout(20)
                for step, reply in REPLIES.items():
                    if step != "connect":
                        read_command(connection, step)
                    if step == failing_step:
                        fail(connection, stop)
                        return
                    connection.sendall(reply)

        threads.append(Thread(target=run))
        threads[-1].start()
        return parse_smtp_url(f"smtp://127.0.0.1:{listener.getsockname()[1]}")

    yield start
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def failure(server: SmtpServer, seconds: float = SECONDS) -> MailFailed:
    began = monotonic()
    with pytest.raises(MailFailed) as caught:
        SmtpMailer(compose(), server, seconds=seconds).send(outgoing())
    assert monotonic() - began < seconds + 5
    return caught.value


@pytest.mark.parametrize("fail", [hang, trickle])
@pytest.mark.parametrize("step", STEPS)
def test_an_attempt_ends_in_time(serve: Serve, step: str, fail: Failure) -> None:
    error = failure(serve(step, fail))
    assert str(error) == "the server did not respond in time"
    assert error.is_certain == (step != "content")


@pytest.mark.parametrize("step", STEPS)
def test_a_closed_connection_is_uncertain_only_after_the_email(serve: Serve, step: str) -> None:
    error = failure(serve(step, close), seconds=20)
    assert str(error) in ("the server closed the connection", "Connection reset by peer")
    assert error.is_certain == (step != "content")


@pytest.mark.parametrize("step", STEPS)
def test_an_endless_reply_is_not_read_completely(serve: Serve, step: str) -> None:
    error = failure(serve(step, flood), seconds=20)
    assert error.is_certain == (step != "content")


@pytest.mark.parametrize("fail", [hang, close, trickle])
def test_an_accepted_email_is_sent_however_the_connection_ends(serve: Serve, fail: Failure) -> None:
    SmtpMailer(compose(), serve("QUIT", fail), seconds=20).send(outgoing())


def test_other_hosts_must_offer_tls(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests use no other network, so the system reports another address of the server.
    monkeypatch.setattr(PlainSocket, "getpeername", lambda _: ("192.0.2.1", 587))
    server = serve("MAIL", close)
    error = failure(server, seconds=20)
    assert str(error) == "the server does not offer STARTTLS"
    assert error.is_certain


def test_a_server_that_does_not_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(parse_smtp_url(f"smtp://127.0.0.1:{port}"), seconds=20)
    assert str(error) == "Connection refused"
    assert error.is_certain


UNKNOWN_FAMILY = 255


@pytest.fixture
def unsupported_address(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Adds an address of a family that the system lacks, such as IPv6, before this position."""
    resolve = socket.getaddrinfo

    def add(position: int) -> None:
        def getaddrinfo(*arguments: object, **options: object) -> list[object]:
            addresses: list[object] = [*resolve(*arguments, **options)]  # type: ignore[arg-type]
            unsupported = UNKNOWN_FAMILY, socket.SOCK_STREAM, 0, "", ("::1", 1)
            return [*addresses[:position], unsupported, *addresses[position:]]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return add


def test_an_address_that_the_system_does_not_support_is_skipped(
    serve: Serve, unsupported_address: Callable[[int], None]
) -> None:
    unsupported_address(0)
    SmtpMailer(compose(), serve("QUIT", close), seconds=20).send(outgoing())


@pytest.mark.parametrize("position", [0, 1])
def test_the_error_is_that_of_an_address_that_the_system_supports(
    unsupported_address: Callable[[int], None], position: int
) -> None:
    unsupported_address(position)
    test_a_server_that_does_not_listen()
