"""Ends the wait for clients that don't finish sending.

A thread that reads a body can't be interrupted, and a client that sends a byte now and then, or
nothing more, would hold it for good. Linux tells of each connection when it last received and
last sent; one that keeps us waiting too long is closed for receiving, whereupon the read ends and
the client can still be told. Elsewhere than on Linux nothing is ended.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOTSOCK
from pathlib import Path
from stat import S_ISSOCK
from struct import Struct
from threading import Thread
from time import monotonic, sleep
from typing import Final

_INFO: Final = Struct("=44x I 4x I 100x I")
"""In struct tcp_info (linux/tcp.h): milliseconds since data was sent and since it was received,
and the count of segments with data that were sent."""
_OPEN_FILES: Final = Path("/proc/self/fd")


class SlowClients:
    """Watches the connections that were accepted on a port.

    A client whose word was the last may keep us waiting `seconds`: more than it may take to send
    a request and than it may take us to answer. A connection may be silent `idle_seconds`.
    """

    def __init__(self, port: int, *, seconds: float, idle_seconds: float) -> None:
        self._port = port
        self._seconds = seconds
        self._idle_seconds = max(idle_seconds, seconds)
        self._waiting: dict[int, tuple[int, float]] = {}

    def watch(self) -> None:
        """Look at them again and again, in a thread of its own, as long as the process lives."""
        if _OPEN_FILES.exists():
            Thread(target=self._watch, name="slow-clients", daemon=True).start()

    def _watch(self) -> None:
        while True:
            sleep(min(1.0, self._seconds / 4))
            with suppress(OSError):  # no descriptor is free now
                self.end_overdue(monotonic())

    def end_overdue(self, now: float) -> None:
        """End those whom we have waited for too long, as the monotonic clock says now."""
        known, self._waiting = self._waiting, {}
        for connection in accepted(self._port):
            with suppress(OSError):
                if self._is_overdue(connection, known, now):
                    connection.shutdown(socket.SHUT_RD)

    def _is_overdue(
        self, connection: socket.socket, known: dict[int, tuple[int, float]], now: float
    ) -> bool:
        sent_ago, received_ago, sent = _traffic(connection)
        if received_ago >= sent_ago:  # the last word was ours, for all we know
            return min(sent_ago, received_ago) >= self._idle_seconds * 1000
        inode = os.fstat(connection.fileno()).st_ino
        before, since = known.get(inode, (sent, now))
        self._waiting[inode] = (sent, since if sent == before else now)
        return now - self._waiting[inode][1] >= self._seconds


def _traffic(connection: socket.socket) -> tuple[int, int, int]:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    sent_ago, received_ago, sent = _INFO.unpack(info)
    return sent_ago, received_ago, sent


def accepted(port: int) -> Iterator[socket.socket]:
    """This process's connections to the port, whoever accepted them; each is open meanwhile."""
    for file in list(_OPEN_FILES.iterdir()):
        with suppress(OSError), _duplicate(int(file.name)) as connection:
            if _is_connection(connection, port):
                yield connection


@contextmanager
def _duplicate(descriptor: int) -> Iterator[socket.socket]:
    """The same connection by a descriptor of ours: theirs may be closed and reused any time.

    Never of a file: to close any descriptor of a file is to drop the locks that the process has
    on it (fcntl(2)), and SQLite writes by such locks. OSError where it is no socket.
    """
    if not S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError(ENOTSOCK, os.strerror(ENOTSOCK))
    # Should a file have taken its place since, the copy is rejected, and left open.
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        yield connection


def _is_connection(connection: socket.socket, port: int) -> bool:
    internet = connection.family in (socket.AF_INET, socket.AF_INET6)
    return (
        internet
        and connection.type == socket.SOCK_STREAM
        and not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        and connection.getsockname()[1] == port
    )
