"""Connections of slow clients are closed. Finding them does not affect other open files."""

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from adapters.web.progress import Progress
from entrypoints.slow_clients import SlowClients, accepted

TAKE_THE_LOCK = """
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
"""


def test_a_database_that_is_locked_stays_locked(tmp_path: Path) -> None:
    """POSIX drops a process's locks on a file when it closes any descriptor of that file."""
    path = tmp_path / "roster.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE users (id INTEGER)")
        connection.execute("BEGIN IMMEDIATE")
        assert list(accepted(1)) == []
        command = [sys.executable, "-c", TAKE_THE_LOCK, str(path)]
        other = subprocess.run(command, capture_output=True, text=True)
        assert "database is locked" in other.stderr


def test_the_connections_to_a_port_are_found() -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as listening,
        closing(socket.create_connection(listening.getsockname())) as client,
        closing(listening.accept()[0]) as server,
    ):
        found = [each.getpeername() for each in accepted(listening.getsockname()[1])]
        assert found == [client.getsockname()]
        assert server.fileno() > 0


class Listener:
    """Connections to a port of this process, from clients that have sent half a request."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._socket = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        self.port = self._socket.getsockname()[1]

    def accept(self, sent: bytes = b"POST ") -> socket.socket:
        """The server's end of a new connection, on which all that was sent has been received."""
        client = socket.create_connection(("127.0.0.1", self.port))
        self._stack.enter_context(closing(client))
        client.sendall(sent)
        connection = self._stack.enter_context(closing(self._socket.accept()[0]))
        assert not sent or connection.recv(len(sent), socket.MSG_WAITALL) == sent
        connection.setblocking(False)
        return connection


@pytest.fixture
def listener() -> Iterator[Listener]:
    with ExitStack() as stack:
        yield Listener(stack)


def is_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


SECONDS = 28
LATER = 100
"""Seconds after which every client is overdue."""


def watcher(listener: Listener, progress: Progress) -> SlowClients:
    return SlowClients(listener.port, seconds=SECONDS, idle_seconds=30, progress=progress)


def test_a_client_that_does_not_finish_a_body_is_ended(listener: Listener) -> None:
    progress, environ = Progress(), dict[str, Any]()
    slow_clients = watcher(listener, progress)
    progress.begin(environ)
    progress.begin_reading(environ)
    connection = listener.accept()
    slow_clients.end_overdue(monotonic())
    slow_clients.end_overdue(monotonic() + SECONDS / 2)
    assert not is_ended(connection)
    slow_clients.end_overdue(monotonic() + LATER)
    assert is_ended(connection)


def test_a_request_that_has_arrived_is_never_ended(listener: Listener) -> None:
    """The body of another request is overdue."""
    progress = Progress()
    slow_clients = watcher(listener, progress)
    arrived, incomplete = dict[str, Any](), dict[str, Any]()
    progress.begin(arrived)
    progress.begin(incomplete)
    connections = [listener.accept(), listener.accept()]
    progress.begin_reading(incomplete)
    slow_clients.end_overdue(monotonic())
    slow_clients.end_overdue(monotonic() + LATER)
    assert not any(map(is_ended, connections))
    progress.end(arrived)
    slow_clients.end_overdue(monotonic() + LATER)
    assert any(map(is_ended, connections))


def test_without_an_overdue_body_no_connection_is_ended(listener: Listener) -> None:
    """A complete request may still wait for a thread."""
    progress = Progress()
    slow_clients = watcher(listener, progress)
    connection = listener.accept()
    slow_clients.end_overdue(monotonic())
    slow_clients.end_overdue(monotonic() + LATER)
    assert not is_ended(connection)


def test_no_more_connections_are_ended_than_bodies_are_overdue(listener: Listener) -> None:
    progress, environ = Progress(), dict[str, Any]()
    slow_clients = watcher(listener, progress)
    progress.begin(environ)
    progress.begin_reading(environ)
    first = listener.accept()
    slow_clients.end_overdue(monotonic())
    second = listener.accept()
    slow_clients.end_overdue(monotonic())
    slow_clients.end_overdue(monotonic() + LATER)
    assert (is_ended(first), is_ended(second)) == (True, False)


def test_a_later_request_does_not_protect_an_earlier_client(listener: Listener) -> None:
    progress, incomplete, later = Progress(), dict[str, Any](), dict[str, Any]()
    slow_clients = watcher(listener, progress)
    connection = listener.accept()
    progress.begin_reading(incomplete)
    slow_clients.end_overdue(monotonic() - LATER)
    progress.begin(later)
    slow_clients.end_overdue(monotonic() + LATER)
    assert is_ended(connection)


def sending(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """The client's and the server's end of a connection on which more is sent than is read."""
    listening = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
    client = stack.enter_context(closing(socket.socket()))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # a fixed size
    client.connect(listening.getsockname())
    server = stack.enter_context(closing(listening.accept()[0]))
    server.setblocking(False)
    client.setblocking(False)
    send_all(server)
    return client, server


def send_all(server: socket.socket) -> None:
    with suppress(BlockingIOError):
        while server.send(b"x" * 65536):
            pass


@pytest.mark.parametrize("requests_sent", [b"", b"GET / HTTP/1.1\r\n"])
def test_a_client_that_does_not_read_is_closed(requests_sent: bytes) -> None:
    """The client may send further requests, so that the connection is never idle."""
    with ExitStack() as stack:
        client, server = sending(stack)
        clients = SlowClients(server.getsockname()[1], seconds=SECONDS, idle_seconds=30)
        for seconds in (0, 20, 29):
            clients.end_overdue(monotonic() + seconds)
            client.send(requests_sent)
        send_all(server)  # the connection is full, not closed
        clients.end_overdue(monotonic() + 31)
        with pytest.raises(BrokenPipeError):
            server.send(b"x")


def test_a_client_that_reads_slowly_is_not_closed() -> None:
    with ExitStack() as stack:
        client, server = sending(stack)
        clients = SlowClients(server.getsockname()[1], seconds=SECONDS, idle_seconds=30)
        for seconds in range(0, 120, 10):
            clients.end_overdue(monotonic() + seconds)
            read = 0
            while read < 20_000:
                send_all(server)  # BrokenPipeError if it was closed
                with suppress(BlockingIOError):
                    read += len(client.recv(65536))
