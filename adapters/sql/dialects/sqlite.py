"""Connections to an SQLite file, with a write-ahead log and deadlines."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Column, Dialect, Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from adapters.sql import sqlite_file
from adapters.sql.columns import Json
from adapters.sql.connection import RawConnection
from adapters.sql.database_urls import BadUrl
from adapters.sql.dialects import SECONDS_WITHOUT_DEADLINE
from adapters.sql.failures import UnsupportedEncoding, UnsupportedServer
from adapters.sql.id_lists import MAX_ID
from application.deadlines import acquire, time_left
from application.ports import Unavailable

MIN_VERSION = (3, 40)
_INSTRUCTIONS_BETWEEN_CHECKS = 10_000
"""The number of instructions of SQLite's virtual machine between two checks of the deadline."""


def require_file(url: URL) -> None:
    """Raises BadUrl if the database would be in memory, and so be lost with its connection."""
    database = url.database or ""
    if not database or ":memory:" in database or url.query.get("mode") == "memory":
        raise BadUrl(
            "SQLite needs a file, as in sqlite:///roster.db. Use memory:// without a file."
        )


def prepare(engine: Engine) -> None:
    """Sets up each connection when it is opened, and each time it is checked out of the pool."""
    file = sqlite_file.file_of(engine.url)
    event.listen(engine, "do_connect", partial(sqlite_file.create, engine.url))
    event.listen(engine, "do_connect", partial(_connect, file))
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "connect", partial(_record_file, file))
    event.listen(engine, "checkout", partial(_check_file, file))
    event.listen(engine, "checkout", _set_busy_timeout)


def _connect(
    file: Path, dialect: Dialect, _: ConnectionPoolEntry, arguments: Any, options: Any
) -> Any:
    """Opens the file, and adds its path and the cause to the driver's error."""
    try:
        return dialect.connect(*arguments, **options)
    except sqlite3.OperationalError as error:
        detailed = sqlite3.OperationalError(f"{error}: {file}: {_cause(file)}")
        detailed.sqlite_errorcode = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CANTOPEN)
        raise detailed from error


def _cause(file: Path) -> str:
    """Why the file cannot be opened."""
    try:
        folder = file.absolute().parent
        if not folder.exists():
            return f"the folder {folder} does not exist. Create it"
        if not folder.is_dir():
            return f"{folder} is not a folder"
        if file.is_dir():
            return "it is a folder"
        if not file.exists() and not os.access(folder, os.W_OK | os.X_OK):
            return f"this user has no permission to write to the folder {folder}"
    except OSError as error:  # such as a name that is too long, or a folder that cannot be entered
        return os.strerror(error.errno or 0)
    return "this user has no permission to read and write it"


def _check_support(connection: sqlite3.Connection) -> None:
    """Raises UnsupportedServer or UnsupportedEncoding.

    SQLite compares text by its bytes. In UTF-16, that is not the order of code points.
    """
    if sqlite3.sqlite_version_info < MIN_VERSION:
        required = ".".join(map(str, MIN_VERSION))
        raise UnsupportedServer(
            f"The version of SQLite is {sqlite3.sqlite_version}. Use {required} or newer."
        )
    with closing(connection.execute("PRAGMA encoding")) as cursor:
        (encoding,) = cursor.fetchone()
    if encoding != "UTF-8":
        raise UnsupportedEncoding(f"The encoding is {encoding}. Use a new file.")


