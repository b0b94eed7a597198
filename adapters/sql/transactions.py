"""Read connections and transactions (docs/decisions/0003-explicit-transactions.md).

Every connection is in the driver's autocommit mode. Only this module begins and ends transactions,
for these reasons:

- Roster knows whether COMMIT was sent.
- Reads need no transaction, and on SQLite they wait for no writer.
- PostgreSQL can be used through a pooler in transaction mode.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import PoolProxiedConnection

from adapters.sql.connection import RawConnection
from adapters.sql.dialects import SECONDS_WITHOUT_DEADLINE, mariadb, postgresql, sqlite
from adapters.sql.failures import needs_new_connection, translate_commit_errors, translate_errors
from application.access import Principal
from application.deadlines import deadline, time_left
from application.ports import OutcomeUnknown, Unavailable


class TransactionPolicy(Protocol):
    """How a database begins a transaction."""

    def begin(self, connection: PoolProxiedConnection) -> None:
        """Begins a transaction, at the latest with the next statement."""

    def write_lock(self) -> AbstractContextManager[None]:
        """A lock that is held while the transaction is open."""


class CommitObserver(Protocol):
    """Observes the end of a transaction. Its methods raise no error."""

    def committed(self, connection: RawConnection) -> None:
        """The transaction was committed. The connection is still open, outside a transaction."""

    def unknown(self) -> None:
        """The response to COMMIT was lost."""


class CommitPositions(Protocol):
    """Makes observers that need the position that a commit reaches."""

    def observer(self, principal: Principal | None) -> CommitObserver | None:
        """Returns the observer of a transaction in which the principal makes changes, if any."""


_POLICIES: Mapping[str, Callable[[], TransactionPolicy]] = {
    "sqlite": sqlite.TransactionPolicy,
    "postgresql": postgresql.TransactionPolicy,
    "mariadb": mariadb.TransactionPolicy,
}


def with_default_deadline() -> AbstractContextManager[None]:
    """Sets a deadline of SECONDS_WITHOUT_DEADLINE for the block, unless there is one."""
    return deadline(SECONDS_WITHOUT_DEADLINE) if time_left() is None else _HAS_DEADLINE


_HAS_DEADLINE: Final = nullcontext()


@contextmanager
def core_connection(engine: Engine) -> Iterator[Connection]:
    """A SQLAlchemy Core connection in autocommit mode. Raises Unavailable."""
    with with_default_deadline(), translate_errors(), engine.connect() as connection:
        yield connection


@contextmanager
def read_connection(engine: Engine) -> Iterator[RawConnection]:
    """A connection in autocommit mode, for statements that need no transaction.

    Raises Unavailable.
    """
    with with_default_deadline(), translate_errors():
        connection = RawConnection(engine)
        try:
            yield connection
        except BaseException as error:
            if needs_new_connection(error) and not connection.is_invalid:
                connection.invalidate()
            raise
        finally:
            connection.close()


class Transactions:
    """Opens transactions on an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._policy = _POLICIES[engine.dialect.name]()

    @contextmanager
    def open(self, observer: CommitObserver | None = None) -> Iterator[RawConnection]:
        """A connection in a transaction. A clean exit commits it, any other exit rolls it back.

        The observer is notified, unless the transaction is rolled back.

        Raises Unavailable if the database fails or the deadline passes, and ConcurrentUpdate if
        another transaction interferes. Raises OutcomeUnknown if the connection is lost during
        COMMIT, or if Ctrl-C interrupts it.
        """
        with (
            with_default_deadline(),
            self._policy.write_lock(),
            read_connection(self._engine) as connection,
        ):
            try:
                self._policy.begin(connection.connection)
                yield connection
                if time_left() == 0:
                    raise Unavailable
            except BaseException as error:
                _roll_back(connection, error)
                raise
            try:
                _commit(connection)
            except OutcomeUnknown:
                if observer:
                    observer.unknown()
                raise
            if observer:
                observer.committed(connection)

    @contextmanager
    def outside_transaction(self) -> Iterator[RawConnection]:
        """A connection outside a transaction. On SQLite, this process has no transaction open.

        Raises Unavailable.
        """
        with (
            with_default_deadline(),
            self._policy.write_lock(),
            read_connection(self._engine) as connection,
        ):
            yield connection


def execute_raw(connection: RawConnection, statement: str) -> str | None:
    """Runs a statement with the driver, without SQLAlchemy. Returns PostgreSQL's command tag."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        return getattr(cursor, "statusmessage", None)
    finally:
        cursor.close()


def _commit(connection: RawConnection) -> None:
    with translate_commit_errors():
        try:
            command_tag = execute_raw(connection, "COMMIT")
        except BaseException as error:
            _roll_back(connection, error)
            if isinstance(error, KeyboardInterrupt):  # the database may commit nevertheless
                raise OutcomeUnknown from error
            raise
    if command_tag == "ROLLBACK":
        raise RuntimeError("a unit of work continued after a statement had failed")


def _roll_back(connection: RawConnection, error: BaseException) -> None:
    """Rolls back. If that fails, discards the connection, and the database then rolls back."""
    if connection.is_invalid:
        return
    if needs_new_connection(error):
        connection.invalidate()
        return
    try:
        execute_raw(connection, "ROLLBACK")
    except Exception:  # noqa: BLE001 (the caller raises the original error)
        connection.invalidate()
