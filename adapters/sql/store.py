"""Units of work in a database."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine

from adapters.sql import purge, statistics
from adapters.sql.accounts import SqlAccountRecords
from adapters.sql.audit import SqlEvents
from adapters.sql.connection import RawConnection
from adapters.sql.database_checks import check_database, check_space
from adapters.sql.failures import UnknownFailure
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.links import SqlLinks, make_statements
from adapters.sql.repository import EntityTable, SqlRepository
from adapters.sql.tables import Tables
from adapters.sql.transactions import (
    CommitPositions,
    Transactions,
    execute_raw,
    read_connection,
)
from application.audit import AuditLog
from application.deadlines import deadline
from application.entities import AnyType
from application.ports import (
    STORED_BYTES,
    Clock,
    Context,
    LinkCount,
    Unavailable,
    UnitOfWork,
)
from application.reactions import NO_REACTIONS, Reactions
from application.relationships import ToMany
from application.units import StoreUnit

READY_SECONDS = 2.0
_MAX_BYTES_TO_PURGE_NOW: Final = 64 * 1024**2
_MAX_SECONDS_TO_PURGE_NOW: Final = 3.0


class SqlStore:
    """Opens units of work in a database with these tables of entities.

    `idempotency_bytes` is the maximum size of the responses that are stored for one principal.
    `reactions` are called when entities of their types are saved, removed or erased. `positions`
    observe the commits.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        tables: Tables | Iterable[EntityTable[Any, Any]],
        idempotency_bytes: int = STORED_BYTES,
        *,
        reactions: Reactions = NO_REACTIONS,
        positions: CommitPositions | None = None,
    ) -> None:
        self._engine = engine
        self._tables = tables if isinstance(tables, Tables) else Tables(tables)
        self._links = make_statements(self._tables)
        self._idempotency_bytes = idempotency_bytes
        self._reactions = reactions
        self._transactions = Transactions(engine)
        self._clock = clock
        self._positions = positions

    @contextmanager
    def begin(self, context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        """Opens a unit of work, which has one connection and one transaction.

        Raises Unavailable, ConcurrentUpdate, OutcomeUnknown.
        """
        positions = self._positions
        observer = positions.observer(context.principal) if positions else None
        with self._transactions.open(observer) as connection:
            now = self._clock()
            events = SqlEvents(connection, context, now)
            audit = AuditLog(events)
            make_repository = partial(
                self._make_repository, connection, audit, for_update=for_update
            )
            yield StoreUnit(
                now=now,
                clock=self._clock,
                make_repository=make_repository,
                make_links=partial(self._make_links, connection, audit),
                idempotency=SqlIdempotencyStore(connection, self._idempotency_bytes),
                audit=audit,
                link_count=LinkCount(context.link_limit),
                savepoint=partial(_savepoint, connection, audit),
                reactions=self._reactions,
                make_accounts=partial(SqlAccountRecords, connection),
            )
            audit.flush()
        if events.erased:
            self._purge_now()

    def _make_repository(
        self,
        connection: RawConnection,
        audit: AuditLog,
        entity_type: AnyType,
        *,
        for_update: bool,
    ) -> SqlRepository[Any, Any]:
        return SqlRepository(
            self._tables.entities[entity_type],
            connection,
            audit,
            for_update=for_update,
            searches=self._tables.searches(entity_type),
        )

    def _make_links(
        self, connection: RawConnection, audit: AuditLog, relationship: ToMany
    ) -> SqlLinks:
        return SqlLinks(self._links[relationship], connection, audit)

    def purge(self) -> None:
        """Removes the remains of erased values from an SQLite file, if it may have any.

        This rewrites the whole file and blocks changes meanwhile. Raises StillRead if a reader
        prevents it, and Unavailable.
        """
        with self._transactions.outside_transaction() as connection:
            purge.purge(connection)

    def _purge_now(self) -> None:
        """Purges the file now, unless it is large or the purge takes long.

        The erasure is already committed, so a failure is ignored. The file stays marked until
        entrypoints.maintenance has purged it.
        """
        with (
            suppress(Unavailable, UnknownFailure),
            deadline(_MAX_SECONDS_TO_PURGE_NOW),
            self._transactions.outside_transaction() as connection,
        ):
            if (purge.size_to_purge(connection) or 0) <= _MAX_BYTES_TO_PURGE_NOW:
                purge.purge(connection)

    def update_statistics(self) -> None:
        """Updates the statistics of an SQLite file if a table has grown much. Raises Unavailable.

        This reads all indexes and blocks changes meanwhile.
        """
        with read_connection(self._engine) as connection:
            if not statistics.are_outdated(connection):
                return
        with self._transactions.open() as connection:
            if statistics.are_outdated(connection):  # another process may have updated them
                statistics.update(connection)

    def ready(self) -> None:
        """Checks whether requests can change entities now, within READY_SECONDS.

        Raises Unavailable with the reason if they cannot.
        """
        with deadline(READY_SECONDS):
            check_database(self._engine)
            check_space(self._engine)
            with self._transactions.open() as connection:
                for table in self._tables.entities.values():
                    connection.execute(table.no_op_update)


def _savepoint(connection: RawConnection, audit: AuditLog) -> Callable[[], None]:
    """Creates a savepoint. Returns a function that rolls back to it."""

    def roll_back() -> None:
        audit.discard()
        execute_raw(connection, "ROLLBACK TO SAVEPOINT mark")

    audit.flush()
    execute_raw(connection, "SAVEPOINT mark")
    return roll_back
