"""Connections with one time limit for all reads and writes.

The time limit of Python's sockets applies to each operation. So a server that sends a byte
occasionally could block it forever.
"""

import socket
import ssl
from errno import EAFNOSUPPORT
from time import monotonic
from typing import Any, Final

_MAX_BYTES: Final = 1 << 20
"""The maximum number of bytes from a server. No exchange of Roster needs as many."""


class Deadline:
    """The end of the time for all operations of a connection."""

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds

    def remaining(self) -> float:
        """Returns the seconds until the deadline. Raises TimeoutError after it."""
        if (seconds := self._end - monotonic()) <= 0:
            raise TimeoutError
        return seconds

    @property
    def is_over(self) -> bool:
        return monotonic() >= self._end

    def shorten(self, seconds: float) -> None:
        """Moves the deadline to `seconds` from now, unless it is sooner."""
        self._end = min(self._end, monotonic() + seconds)


class _DeadlineSocket(socket.socket):
    """Reads until the deadline, and at most _MAX_BYTES."""

    deadline: Deadline
    received = 0

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        self.settimeout(self.deadline.remaining())
        count = super().recv_into(*arguments, **options)
        self.received += count
        if self.received > _MAX_BYTES:
            raise ConnectionError("the server sent too much")
        return count


class PlainSocket(_DeadlineSocket):
    """A TCP connection with a deadline."""

    def sendall(self, *arguments: Any, **options: Any) -> None:
        self.settimeout(self.deadline.remaining())  # limits the whole call
        super().sendall(*arguments, **options)


class TlsSocket(_DeadlineSocket, ssl.SSLSocket):
    """A TLS connection with a deadline."""

    def send(self, *arguments: Any, **options: Any) -> int:
        self.settimeout(self.deadline.remaining())
        return super().send(*arguments, **options)


def connect(host: str, port: int, deadline: Deadline) -> PlainSocket:
    """Connects to one of the host's addresses. Divides the time between them. Raises OSError.

    The deadline does not limit the time in which the system resolves the host.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            connection = PlainSocket(family, kind, protocol)
            connection.deadline = deadline
            _connect(connection, address, deadline.remaining() / (len(addresses) - number))
        except OSError as error:
            if failure is None or error.errno != EAFNOSUPPORT:  # such as a system without IPv6
                failure = error
        else:
            return connection
    raise failure or OSError("the host has no address")


def _connect(connection: PlainSocket, address: Any, seconds: float) -> None:
    """Connects to the address, or closes the socket and raises OSError."""
    try:
        connection.settimeout(seconds)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise


def wrap(plain: PlainSocket, context: ssl.SSLContext, host: str) -> TlsSocket:
    """Starts TLS on a connection. `context` must create TlsSockets. Raises OSError."""
    plain.settimeout(plain.deadline.remaining())  # limits the whole handshake
    secure = context.wrap_socket(plain, server_hostname=host)
    assert isinstance(secure, TlsSocket)
    secure.deadline = plain.deadline
    return secure
