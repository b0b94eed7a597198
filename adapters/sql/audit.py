"""The table of events, and the trail in it."""

from collections.abc import Callable, Collection, Iterable, Sequence
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

from adapters.sql import purge
from adapters.sql.bulk import insert_rows
from adapters.sql.columns import BigIntId, Timestamp, text
from adapters.sql.compiled import CompiledStatement, Row
from adapters.sql.connection import RawConnection
from adapters.sql.metadata import METADATA
from adapters.sql.search import Searchable
from adapters.sql.transactions import Transactions, read_connection
from application.audit import Changes, Event, EventReader, Events, NewEvent
from application.ports import Context
from application.search import Page, Search

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
    # An open service records no actors: its events need no entries.
    Index(
        "ix_events_actor",
        "actor",
        sqlite_where=column("actor").is_not(None),
        postgresql_where=column("actor").is_not(None),
        mariadb_length=255,
    ),
    sqlite_autoincrement=True,
    mariadb_engine="InnoDB",
    mariadb_default_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
)
# One row: whoever settles positions holds it.
EVENT_POSITIONS = Table(
    "event_positions",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    mariadb_engine="InnoDB",
)

_COLUMNS = tuple(EVENTS.c[name] for name in Event._fields)
_CHANGES: Final = Event._fields.index("changes")
_WRITTEN = tuple(column for column in _COLUMNS if column is not EVENTS.c.id)
_NAMES = tuple(column.name for column in _WRITTEN)
_ADD = CompiledStatement(insert(EVENTS).values({name: bindparam(name) for name in _NAMES}))
_OF_SUBJECT = (EVENTS.c.subject_type == bindparam("subject_type")) & (
    EVENTS.c.subject_id == bindparam("subject_id")
)
_CHANGES_OF_SUBJECT = CompiledStatement(
    select(EVENTS.c.id, EVENTS.c.changes)
    .where(_OF_SUBJECT & (EVENTS.c.id > bindparam("after")))
    .order_by(EVENTS.c.id)
    .limit(bindparam("count", type_=Integer()))
)
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
_ERASE_ACTOR = (
    update(EVENTS)
    .where(EVENTS.c.actor == bindparam("erased_actor"))
    .values(actor=None, request_id=None)
)
_SOMEBODY = EVENTS.c.actor.is_not(None)
_AT_ONCE: Final = 1000
_SETTLED_AT_ONCE: Final = 5000

_UNSETTLED = (
    select(EVENTS.c.id)
    .where(EVENTS.c.position.is_(None))
    .order_by(EVENTS.c.position, EVENTS.c.id)
    .limit(_SETTLED_AT_ONCE)
)
_LAST = select(EVENT_POSITIONS.c.last).with_for_update()
_SETTLE = (
    update(EVENTS)
    .where(EVENTS.c.id.between(bindparam("first_id"), bindparam("last_id")))
    .values(position=EVENTS.c.id + bindparam("ahead"))
)
_AFTER = CompiledStatement(
    select(EVENTS.c.position, *_COLUMNS)
    .where(EVENTS.c.position > bindparam("after"))
    .order_by(EVENTS.c.position)
    .limit(bindparam("count", type_=Integer()))
)


def _distinct_actors() -> Select[Any]:
    """One step through the index for each actor, however many events it has."""
    first = select(func.min(EVENTS.c.actor).label("actor")).where(_SOMEBODY)
    found = first.cte("actors", recursive=True)
    following = select(func.min(EVENTS.c.actor)).where(EVENTS.c.actor > found.c.actor)
    found = found.union_all(select(following.scalar_subquery()).where(found.c.actor.is_not(None)))
    return select(found.c.actor).where(found.c.actor.is_not(None))


_ACTORS = _distinct_actors()
# MariaDB can't step through an index of beginnings of texts.
_ACTORS_OF_MARIADB = select(EVENTS.c.actor).where(_SOMEBODY).distinct()
_SEARCHABLE = Searchable(columns=_COLUMNS, folded={"action": EVENTS.c.action})


