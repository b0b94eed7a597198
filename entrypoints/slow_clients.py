"""Ends the wait for clients that don't finish sending.

A thread that reads a body cannot be interrupted, and a client that sends a byte now and then, or
nothing more, would hold it forever. Linux reports for each connection when it last received and
last sent data. A connection that keeps the server waiting too long is closed for receiving: the
read ends, and the client can still receive a response. A client that does not read its response
holds a connection and the response; its connection is closed. Elsewhere than on Linux nothing is
ended.

To the system, a client whose request has arrived and is being processed looks like a client that
has stopped sending, and the server does not say which connection a request came by. So
connections are ended only while a body is overdue, no more of them than bodies, and none that
began to wait when a request began that has arrived.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import ENOTSOCK
from pathlib import Path
from stat import S_ISSOCK
from struct import Struct
from threading import Thread
from time import monotonic, sleep
from typing import Final, NamedTuple

from adapters.web.progress import PROGRESS, Progress

_INFO: Final = Struct("=44x I 4x I 64x Q 16x I 4x I I")
"""In struct tcp_info (linux/tcp.h): milliseconds since data was sent and since it was received, the
bytes that the client has acknowledged and those that wait to be sent, and the numbers of segments
with data that were received and sent."""
_OPEN_FILES: Final = Path("/proc/self/fd")
_LONGEST_LOOK: Final = 1.0
"""Seconds between two looks at the connections, at most."""
_SLOWEST_READER: Final = 1024
"""The bytes of a response that a client must accept each second."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """A wait for a client: it began between two looks. Meanwhile `sent` segments had been sent."""

    sent: int
    after: float
    before: float


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A time in which there was always more to be sent: its start, and the bytes accepted then."""

    since: float
    acknowledged: int


class SlowClients:
    """Watches the connections that were accepted on a port.

    A client whose word was the last may keep us waiting `seconds`: more than it may take to send
    a request and than it may take us to answer. A connection may be silent `idle_seconds`. No
    connection is ended whose request, by `progress`, has arrived and is being processed. One whose
    client accepts less than _SLOWEST_READER of a response for `idle_seconds` is closed.
    """

    def __init__(
        self, port: int, *, seconds: float, idle_seconds: float, progress: Progress = PROGRESS
    ) -> None:
        self._port = port
        self._seconds = seconds
        self._idle_seconds = max(idle_seconds, seconds)
        self._between_looks = min(_LONGEST_LOOK, seconds / 4)
        self._progress = progress
        self._looked = monotonic()
        self._waits: dict[int, _Wait] = {}
        self._deliveries: dict[int, _Delivery] = {}

    def watch(self) -> None:
        """Look at them again and again, in a thread of its own, as long as the process lives."""
        if _OPEN_FILES.exists():
            Thread(target=self._watch, name="slow-clients", daemon=True).start()

    def _watch(self) -> None:
        while True:
            sleep(self._between_looks)
            with suppress(OSError):  # no descriptor is free now
                self.end_overdue(monotonic())

    def end_overdue(self, now: float) -> None:
        """End the connections that have kept us waiting too long, as the monotonic clock says now.

        The first look at a connection only records that it waits.
        """
        known, self._waits = self._waits, {}
        deliveries, self._deliveries = self._deliveries, {}
        overdue: list[tuple[float, int]] = []
        for connection in accepted(self._port):
            with suppress(OSError):
                traffic = _traffic(connection)
                inode = os.fstat(connection.fileno()).st_ino
                if traffic.not_sent and not self._is_read(inode, traffic, deliveries, now):
                    connection.shutdown(socket.SHUT_RDWR)
                    continue
                if not traffic.waits_for_client:
                    if self._is_idle(now - traffic.silent_seconds, now):
                        connection.shutdown(socket.SHUT_RD)
                    continue
                wait = known.get(inode)
                if wait is None or wait.sent != traffic.sent:
                    wait = _Wait(traffic.sent, self._looked, now)
                self._waits[inode] = wait
                if self._is_overdue(wait, now):
                    overdue.append((wait.before, inode))
        self._looked = now
        if overdue:
            self._end({inode for _, inode in sorted(overdue)[: self._overdue_bodies(now)]})

    def _is_read(
        self, inode: int, traffic: "_Traffic", known: dict[int, _Delivery], now: float
    ) -> bool:
        """Whether the client of a connection on which data waits to be sent accepts it in time."""
        delivery = known.get(inode)
        if delivery is None:
            delivery = _Delivery(now, traffic.acknowledged)
        elif (seconds := now - delivery.since) >= self._idle_seconds:
            if traffic.acknowledged - delivery.acknowledged < _SLOWEST_READER * seconds:
                return False
            delivery = _Delivery(now, traffic.acknowledged)
        self._deliveries[inode] = delivery
        return True

    def _is_idle(self, since: float, now: float) -> bool:
        return now - since >= self._idle_seconds and not self._is_processed(since, since)

    def _is_overdue(self, wait: _Wait, now: float) -> bool:
        waited = now - wait.before
        return waited >= self._seconds and not self._is_processed(wait.after, wait.before)

    def _overdue_bodies(self, now: float) -> int:
        latest = now - self._seconds + 2 * self._between_looks
        return sum(since <= latest for since in self._progress.read_since())

    def _end(self, inodes: set[int]) -> None:
        for connection in accepted(self._port):
            with suppress(OSError):
                if os.fstat(connection.fileno()).st_ino in inodes:
                    connection.shutdown(socket.SHUT_RD)

    def _is_processed(self, after: float, before: float) -> bool:
        """Whether a request that began in that time, or shortly before or after, has arrived.

        A request may begin later than it arrives: when many of them share the processor.
        """
        lag = max(_LONGEST_LOOK, self._seconds / 4)
        return any(
            after - lag <= began <= before + lag for began in self._progress.processed_since()
        )


class _Traffic(NamedTuple):
    """Milliseconds since data was last sent and received, and how many segments of it there were.

    Until any data is sent or received, the milliseconds are those since the connection began.
    `acknowledged` are the bytes that the client has received, `not_sent` those that wait for it.
    """

    sent_ago: int
    received_ago: int
    acknowledged: int
    not_sent: int
    received: int
    sent: int

    @property
    def waits_for_client(self) -> bool:
        """Whether the client spoke last: it has not sent all of a request, or has no answer."""
        return self.received > 0 and (self.sent == 0 or self.received_ago < self.sent_ago)

    @property
    def silent_seconds(self) -> float:
        return min(self.sent_ago, self.received_ago) / 1000


def _traffic(connection: socket.socket) -> _Traffic:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    return _Traffic(*_INFO.unpack(info))


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
