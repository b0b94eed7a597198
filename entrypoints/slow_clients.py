"""Ends connections of clients that are too slow.

A thread that reads a body cannot be interrupted. A client that stops sending, or sends a byte
occasionally, would block it forever. Linux reports for each connection when it last received and
last sent data. A connection that keeps the server waiting too long is closed for receiving: the
read ends, and the client can still receive a response. A client that does not read its response
holds a connection and the response; its connection is closed. On other systems, no connections
are ended.

Two things make this difficult. Linux reports the same for a client whose request is being
processed as for a client that has stopped sending. The server does not report to which connection
a request belongs. Therefore connections are ended only while a body is overdue, and at most as
many as there are overdue bodies. A connection is not ended if its wait began together with a
request that has arrived.
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
"""Reads struct tcp_info (linux/tcp.h):

- milliseconds since data was sent, and since data was received
- bytes that the client has acknowledged, and bytes that wait to be sent
- segments with data that were received, and that were sent"""
_OPEN_FILES: Final = Path("/proc/self/fd")
_MAX_CHECK_INTERVAL: Final = 1.0
"""The maximum number of seconds between two checks of the connections."""
_MIN_BYTES_PER_SECOND: Final = 1024
"""The bytes of a response that a client must accept each second."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """A wait for a client. It began between two checks; `sent` segments had been sent by then."""

    sent: int
    after: float
    before: float


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A period in which data always waited to be sent.

    `acknowledged` is the number of bytes that the client had accepted at its start.
    """

    since: float
    acknowledged: int


class SlowClients:
    """Ends slow connections among those that were accepted on a port.

    - A client that sent last may keep the server waiting for `seconds`. This must be longer than a
      request may take to arrive and to be processed.
    - A connection may be silent for `idle_seconds`.
    - A client must accept _MIN_BYTES_PER_SECOND bytes of a response each second, on average over
      `idle_seconds`.

    No connection is ended whose request has arrived and is being processed according to `progress`.
    """

    def __init__(
        self, port: int, *, seconds: float, idle_seconds: float, progress: Progress = PROGRESS
    ) -> None:
        self._port = port
        self._seconds = seconds
        self._idle_seconds = max(idle_seconds, seconds)
        self._check_interval = min(_MAX_CHECK_INTERVAL, seconds / 4)
        self._progress = progress
        self._last_check = monotonic()
        self._waits: dict[int, _Wait] = {}
        self._deliveries: dict[int, _Delivery] = {}

    def watch(self) -> None:
        """Checks the connections regularly, in a daemon thread."""
        if _OPEN_FILES.exists():
            Thread(target=self._watch, name="slow-clients", daemon=True).start()

    def _watch(self) -> None:
        while True:
            sleep(self._check_interval)
            with suppress(OSError):  # no file descriptor is free
                self.end_overdue(monotonic())

    def end_overdue(self, now: float) -> None:
        """Ends the connections that keep the server waiting too long; `now` is monotonic.

        The first check of a connection only records that it waits.
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
                    wait = _Wait(traffic.sent, self._last_check, now)
                self._waits[inode] = wait
                if self._is_overdue(wait, now):
                    overdue.append((wait.before, inode))
        self._last_check = now
        if overdue:
            self._end({inode for _, inode in sorted(overdue)[: self._overdue_bodies(now)]})

    def _is_read(
        self, inode: int, traffic: "_Traffic", known: dict[int, _Delivery], now: float
    ) -> bool:
        """Returns True if the client accepts the waiting data fast enough."""
        delivery = known.get(inode)
        if delivery is None:
            delivery = _Delivery(now, traffic.acknowledged)
        elif (seconds := now - delivery.since) >= self._idle_seconds:
            if traffic.acknowledged - delivery.acknowledged < _MIN_BYTES_PER_SECOND * seconds:
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
        latest = now - self._seconds + 2 * self._check_interval
        return sum(since <= latest for since in self._progress.read_since())

    def _end(self, inodes: set[int]) -> None:
        for connection in accepted(self._port):
            with suppress(OSError):
                if os.fstat(connection.fileno()).st_ino in inodes:
                    connection.shutdown(socket.SHUT_RD)

    def _is_processed(self, after: float, before: float) -> bool:
        """Returns True if a request has arrived that began within that time, or close to it.

        If many requests share the processor, a request may begin some time after it arrives.
        """
        lag = max(_MAX_CHECK_INTERVAL, self._seconds / 4)
        return any(
            after - lag <= began <= before + lag for began in self._progress.processed_since()
        )


class _Traffic(NamedTuple):
    """The state of a connection.

    `sent_ago` and `received_ago` are milliseconds since data was last sent and received, or since
    the connection began. `acknowledged` is the number of bytes that the client has received, and
    `not_sent` the number of bytes that wait. `received` and `sent` are numbers of segments.
    """

    sent_ago: int
    received_ago: int
    acknowledged: int
    not_sent: int
    received: int
    sent: int

    @property
    def waits_for_client(self) -> bool:
        """Returns True if the client sent last: its request is incomplete, or has no response."""
        return self.received > 0 and (self.sent == 0 or self.received_ago < self.sent_ago)

    @property
    def silent_seconds(self) -> float:
        return min(self.sent_ago, self.received_ago) / 1000


def _traffic(connection: socket.socket) -> _Traffic:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    return _Traffic(*_INFO.unpack(info))


def accepted(port: int) -> Iterator[socket.socket]:
    """The connections of this process to the port. Each is open only during its iteration."""
    for file in list(_OPEN_FILES.iterdir()):
        with suppress(OSError), _duplicate(int(file.name)) as connection:
            if _is_connection(connection, port):
                yield connection


@contextmanager
def _duplicate(descriptor: int) -> Iterator[socket.socket]:
    """Duplicates a descriptor, because the original may be closed and reused at any time.

    Raises OSError if it is not a socket. A file must not be duplicated, because SQLite locks files.
    Closing any descriptor of a file releases the locks of the process on it (fcntl(2)).
    """
    if not S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError(ENOTSOCK, os.strerror(ENOTSOCK))
    # If the descriptor now refers to a file, socket() fails, and the copy remains open.
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
