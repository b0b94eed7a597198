"""Units of work in a database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import Engine, false, update

from adapters.sql import purge
from adapters.sql.audit import SqlEvents
from adapters.sql.connection import RawConnection
from adapters.sql.database_checks import check_database
from adapters.sql.failures import UnknownFailure
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.transactions import Transactions, execute_raw
from adapters.sql.users import USERS, SqlUsers
from application.audit import AuditLog
from application.deadlines import deadline
from application.ports import STORED_BYTES, Clock, Context, Unavailable, UnitOfWork

READY_SECONDS = 2.0
_BYTES_AT_ONCE: Final = 64 * 1024**2
_SECONDS_AT_ONCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class SqlUnit(UnitOfWork):
    """A unit of work: a transaction that is open."""

    context: Context
    now: datetime
    users: SqlUsers
    idempotency: SqlIdempotencyStore
    audit: AuditLog
    savepoint: Callable[[], Callable[[], None]]


class SqlStore:
    """The users in a database, for those who change them.

    `answer_bytes` limits the responses that are stored for one principal.
    """

    def __init__(self, engine: Engine, clock: Clock, answer_bytes: int = STORED_BYTES) -> None:
        self._engine = engine
        self._answer_bytes = answer_bytes
        self._transactions = Transactions(engine)
        self._clock = clock

    @contextmanager
    def begin(self, context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        """Open a unit of work: one connection, one transaction."""
        with self._transactions.open() as connection:
            now = self._clock()
            events = SqlEvents(connection, context, now)
            audit = AuditLog(events)
            users = SqlUsers(connection, audit, for_update=for_update)
            answers = SqlIdempotencyStore(connection, self._answer_bytes)
            yield SqlUnit(
                context, now, users, answers, audit, partial(_savepoint, connection, audit)
            )
            audit.flush()
        if events.erased:
            self._purge_now()

    def purge(self) -> None:
        """Remove what is left of erased values in the file of SQLite, if there may be something.

        It rewrites the whole file, and nothing can be changed meanwhile. Raises Unavailable.
        """
        with self._transactions.alone() as connection:
            purge.purge(connection)

    def _purge_now(self) -> None:
        """Do so unless it takes long.

        The mark in the file stays until it is done, at the latest by entrypoints.maintenance: the
        erasure is committed, and does not fail because of it.
        """
        with (
            suppress(Unavailable, UnknownFailure),
            deadline(_SECONDS_AT_ONCE),
            self._transactions.alone() as connection,
        ):
            if (purge.size_to_purge(connection) or 0) <= _BYTES_AT_ONCE:
                purge.purge(connection)

    def ready(self) -> None:
        """Raise Unavailable, which says why, unless a user could be created now.

        Takes READY_SECONDS at most.
        """
        with deadline(READY_SECONDS):
            check_database(self._engine)
            with self._transactions.open() as connection:
                connection.execute(_CHANGES_NOTHING)


def _savepoint(connection: RawConnection, audit: AuditLog) -> Callable[[], None]:
    def undo() -> None:
        audit.discard()
        execute_raw(connection, "ROLLBACK TO SAVEPOINT mark")

    audit.flush()
    execute_raw(connection, "SAVEPOINT mark")
    return undo


_CHANGES_NOTHING = update(USERS).values(version=USERS.c.version).where(false())
