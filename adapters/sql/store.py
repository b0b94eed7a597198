"""Units of work in a database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Engine, false, update

from adapters.sql.answers import SqlAnswers
from adapters.sql.events import SqlEvents
from adapters.sql.fitness import refuse_unfit
from adapters.sql.pooled import Pooled
from adapters.sql.transactions import Transactions, send
from adapters.sql.users import USERS, SqlUsers
from application.deadlines import within
from application.ports import Clock, Context, UnitOfWork
from application.trail import Trail

READY_SECONDS = 2.0


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
    """The users in a database, for those who change them."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._transactions = Transactions(engine)
        self._clock = clock

    @contextmanager
    def begin(self, context: Context, *, holding: bool = False) -> Iterator[UnitOfWork]:
        """Open a unit of work: one connection, one transaction."""
        with self._transactions.open() as connection:
            now = self._clock()
            trail = Trail(SqlEvents(connection, context, now))
            users = SqlUsers(connection, trail, holding=holding)
            answers = SqlAnswers(connection)
            yield SqlUnit(context, now, users, answers, trail, partial(_mark, connection, trail))
            trail.write()

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
