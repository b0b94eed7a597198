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

from adapters.sql.connection import RawConnection
from adapters.sql.dialects import mariadb, postgresql, sqlite
from adapters.sql.failures import translate_commit_errors, translate_errors
from application.deadlines import deadline, time_left
from application.ports import Unavailable


class TransactionPolicy(Protocol):
    """What a database wants around a transaction."""

    def begin(self, connection: PoolProxiedConnection) -> None:
        """Open it, at the latest with the next statement."""

    def write_lock(self) -> AbstractContextManager[None]:
        """Held while the transaction is open."""


SECONDS_WITHOUT_DEADLINE = 30.0

_MANNERS: Mapping[str, Callable[[], TransactionPolicy]] = {
    "sqlite": sqlite.TransactionPolicy,
    "postgresql": postgresql.TransactionPolicy,
    "mariadb": mariadb.TransactionPolicy,
}


def with_default_deadline() -> AbstractContextManager[None]:
    """What is done inside has an end, also where nobody has set a deadline."""
    return deadline(SECONDS_WITHOUT_DEADLINE) if time_left() is None else _BOUNDED


_BOUNDED: Final = nullcontext()


@contextmanager
def core_connection(engine: Engine) -> Iterator[Connection]:
    """A connection on which each statement stands alone. Raises Unavailable."""
    with with_default_deadline(), translate_errors(), engine.connect() as connection:
        yield connection


@contextmanager
def read_connection(engine: Engine) -> Iterator[RawConnection]:
    """A connection on which each statement stands alone, till another is told. Unavailable."""
    with with_default_deadline(), translate_errors():
        pooled = RawConnection(engine)
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
    def open(self) -> Iterator[RawConnection]:
        """A connection in a transaction, which is committed on a clean exit.

        Raises Unavailable, ConcurrentUpdate, OutcomeUnknown.
        """
        with (
            with_default_deadline(),
            self._manners.write_lock(),
            read_connection(self._engine) as connection,
        ):
            try:
                self._manners.begin(connection.connection)
                yield connection
                if time_left() == 0:
                    raise Unavailable
            except BaseException:
                _roll_back(connection)
                raise
            _commit(connection)

    @contextmanager
    def alone(self) -> Iterator[RawConnection]:
        """A connection outside a transaction; on SQLite, while this process has none open.

        Raises Unavailable.
        """
        with (
            with_default_deadline(),
            self._manners.write_lock(),
            read_connection(self._engine) as connection,
        ):
            yield connection


def execute_raw(connection: RawConnection, statement: str) -> str | None:
    """Straight to the driver: SQLAlchemy is not to add to it. What the database said it did."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        return getattr(cursor, "statusmessage", None)
    finally:
        cursor.close()


def _commit(connection: RawConnection) -> None:
    with translate_commit_errors():
        try:
            done = execute_raw(connection, "COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
    if done == "ROLLBACK":
        raise RuntimeError("a unit of work went on after the database had refused a statement")


def _roll_back(connection: RawConnection) -> None:
    """Undo it; a connection on which that fails is not used again, and its end undoes it."""
    if connection.is_invalid:
        return
    try:
        execute_raw(connection, "ROLLBACK")
    except Exception:  # noqa: BLE001 (whatever it is, the failure that led here is the one to tell)
        connection.invalidate()
