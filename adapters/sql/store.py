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
from adapters.sql.connection import Pooled
from adapters.sql.database_checks import refuse_unfit
from adapters.sql.failures import UnknownFailure
from adapters.sql.idempotency import SqlAnswers
from adapters.sql.transactions import Transactions, send
from adapters.sql.users import USERS, SqlUsers
from application.audit import Trail
from application.deadlines import within
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
    answers: SqlAnswers
    trail: Trail
    mark: Callable[[], Callable[[], None]]


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
    def begin(self, context: Context, *, holding: bool = False) -> Iterator[UnitOfWork]:
        """Open a unit of work: one connection, one transaction."""
        with self._transactions.open() as connection:
            now = self._clock()
            events = SqlEvents(connection, context, now)
            trail = Trail(events)
            users = SqlUsers(connection, trail, holding=holding)
            answers = SqlAnswers(connection, self._answer_bytes)
            yield SqlUnit(context, now, users, answers, trail, partial(_mark, connection, trail))
            trail.write()
        if events.erased:
            self._remove_remnants_at_once()

    def remove_remnants(self) -> None:
        """Remove what is left of erased values in the file of SQLite, if there may be something.

        It rewrites the whole file, and nothing can be changed meanwhile. Raises Unavailable.
        """
        with self._transactions.alone() as connection:
            purge.remove(connection)

    def _remove_remnants_at_once(self) -> None:
        """Do so unless it takes long.

        The mark in the file stays until it is done, at the latest by entrypoints.maintenance: the
        erasure is committed, and does not fail because of it.
        """
        with (
            suppress(Unavailable, UnknownFailure),
            within(_SECONDS_AT_ONCE),
            self._transactions.alone() as connection,
        ):
            if (purge.size(connection) or 0) <= _BYTES_AT_ONCE:
                purge.remove(connection)

    def ready(self) -> None:
        """Raise Unavailable, which says why, unless a user could be created now.

        Takes READY_SECONDS at most.
        """
        with within(READY_SECONDS):
            refuse_unfit(self._engine)
            with self._transactions.open() as connection:
                connection.execute(_CHANGES_NOTHING)


def _mark(connection: Pooled, trail: Trail) -> Callable[[], None]:
    def undo() -> None:
        trail.forget()
        send(connection, "ROLLBACK TO SAVEPOINT mark")

    trail.write()
    send(connection, "SAVEPOINT mark")
    return undo


_CHANGES_NOTHING = update(USERS).values(version=USERS.c.version).where(false())
