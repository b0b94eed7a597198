"""What SQLite needs: a file, a write-ahead log, and patience that ends."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

from sqlalchemy import URL, Column, Dialect, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from adapters.sql.pooled import Pooled
from application.deadlines import remaining
from application.ports import Unavailable

_STEPS_BETWEEN_LOOKS = 10_000
_SECONDS_WITHOUT_DEADLINE = 30.0


def refuse_without_file(url: URL) -> None:
    """ValueError where the database would end with its connection."""
    database = url.database or ""
    if not database or ":memory:" in database or url.query.get("mode") == "memory":
        raise ValueError("SQLite needs a file, as in sqlite:///roster.db; in memory: memory://")


def prepare(engine: Engine) -> None:
    """Set each connection up when it is opened, and whenever it is taken from the pool."""
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "checkout", _wait_for_locks)


def _set_up(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    _wait_for_locks(connection)
    # With synchronous=NORMAL the last answered commits would be lost with the power.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.set_progress_handler(_is_late, _STEPS_BETWEEN_LOOKS)


def _is_late() -> bool:
    """Ends a statement that runs beyond the deadline."""
    return remaining() == 0


def _wait_for_locks(connection: sqlite3.Connection, *_: object) -> None:
    """Have it wait for other processes as long as the deadline lets it."""
    left = remaining()
    milliseconds = int(1000 * (_SECONDS_WITHOUT_DEADLINE if left is None else left))
    connection.execute(f"PRAGMA busy_timeout={milliseconds}").close()


def insert_many(
    connection: Pooled, columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]
) -> None:
    """Add rows to columns of one table by one statement, which the driver runs for each.

    Raises what the driver raises.
    """
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in columns)
    values = ", ".join("?" * len(columns))
    converted = map(partial(_converted, connection.dialect), columns, zip(*rows, strict=True))
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(
            f"INSERT INTO {quote(columns[0].table.name)} ({names}) VALUES ({values})",
            list(zip(*converted, strict=True)),
        )
    finally:
        cursor.close()


def last_id(connection: Pooled) -> int:
    """The id that was given last on this connection."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute("SELECT last_insert_rowid()")
        return int(cursor.fetchone()[0])  # type: ignore[index]
    finally:
        cursor.close()


def _converted(dialect: Dialect, column: Column[Any], values: Sequence[Any]) -> Sequence[Any]:
    """The values of a column as the driver takes them. Those of a kind repeat, but for text."""
    convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    if convert is None:
        return values
    converted = {value: convert(value) for value in set(values)}
    return [converted[value] for value in values]


class Manners:
    """How a transaction is opened."""

    def __init__(self) -> None:
        self._turn = Lock()

    def begin(self, connection: PoolProxiedConnection) -> None:
        """As a writer from the start: one who reads first could no longer become one."""
        connection.cursor().execute("BEGIN IMMEDIATE")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Writers of one process line up here: SQLite's own queue is not fair.

        Unavailable if the turn does not come within the deadline.
        """
        left = remaining()
        if not self._turn.acquire(timeout=-1 if left is None else left):
            raise Unavailable
        try:
            yield
        finally:
            self._turn.release()
