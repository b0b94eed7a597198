"""What SQLite needs: a file, a write-ahead log, and patience that ends."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import URL, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

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


class Manners:
    """How a transaction is opened."""

    begin = "BEGIN IMMEDIATE"

    def __init__(self) -> None:
        self._turn = Lock()

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