def _set_up(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    _set_busy_timeout(connection)
    _check_support(connection)
    # With synchronous=NORMAL, a power failure could undo commits that clients know of.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.set_progress_handler(_deadline_has_passed, _INSTRUCTIONS_BETWEEN_CHECKS)


def _identity(file: Path) -> tuple[int, ...] | None:
    """The device, inode, permissions and owner of a file, or None if it does not exist."""
    try:
        status = os.stat(file)  # noqa: PTH116 (twice as fast, and called for each request)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mode, status.st_uid


def _record_file(file: Path, _: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    record.info["file"] = _identity(file)


def _check_file(file: Path, _: sqlite3.Connection, record: ConnectionPoolEntry, __: object) -> None:
    """Reopens the connection if the file was deleted or replaced, or if its permissions changed.

    SQLite continues to use a deleted file, and its commits are lost. A connection that was opened
    without permission to write would remain read-only.
    """
    if record.info["file"] != _identity(file):
        raise DisconnectionError


def _deadline_has_passed() -> bool:
    """SQLite's progress handler. SQLite interrupts the statement if it returns True."""
    return time_left() == 0


def _set_busy_timeout(connection: sqlite3.Connection, *_: object) -> None:
    """Makes the connection wait for locks of other processes until the deadline."""
    left = time_left()
    milliseconds = int(1000 * (SECONDS_WITHOUT_DEADLINE if left is None else left))
    connection.execute(f"PRAGMA busy_timeout={milliseconds}").close()


def run(connection: RawConnection, statement: str) -> list[tuple[Any, ...]]:
    """Runs a statement with the driver. Returns the rows. Raises the error of the driver."""
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def number(connection: RawConnection, statement: str) -> int:
    """Runs a statement. Returns the first value of its result, or 0 if there is no row."""
    rows = run(connection, statement)
    return int(rows[0][0]) if rows else 0


def size(connection: RawConnection) -> int:
    """Returns the size of the file in bytes."""
    return number(connection, "PRAGMA page_count") * number(connection, "PRAGMA page_size")


def insert_many(
    connection: RawConnection,
    columns: Sequence[Column[Any]],
    rows: Sequence[Sequence[Any]],
    *,
    skip_existing: bool = False,
) -> int:
    """Inserts rows into columns of one table with the driver's executemany.

    Returns the number of inserted rows. With `skip_existing`, it skips a row if its value in a
    unique column exists already. Raises the driver's error.
    """
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in columns)
    values = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {quote(columns[0].table.name)} ({names}) VALUES ({values})"
    if skip_existing:
        statement += " ON CONFLICT DO NOTHING"
    converted = map(partial(_convert, connection.dialect), columns, zip(*rows, strict=True))
    with closing(connection.connection.cursor()) as cursor:
        cursor.executemany(statement, list(zip(*converted, strict=True)))
        return int(cursor.rowcount)


def next_ids(connection: RawConnection, id_column: Column[Any], count: int) -> range:
    """The next unused ids of a table. Valid in a transaction that writes.

    Raises Unavailable if there are fewer than `count`.
    """
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (id_column.table.name,))
        last = cursor.fetchone()
    first = last[0] + 1 if last else 1
    if first + count - 1 > MAX_ID:
        failure = Unavailable()
        failure.reason = f"The ids of the table {id_column.table.name} are exhausted."
        raise failure
    return range(first, first + count)


def _convert(dialect: Dialect, column: Column[Any], values: Sequence[Any]) -> Sequence[Any]:
    """Converts the values of a column for the driver. Converts each different value once."""
    convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    if convert is None:
        return values
    if isinstance(column.type, Json):  # has values that are not hashable
        return list(map(convert, values))
    converted = {value: convert(value) for value in set(values)}
    return [converted[value] for value in values]


class TransactionPolicy:
    """How a transaction begins. See adapters.sql.transactions.TransactionPolicy."""

    def __init__(self) -> None:
        self._lock = Lock()

    def begin(self, connection: PoolProxiedConnection) -> None:
        """Begins as a writer, because SQLite may refuse to let a reader become a writer later."""
        connection.cursor().execute("BEGIN IMMEDIATE")

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """A lock for the writers of this process, because waiting in SQLite is not fair.

        Raises Unavailable if the lock is not free before the deadline.
        """
        if not acquire(self._lock):
            raise Unavailable
        try:
            yield
        finally:
            self._lock.release()
