"""Connections for reading, and transactions.

Every connection is in the driver's autocommit mode. Transactions begin and end here and nowhere
else, so that it is known when COMMIT was sent, reading costs no transaction (and waits for no
writer on SQLite), and a pooler in transaction mode may stand before PostgreSQL.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import PoolProxiedConnection

from adapters.sql.connection import Pooled
from adapters.sql.dialects import mariadb, postgresql, sqlite
from adapters.sql.failures import translated, translated_at_commit
from application.deadlines import remaining, within
from application.ports import Unavailable


class Manners(Protocol):
    """What a database wants around a transaction."""

    def begin(self, connection: PoolProxiedConnection) -> None:
        """Open it, at the latest with the next statement."""

    def turn(self) -> AbstractContextManager[None]:
        """Held while the transaction is open."""


SECONDS_WITHOUT_DEADLINE = 30.0

_MANNERS: Mapping[str, Callable[[], Manners]] = {
    "sqlite": sqlite.Manners,
    "postgresql": postgresql.Manners,
    "mariadb": mariadb.Manners,
}


def bounded() -> AbstractContextManager[None]:
    """What is done inside has an end, also where nobody has set a deadline."""
    return within(SECONDS_WITHOUT_DEADLINE) if remaining() is None else _BOUNDED


_BOUNDED: Final = nullcontext()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection on which each statement stands alone. Raises Unavailable."""
    with bounded(), translated(), engine.connect() as connection:
        yield connection


@contextmanager
def asking(engine: Engine) -> Iterator[Pooled]:
    """A connection on which each statement stands alone, till another is told. Unavailable."""
    with bounded(), translated():
        pooled = Pooled(engine)
        try:
            yield pooled
        finally:
            pooled.close()


class Transactions:
    """The transactions of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._manners = _MANNERS[engine.dialect.name]()

    @contextmanager
    def open(self) -> Iterator[Pooled]:
        """A connection in a transaction, which is committed on a clean exit.

        Raises Unavailable, Overtaken, OutcomeUnknown.
        """
        with bounded(), self._manners.turn(), asking(self._engine) as connection:
            try:
                self._manners.begin(connection.connection)
                yield connection
                if remaining() == 0:
                    raise Unavailable
            except BaseException:
                _roll_back(connection)
                raise
            _commit(connection)

    @contextmanager
    def alone(self) -> Iterator[Pooled]:
        """A connection outside a transaction; on SQLite, while this process has none open.

        Raises Unavailable.
        """
        with bounded(), self._manners.turn(), asking(self._engine) as connection:
            yield connection


def send(connection: Pooled, statement: str) -> str | None:
    """Straight to the driver: SQLAlchemy is not to add to it. What the database said it did."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        return getattr(cursor, "statusmessage", None)
    finally:
        cursor.close()


def _commit(connection: Pooled) -> None:
    with translated_at_commit():
        try:
            done = send(connection, "COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
    if done == "ROLLBACK":
        raise RuntimeError("a unit of work went on after the database had refused a statement")


def _roll_back(connection: Pooled) -> None:
    """Undo it; a connection on which that fails is not used again, and its end undoes it."""
    if connection.broke:
        return
    try:
        send(connection, "ROLLBACK")
    except Exception:  # noqa: BLE001 (whatever it is, the failure that led here is the one to tell)
        connection.invalidate()