class SqlEvents(Events):
    """The events of a transaction that is open. `erased` is true if it rewrote some."""

    def __init__(self, connection: RawConnection, context: Context, now: datetime) -> None:
        self._connection = connection
        self.erased = False
        self._of_unit = (now, *context.actor, context.request_id)

    def append(self, events: Sequence[NewEvent]) -> None:
        for _, alike in groupby(events, key=_members):
            rows = [
                (*self._of_unit, *event[:-1], orjson.dumps(event.changes).decode())
                for event in alike
            ]
            if len(rows) == 1:
                _ADD.queue(self._connection, dict(zip(_NAMES, rows[0], strict=True)))
                continue
            given = [number for number, value in enumerate(rows[0]) if value is not None]
            columns = [_WRITTEN[number] for number in given]
            insert_rows(self._connection, columns, list(map(itemgetter(*given), rows)))

    def rewrite(
        self, subject_type: str, subject_id: int, rewritten: Callable[[Changes], Changes]
    ) -> int:
        subject: dict[str, Any] = {"subject_type": subject_type, "subject_id": subject_id}
        count = after = 0
        self.erased = True
        purge.mark_for_purge(self._connection)
        while rows := _CHANGES_OF_SUBJECT.rows(
            self._connection, {**subject, "after": after, "count": _AT_ONCE}
        ):
            for after, changes in rows:
                text_now = orjson.dumps(rewritten(orjson.loads(changes))).decode()
                _REWRITE.queue(self._connection, {"event_id": after, "changes": text_now})
            count += len(rows)
        return count

    def changes_about(self, subject_type: str, subject_id: int) -> Iterable[Changes]:
        after = 0
        values: dict[str, Any] = {"subject_type": subject_type, "subject_id": subject_id}
        while rows := _CHANGES_OF_SUBJECT.rows(
            self._connection, {**values, "after": after, "count": _AT_ONCE}
        ):
            yield from (orjson.loads(changes) for _, changes in rows)
            after = rows[-1][0]

    def changes_containing(
        self, subject_type: str, texts: Collection[str]
    ) -> Iterable[tuple[int, Changes]]:
        if not texts:
            return []
        lower = func.lower(EVENTS.c.changes)
        found = select(EVENTS.c.subject_id, EVENTS.c.changes).where(
            (EVENTS.c.subject_type == subject_type)
            & EVENTS.c.subject_id.is_not(None)
            & or_(*(lower.contains(text, autoescape=True) for text in texts))
        )
        rows = self._connection.execute(found).all()
        return [(subject_id, orjson.loads(changes)) for subject_id, changes in rows]

    def erase_request_ids(self, subject_type: str, subject_id: int) -> None:
        of = {"erased_type": subject_type, "erased_id": subject_id}
        self._connection.execute(_ERASE_REQUEST_IDS, of)

    def actors(self) -> Iterable[str]:
        of_mariadb = self._connection.dialect.name == "mariadb"
        actors: Sequence[str] = (
            self._connection.execute(_ACTORS_OF_MARIADB if of_mariadb else _ACTORS).scalars().all()
        )
        return actors

    def erase_actor(self, actor: str) -> None:
        self._connection.execute(_ERASE_ACTOR, {"erased_actor": actor})


class SqlEventReader(EventReader):
    """The events as the last committed transactions left them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._transactions = Transactions(engine)

    def page(self, search: Search) -> Page[Event]:
        with read_connection(self._engine) as connection:
            return _SEARCHABLE.page(connection, search, _event)

    def read_from(self, position: int, *, size: int) -> Sequence[tuple[int, Event]]:
        found = self._settled(position, size)
        if len(found) < size:
            with self._transactions.open() as connection:
                _settle(connection)
            found = self._settled(position, size)
        return found

    def _settled(self, position: int, size: int) -> Sequence[tuple[int, Event]]:
        with read_connection(self._engine) as connection:
            rows = _AFTER.rows(connection, {"after": position, "count": size})
        return [(row[0], _event(row[1:])) for row in rows]


def _settle(connection: RawConnection) -> None:
    """Give their positions to the events that can be seen and have none, if not too many.

    Where an event can be seen, those that it may build on can be, and have smaller ids.
    """
    last = connection.execute(_LAST).scalar_one()
    if ids := connection.execute(_UNSETTLED).scalars().all():
        # Ids that follow one another get their positions by one statement.
        for ahead, run in groupby(enumerate(ids, last + 1), key=lambda each: each[0] - each[1]):
            alike = [event_id for _, event_id in run]
            ends = {"first_id": alike[0], "last_id": alike[-1]}
            connection.execute(_SETTLE, {**ends, "ahead": ahead})
        connection.execute(update(EVENT_POSITIONS).values(last=last + len(ids)))


def _members(event: NewEvent) -> tuple[bool, bool]:
    """Which of those are there that one event of a unit may have and another not."""
    return event.subject_id is None, event.version is None


def _event(row: Row) -> Event:
    return Event._make((*row[:_CHANGES], orjson.loads(row[_CHANGES])))
