"""The audit log in the table of events."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Identity,
    Index,
    Integer,
    Select,
    Table,
    bindparam,
    column,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import text as sql_text

from adapters.sql import purge
from adapters.sql.bulk import insert_rows
from adapters.sql.columns import BigIntId, Timestamp, text
from adapters.sql.compiled import CompiledStatement, Row
from adapters.sql.connection import RawConnection
from adapters.sql.metadata import MARIADB_TABLE, METADATA
from adapters.sql.reads import Reads, reads_from
from adapters.sql.search import SearchStatements
from adapters.sql.searchable import Searchable
from adapters.sql.transactions import Transactions, read_connection
from application.audit import Changes, Event, EventReader, Events, NewEvent, about
from application.ports import Context
from application.search import Page, Search, walk
from application.units import retry

EVENTS = Table(
    "events",
    METADATA,
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("position", BigInteger),
    Column("time", Timestamp, nullable=False),
    Column("actor", text()),
    Column("request_id", text(128)),
    Column("action", text(50), nullable=False),
    Column("subject_type", text(50), nullable=False),
    Column("subject_id", BigInteger),
    Column("version", Integer),
    Column("changes", text(), nullable=False),
    Column("actor_kind", text(50)),
    Column("actor_issuer", text()),
    Index(None, "subject_type", "subject_id", "id"),
    Index(None, "position", "id"),
    # Without authentication, events have no actor and need no entries in the index.
    Index(
        "ix_events_actor",
        "actor",
        sqlite_where=column("actor").is_not(None),
        postgresql_where=column("actor").is_not(None),
        mariadb_length=255,
    ),
    sqlite_autoincrement=True,
    **MARIADB_TABLE,
)
# A single row with the last assigned position. A transaction that assigns positions locks it.
EVENT_POSITIONS = Table(
    "event_positions",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    mariadb_engine="InnoDB",
)

_COLUMNS = tuple(EVENTS.c[name] for name in Event._fields)
_CHANGES: Final = Event._fields.index("changes")
_INSERTED = tuple(column for column in _COLUMNS if column is not EVENTS.c.id)
_NAMES = tuple(column.name for column in _INSERTED)
_ADD = CompiledStatement(insert(EVENTS).values({name: bindparam(name) for name in _NAMES}))
_REWRITE = CompiledStatement(
    update(EVENTS).where(EVENTS.c.id == bindparam("event_id")).values(changes=bindparam("changes"))
)
_ERASE_REQUEST_IDS = (
    update(EVENTS)
    .where(
        (EVENTS.c.subject_type == bindparam("erased_type"))
        & (EVENTS.c.subject_id == bindparam("erased_id"))
    )
    .values(request_id=None)
)
_READ_AT_ONCE: Final = 10_000
_ERASE_ACTOR = (
    update(EVENTS)
    .where(EVENTS.c.actor == bindparam("erased_actor"))
    .values(actor=None, request_id=None)
)
_CHANGES_OF = (
    select(EVENTS.c.id, EVENTS.c.subject_id, EVENTS.c.changes)
    .where(EVENTS.c.id > bindparam("after"))
    .where(EVENTS.c.subject_type == bindparam("subject_type"))
    .where(EVENTS.c.subject_id.is_not(None))
    .where(EVENTS.c.changes.like(bindparam("pattern")))
    .order_by(EVENTS.c.id)
    .limit(_READ_AT_ONCE)
)
_HAS_ACTOR = EVENTS.c.actor.is_not(None)
_MAX_ASSIGNED_POSITIONS: Final = 5000

_WITHOUT_POSITION = (
    select(EVENTS.c.id)
    .where(EVENTS.c.position.is_(None))
    .order_by(EVENTS.c.position, EVENTS.c.id)
    .limit(_MAX_ASSIGNED_POSITIONS)
)
_LOCK_LAST_POSITION = select(EVENT_POSITIONS.c.last).with_for_update()
_ASSIGN_POSITIONS = (
    update(EVENTS)
    .where(EVENTS.c.id.between(bindparam("first_id"), bindparam("last_id")))
    .values(position=EVENTS.c.id + bindparam("offset"))
)
# For ids with gaps. On the nodes of a Galera cluster, no two consecutive ids are of one node.
_ASSIGN_POSITIONS_TO_LIST_ON_MARIADB = sql_text(
    "UPDATE JSON_TABLE(:ids, '$[*]' COLUMNS (number FOR ORDINALITY, id BIGINT PATH '$')) AS listed"
    " STRAIGHT_JOIN events ON events.id = listed.id SET events.position = :last + listed.number"
)
_AFTER_POSITION = CompiledStatement(
    select(EVENTS.c.position, *_COLUMNS)
    .where(EVENTS.c.position > bindparam("after"))
    .order_by(EVENTS.c.position)
    .limit(bindparam("count", type_=Integer()))
)


def _distinct_actors() -> Select[Any]:
    """Selects the actors with one index lookup for each, regardless of the number of events.

    PostgreSQL calls this a loose index scan (https://wiki.postgresql.org/wiki/Loose_indexscan).
    """
    first = select(func.min(EVENTS.c.actor).label("actor")).where(_HAS_ACTOR)
    actors = first.cte("actors", recursive=True)
    following = select(func.min(EVENTS.c.actor)).where(EVENTS.c.actor > actors.c.actor)
    actors = actors.union_all(
        select(following.scalar_subquery()).where(actors.c.actor.is_not(None))
    )
    return select(actors.c.actor).where(actors.c.actor.is_not(None))


_ACTORS = _distinct_actors()
# MariaDB cannot do this with an index of prefixes.
_ACTORS_OF_MARIADB = select(EVENTS.c.actor).where(_HAS_ACTOR).distinct()
_SEARCHES = SearchStatements(Searchable(columns=_COLUMNS, folded={"action": EVENTS.c.action}))


class SqlEvents(Events):
    """Writes events in an open transaction. `erased` is true after an event was rewritten."""

    def __init__(self, connection: RawConnection, context: Context, now: datetime) -> None:
        self._connection = connection
        self.erased = False
        self._unit_values = (now, *context.actor, context.request_id)

    def append(self, events: Sequence[NewEvent]) -> None:
        for _, group in groupby(events, key=_null_columns):
            rows = [
                (*self._unit_values, *event[:-1], orjson.dumps(event.changes).decode())
                for event in group
            ]
            if len(rows) == 1:
                _ADD.queue(self._connection, dict(zip(_NAMES, rows[0], strict=True)))
                continue
            present = [position for position, value in enumerate(rows[0]) if value is not None]
            columns = [_INSERTED[position] for position in present]
            insert_rows(self._connection, columns, list(map(itemgetter(*present), rows)))

    def rewrite(
        self, subject_type: str, subject_id: int, rewritten: Callable[[Changes], Changes]
    ) -> int:
        count = 0
        self.erased = True
        purge.mark_for_purge(self._connection)
        for event in self._about(subject_type, subject_id):
            changes = rewritten(event.changes)
            if changes != event.changes:
                values = {"event_id": event.id, "changes": orjson.dumps(changes).decode()}
                _REWRITE.queue(self._connection, values)
            count += 1
        return count

    def changes_about(self, subject_type: str, subject_id: int) -> Iterable[Changes]:
        return (event.changes for event in self._about(subject_type, subject_id))

    def _about(self, subject_type: str, subject_id: int) -> Iterator[Event]:
        search = Search(about(subject_type, subject_id))
        return walk(lambda page: _SEARCHES.page(self._connection, page, _event), search)

    def changes_containing(
        self, subject_type: str, texts: Collection[str]
    ) -> Iterable[tuple[int, Changes]]:
        if not texts:
            return []
        lower = func.lower(EVENTS.c.changes)
        statement = select(EVENTS.c.subject_id, EVENTS.c.changes).where(
            (EVENTS.c.subject_type == subject_type)
            & EVENTS.c.subject_id.is_not(None)
            & or_(*(lower.contains(text, autoescape=True) for text in texts))
        )
        rows = self._connection.execute(statement).all()
        return [(subject_id, orjson.loads(changes)) for subject_id, changes in rows]

    def changes_of(self, subject_type: str, attribute: str) -> Iterator[tuple[int, Changes]]:
        values = {"subject_type": subject_type, "pattern": f'%"{attribute}"%', "after": 0}
        while rows := self._connection.execute(_CHANGES_OF, values).all():
            for event_id, subject_id, changes in rows:
                values["after"] = event_id
                yield subject_id, orjson.loads(changes)

    def erase_request_ids(self, subject_type: str, subject_id: int) -> None:
        subject = {"erased_type": subject_type, "erased_id": subject_id}
        self._connection.execute(_ERASE_REQUEST_IDS, subject)

    def actors(self) -> Iterable[str]:
        is_mariadb = self._connection.dialect.name == "mariadb"
        statement = _ACTORS_OF_MARIADB if is_mariadb else _ACTORS
        actors: Sequence[str] = self._connection.execute(statement).scalars().all()
        return actors

    def erase_actor(self, actor: str) -> None:
        self._connection.execute(_ERASE_ACTOR, {"erased_actor": actor})


class SqlEventReader(EventReader):
    """Reads the committed events."""

    def __init__(self, engine: Engine, reads: Reads | None = None) -> None:
        self._engine = engine
        self._read = reads or reads_from(engine)
        self._transactions = Transactions(engine)

    def page(self, search: Search) -> Page[Event]:
        return self._read(lambda connection: _SEARCHES.page(connection, search, _event))

    def read_from(self, position: int, *, size: int) -> Sequence[tuple[int, Event]]:
        events = self._with_positions(position, size)
        if len(events) < size:
            self._assign_positions()
            events = self._with_positions(position, size)
        return events

    def _assign_positions(self) -> None:
        """Assigns positions. Retries if a reader on another node of a cluster does so as well."""

        def attempt(_: int) -> None:
            with self._transactions.open() as connection:
                _assign_positions(connection)

        retry(attempt)

    def _with_positions(self, position: int, size: int) -> Sequence[tuple[int, Event]]:
        """Reads up to `size` events after the position that already have one."""
        with read_connection(self._engine) as connection:
            rows = _AFTER_POSITION.rows(connection, {"after": position, "count": size})
        return [(row[0], _event(row[1:])) for row in rows]


def _assign_positions(connection: RawConnection) -> None:
    """Assigns positions to visible events that have none, in the order of their ids.

    If an event is visible, the events that precede it in time and may have caused it are visible
    and have smaller ids.
    """
    last = connection.execute(_LOCK_LAST_POSITION).scalar_one()
    if ids := connection.execute(_WITHOUT_POSITION).scalars().all():
        _assign(connection, ids, last)
        connection.execute(update(EVENT_POSITIONS).values(last=last + len(ids)))


def _assign(connection: RawConnection, ids: Sequence[int], last: int) -> None:
    """Assigns the positions after `last` to the events with these ids, which are ascending."""
    has_gaps = ids[-1] - ids[0] >= len(ids)
    if has_gaps and connection.dialect.name == "mariadb":
        values = {"ids": orjson.dumps([*ids]).decode(), "last": last}
        connection.execute(_ASSIGN_POSITIONS_TO_LIST_ON_MARIADB, values)
    else:  # one statement for each run of consecutive ids
        positions = enumerate(ids, last + 1)
        for offset, run in groupby(positions, key=lambda pair: pair[0] - pair[1]):
            run_ids = [event_id for _, event_id in run]
            values = {"first_id": run_ids[0], "last_id": run_ids[-1], "offset": offset}
            connection.execute(_ASSIGN_POSITIONS, values)


def _null_columns(event: NewEvent) -> tuple[bool, bool]:
    """Returns which of the columns that may differ within a unit of work are null."""
    return event.subject_id is None, event.version is None


def _event(row: Row) -> Event:
    return Event._make((*row[:_CHANGES], orjson.loads(row[_CHANGES])))
