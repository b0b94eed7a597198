"""What SQLite needs: a file, a write-ahead log, and patience that ends."""

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

from adapters.sql import private_files
from adapters.sql.columns import Json
from adapters.sql.connection import RawConnection
from adapters.sql.database_urls import BadUrl
from adapters.sql.failures import UnsupportedEncoding, UnsupportedServer
from application.deadlines import time_left
from application.ports import Unavailable

MIN_VERSION = (3, 40)
_MAX_ID = 2**63 - 1
_STEPS_BETWEEN_LOOKS = 10_000
_SECONDS_WITHOUT_DEADLINE = 30.0


def refuse_without_file(url: URL) -> None:
    """Raises BadUrl if the database would end with its connection."""
    database = url.database or ""
    if not database or ":memory:" in database or url.query.get("mode") == "memory":
        raise BadUrl("SQLite needs a file, as in sqlite:///roster.db; in memory: memory://")


def prepare(engine: Engine) -> None:
    """Set each connection up when it is opened, and whenever it is taken from the pool."""
    event.listen(engine, "do_connect", partial(private_files.create, engine.url))
    event.listen(engine, "do_connect", partial(_connect, engine.url.database or ""))
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "connect", partial(_note_file, private_files.file_of(engine.url)))
    event.listen(engine, "checkout", partial(_still_the_file, private_files.file_of(engine.url)))
    event.listen(engine, "checkout", _wait_for_locks)


def _connect(
    database: str, dialect: Dialect, _: ConnectionPoolEntry, arguments: Any, options: Any
) -> Any:
    """Open the file. The driver's error does not say which it is, nor why it can't be opened."""
    try:
        return dialect.connect(*arguments, **options)
    except sqlite3.OperationalError as error:
        file = Path(database.removeprefix("file:"))
        explained = sqlite3.OperationalError(f"{error}: {file}: {_obstacle(file)}")
        explained.sqlite_errorcode = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CANTOPEN)
        raise explained from error


def _obstacle(file: Path) -> str:
    folder = file.absolute().parent
    if not folder.exists():
        return f"there is no folder {folder}. Create it"
    if not folder.is_dir():
        return f"{folder} is not a folder"
    if file.is_dir():
        return "it is a folder"
    if not file.exists() and not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {folder} can't be written by this user"
    return "it can't be read and written by this user"


def _refuse_unsupported(connection: sqlite3.Connection) -> None:
    """Raises UnsupportedServer, UnsupportedEncoding.

    Text in UTF-16 would be ordered by its bytes, which is no order of code points.
    """
    if sqlite3.sqlite_version_info < MIN_VERSION:
        raise UnsupportedServer(f"It is SQLite {sqlite3.sqlite_version}. Use 3.40 or newer.")
    with closing(connection.execute("PRAGMA encoding")) as found:
        (encoding,) = found.fetchone()
    if encoding != "UTF-8":
        raise UnsupportedEncoding(f"It is {encoding}. Use a new file.")


def _set_up(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    _wait_for_locks(connection)
    _refuse_unsupported(connection)
    # With synchronous=NORMAL the last answered commits would be lost with the power.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.set_progress_handler(_is_late, _STEPS_BETWEEN_LOOKS)


def _identity(file: Path) -> tuple[int, ...] | None:
    """Which file it is and who may use it; None if there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116 (twice as fast, and each request does it)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mode, status.st_uid


def _note_file(file: Path, _: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    record.info["file"] = _identity(file)


def _still_the_file(
    file: Path, _: sqlite3.Connection, record: ConnectionPoolEntry, __: object
) -> None:
    """Reopen the connection if the file was deleted or replaced, or if its permissions changed.

    SQLite goes on with a file that was deleted, so that what it commits is lost. A connection that
    could only read at first would never write.
    """
    if record.info["file"] != _identity(file):
        raise DisconnectionError


def _is_late() -> bool:
    """Ends a statement that runs beyond the deadline."""
    return time_left() == 0


def _wait_for_locks(connection: sqlite3.Connection, *_: object) -> None:
    """Have it wait for other processes as long as the deadline lets it."""
    left = time_left()
    milliseconds = int(1000 * (_SECONDS_WITHOUT_DEADLINE if left is None else left))
    connection.execute(f"PRAGMA busy_timeout={milliseconds}").close()


def insert_many(
    connection: RawConnection,
    columns: Sequence[Column[Any]],
    rows: Sequence[Sequence[Any]],
    *,
    skip_taken: bool = False,
) -> int:
    """Add rows to columns of one table by one statement, which the driver runs for each.

    Returns the number of rows that were added. With `skip_taken`, a row with a value that another
    row has in a unique column is skipped. Raises what the driver raises.
    """
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in columns)
    values = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {quote(columns[0].table.name)} ({names}) VALUES ({values})"
    if skip_taken:
        statement += " ON CONFLICT DO NOTHING"
    converted = map(partial(_converted, connection.dialect), columns, zip(*rows, strict=True))
    with closing(connection.connection.cursor()) as cursor:
        cursor.executemany(statement, list(zip(*converted, strict=True)))
        return int(cursor.rowcount)


def next_ids(connection: RawConnection, of: Column[Any], count: int) -> range:
    """The next ids of a table, each of which is used once: for a transaction that writes.

    Raises Unavailable if there are not so many.
    """
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (of.table.name,))
        last = cursor.fetchone()
    first = last[0] + 1 if last else 1
    if first + count - 1 > _MAX_ID:
        failure = Unavailable()
        failure.reason = f"The ids of the table {of.table.name} are exhausted."
        raise failure
    return range(first, first + count)


def _converted(dialect: Dialect, column: Column[Any], values: Sequence[Any]) -> Sequence[Any]:
    """The values of a column as the driver takes them. Those of a kind repeat, but for text."""
    convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    if convert is None:
        return values
    if isinstance(column.type, Json):
        return list(map(convert, values))
    converted = {value: convert(value) for value in set(values)}
    return [converted[value] for value in values]


class TransactionPolicy:
    """How a transaction is opened."""

    def __init__(self) -> None:
        self._turn = Lock()

    def begin(self, connection: PoolProxiedConnection) -> None:
        """As a writer from the start: one who reads first could no longer become one."""
        connection.cursor().execute("BEGIN IMMEDIATE")

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """Writers of one process line up here: SQLite's own queue is not fair.

        Unavailable if the turn does not come within the deadline.
        """
        left = time_left()
        if not self._turn.acquire(timeout=-1 if left is None else left):
            raise Unavailable
        try:
            yield
        finally:
            self._turn.release()
