"""Looking at connections disturbs nothing else that the process has open."""

import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from adapters.web.slow_clients import accepted

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
        command = [sys.executable, "-c", TAKE_THE_LOCK, path]
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
