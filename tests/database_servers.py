"""Database servers that the tests started, and what tests do with them."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import psutil
import psycopg2
import pymysql

_numbers = count(1)


@dataclass(frozen=True)
class PostgresServer:
    """A server for the tests, on a unix socket. The superuser is postgres, without a password."""

    directory: Path
    socket: Path

    @property
    def address(self) -> Path:
        """The socket. The driver needs its directory instead."""
        return self.socket / ".s.PGSQL.5432"

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """The URL of a database, through a proxy if its port is given."""
        if port:
            return f"postgresql://postgres@127.0.0.1:{port}/{database}?sslmode=disable"
        return f"postgresql://postgres@/{database}?host={self.socket}"

    def new_database(self, template: str = "template1") -> str:
        """Creates a copy of the template, which is empty by default, and returns its URL."""
        name = f"roster_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def execute(self, statement: str) -> None:
        with closing(psycopg2.connect(self.url())) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)

    @property
    def _postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.directory / "postmaster.pid").read_text().split()[0]))

    def kill(self) -> None:
        """Ends the server at once, and waits until its processes have ended."""
        postmaster = self._postmaster
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(20)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """In the block, the server accepts and keeps connections, but sends nothing."""
        postmaster = self._postmaster
        processes = [postmaster]
        postmaster.send_signal(signal.SIGSTOP)  # first, so that it starts no more children
        try:
            for child in postmaster.children(recursive=True):
                processes.append(child)
                child.send_signal(signal.SIGSTOP)
            yield
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGCONT)


@dataclass(frozen=True)
class MariaServer:
    """A server for the tests, on a unix socket. Its users root and roster have no passwords."""

    address: Path
    process: psutil.Process

    def url(self, database: str, *, port: int | None = None, encrypted: bool = False) -> str:
        """The URL of a database, through a proxy if its port is given."""
        host = f"127.0.0.1:{port}" if port else "localhost"
        query = {"ssl_disabled": str(not encrypted)}
        if not port:
            query["unix_socket"] = str(self.address)
        return f"mariadb+pymysql://roster@{host}/{database}?{urlencode(query)}"

    def new_database(self) -> str:
        """Creates an empty database in the server's character set, latin1, and returns its URL."""
        name = f"roster_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """Runs a statement as root, who can write even if the server is read-only."""
        with (
            closing(pymysql.connect(unix_socket=str(self.address), user="root")) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """In the block, the server accepts and keeps connections, but sends nothing."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)  # waits until all its threads have stopped
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def is_up(self) -> bool:
        with closing(socket.socket(socket.AF_UNIX)) as probe, suppress(OSError):
            probe.connect(str(self.address))
            return True
        return False
