"""The tables of stored responses, and the responses in them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, NamedTuple
from zlib import crc32

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from adapters.sql.bulk import insert_rows
from adapters.sql.columns import Timestamp, text
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.failures import timed_out
from adapters.sql.metadata import METADATA
from adapters.sql.transactions import execute_raw
from application.deadlines import deadline, time_left
from application.ports import (
    IDEMPOTENCY_TTL,
    ConcurrentUpdate,
    IdempotencyStore,
    KeyInUse,
    KeyReused,
    ResponseErased,
    StoredResponse,
    TooManyStoredResponses,
)

# A response of the release before has no owner: it is not known which resources it contains.
ANSWERS = Table(
    "answers",
    METADATA,
    Column("request_key", text(64), primary_key=True),
    Column("digest", text(64), nullable=False),
    Column("creation_time", Timestamp, nullable=False),
    Column("status", Integer),
    Column("headers", text()),
    Column("body", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")),
    Column("owner", text(64)),
    Index(None, "creation_time"),
    Index(
        "ix_answers_owner",
        "owner",
        sqlite_where=column("owner").is_(None),
        postgresql_where=column("owner").is_(None),
    ),
    mariadb_engine="InnoDB",
    mariadb_default_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
)
# The resources that a stored response contains.
ANSWER_SUBJECTS = Table(
    "answer_subjects",
    METADATA,
    Column(
        "request_key",
        text(64),
        ForeignKey(ANSWERS.c.request_key, ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("subject_type", text(50), primary_key=True),
    Column("subject_id", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_answer_subjects_subject_type_subject_id", "subject_type", "subject_id"),
    mariadb_engine="InnoDB",
    mariadb_default_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
)
# How many bytes the responses of an owner had, by hours since 1970. Each hour has several rows, so
# that few transactions of one owner wait for each other.
ANSWER_TOTALS = Table(
    "answer_totals",
    METADATA,
    Column("owner", text(64), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger, nullable=False),
    Index("ix_answer_totals_hour", "hour"),
    mariadb_engine="InnoDB",
    mariadb_default_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
)

_AT_ONCE = 100
_PARTS = 8
_HOUR = timedelta(hours=1)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED_HOURS = IDEMPOTENCY_TTL // _HOUR + 1
"""The hour in which the oldest response was stored counts whole."""
_SHARE_OF_DEADLINE = 0.8
_RESERVE = insert(ANSWERS)
_OF_KEY = ANSWERS.c.request_key == bindparam("key")
_OF_KEYS = ANSWERS.c.request_key.in_(bindparam("keys", expanding=True))
_HOLD = select(ANSWERS).where(_OF_KEY).with_for_update()
_SET = update(ANSWERS).where(_OF_KEY)
_KEEP = CompiledStatement(
    _SET.values({name: bindparam(name) for name in ("status", "headers", "body")})
)
_SUBJECT_NAMES = ANSWER_SUBJECTS.c.keys()
_ADD_SUBJECT = CompiledStatement(
    insert(ANSWER_SUBJECTS).values({name: bindparam(name) for name in _SUBJECT_NAMES})
)
# Rows that another transaction holds are left to it.
_EXPIRED = CompiledStatement(
    select(ANSWERS.c.request_key)
    .where(ANSWERS.c.creation_time <= bindparam("until"))
    .limit(bindparam("count", type_=Integer()))
    .with_for_update(skip_locked=True)
)
_DELETE = delete(ANSWERS).where(_OF_KEYS)

_OF_OWNER = (ANSWER_TOTALS.c.owner == bindparam("key_owner")) & (
    ANSWER_TOTALS.c.hour > bindparam("after")
)
_STORED = CompiledStatement(
    select(func.coalesce(func.sum(ANSWER_TOTALS.c.bytes), 0), func.min(ANSWER_TOTALS.c.hour)).where(
        _OF_OWNER
    )
)
_TOTAL_NAMES = ANSWER_TOTALS.c.keys()
_DELETE_TOTALS = delete(ANSWER_TOTALS).where(ANSWER_TOTALS.c.hour <= bindparam("last"))

_NOTHING = {"digest": "", "status": None, "headers": None, "body": None}
_ERASE = update(ANSWERS).where(_OF_KEYS).values(_NOTHING)
_ERASE_WITHOUT_OWNER = (
    update(ANSWERS).where(ANSWERS.c.owner.is_(None) & ANSWERS.c.status.is_not(None))
).values(_NOTHING)
_CONTAINING = select(ANSWER_SUBJECTS.c.request_key).where(
    (ANSWER_SUBJECTS.c.subject_type == bindparam("of_type"))
    & (ANSWER_SUBJECTS.c.subject_id == bindparam("of_id"))
)
_FORGET_SUBJECTS = delete(ANSWER_SUBJECTS).where(
    ANSWER_SUBJECTS.c.request_key.in_(bindparam("keys", expanding=True))
)


class SqlIdempotencyStore(IdempotencyStore):
    """The responses of a transaction that is open. `limit` is the bytes of one owner in a day."""

    def __init__(self, connection: RawConnection, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._spaces: dict[str, _Space] = {}

    def reserve(self, key: str, digest: str, *, owner: str, at: datetime) -> StoredResponse | None:
        reserved = {"request_key": key, "digest": digest, "creation_time": at, "owner": owner}
        if self._inserted(reserved):
            self._delete_some_expired(at - IDEMPOTENCY_TTL)
            self._spaces[key] = self._space(owner, at)
            return None
        row = self._connection.execute(_HOLD, {"key": key}).one_or_none()
        if row is None:
            raise ConcurrentUpdate
        if row.creation_time <= at - IDEMPOTENCY_TTL:
            self._connection.execute(_FORGET_SUBJECTS, {"keys": [key]})
            self._connection.execute(_SET, {**_NOTHING, **reserved, "key": key})
            self._spaces[key] = self._space(owner, at)
            return None
        if row.status is None:
            raise ResponseErased
        if row.digest != digest:
            raise KeyReused
        return StoredResponse(row.status, json.loads(row.headers), row.body)

    def store(self, key: str, answer: StoredResponse) -> None:
        headers = json.dumps(dict(answer.headers))
        values = {"status": answer.status, "headers": headers, "body": answer.body}
        _KEEP.queue(self._connection, {**values, "key": key})
        rows = [(key, *subject) for subject in sorted(answer.subjects)]
        if len(rows) == 1:
            _ADD_SUBJECT.queue(self._connection, dict(zip(_SUBJECT_NAMES, rows[0], strict=True)))
        elif rows:
            insert_rows(self._connection, [*ANSWER_SUBJECTS.c], rows)
        # Last, because it holds a row for which other requests of the owner wait.
        space, size = self._spaces.pop(key), len(headers) + len(answer.body)
        space.require(size)
        self._add(space.owner, space.hour, part=crc32(key.encode()) % _PARTS, size=size)

    def erase(self, subject_type: str, subject_id: int) -> int:
        of = {"of_type": subject_type, "of_id": subject_id}
        count = 0
        keys: Sequence[str] = self._connection.execute(_CONTAINING, of).scalars().all()
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            count += self._connection.execute(_ERASE, {"keys": some}).rowcount
            self._connection.execute(_FORGET_SUBJECTS, {"keys": some})
        return count + self._connection.execute(_ERASE_WITHOUT_OWNER).rowcount

    def delete_expired(self, until: datetime) -> int:
        last = _hour(until) - 1
        self._connection.execute(_DELETE_TOTALS, {"last": last})
        return self._delete_some_expired(until)

    def _delete_some_expired(self, until: datetime) -> int:
        rows = _EXPIRED.rows(self._connection, {"until": until, "count": _AT_ONCE})
        keys = [key for (key,) in rows]
        if keys:
            self._connection.execute(_DELETE, {"keys": keys})
        return len(keys)

    def _inserted(self, row: dict[str, Any]) -> bool:
        """Whether the key was free. Waits for a transaction that has taken it and is open."""
        execute_raw(self._connection, "SAVEPOINT answers")
        try:
            with _waiting():
                self._connection.execute(_RESERVE, row)
        except IntegrityError:
            execute_raw(self._connection, "ROLLBACK TO SAVEPOINT answers")
            return False
        execute_raw(self._connection, "RELEASE SAVEPOINT answers")
        return True

    def _space(self, owner: str, at: datetime) -> "_Space":
        """What the owner has left. Raises TooManyStoredResponses if that is nothing.

        What other open transactions are about to store can't be seen. So from half of the limit on
        they take turns, by the lock on one row of the hour.
        """
        hour = _hour(at)
        of = {"key_owner": owner, "after": hour - _COUNTED_HOURS}
        stored, first = self._stored(of)
        if self._limit < 2 * stored and self._connection.dialect.name != "sqlite":
            self._add(owner, hour, part=0, size=0)
            stored, first = self._stored(of)
        until_free = _BEGINNING + ((first or hour) + _COUNTED_HOURS) * _HOUR - at
        space = _Space(owner, hour, self._limit - stored, ceil(until_free.total_seconds()))
        space.require(1)
        return space

    def _stored(self, of: Mapping[str, Any]) -> tuple[int, int | None]:
        """How many bytes are stored, and in which hour the first of them were."""
        row = _STORED.row(self._connection, of)
        assert row is not None
        return int(row[0]), row[1]

    def _add(self, owner: str, hour: int, *, part: int, size: int) -> None:
        row = {"owner": owner, "hour": hour, "part": part, "bytes": size}
        _ADD_TO_TOTAL[self._connection.dialect.name].count(self._connection, row)


class _Space(NamedTuple):
    """How many bytes an owner may store, and in how many seconds some become free."""

    owner: str
    hour: int
    available: int
    seconds: int

    def require(self, size: int) -> None:
        """Raises TooManyStoredResponses if there are fewer bytes."""
        if size > self.available:
            raise TooManyStoredResponses(self.seconds)


def _hour(at: datetime) -> int:
    return (at - _BEGINNING) // _HOUR


def _adding_to_total() -> Mapping[str, CompiledStatement]:
    """Adds bytes to a row, which it creates if necessary, by database."""
    stored, keys = ANSWER_TOTALS.c.bytes, ["owner", "hour", "part"]
    row: dict[str, Any] = {name: bindparam(name) for name in _TOTAL_NAMES}
    on_sqlite = sqlite.insert(ANSWER_TOTALS).values(row)
    on_postgresql = postgresql.insert(ANSWER_TOTALS).values(row)
    on_mariadb = mysql.insert(ANSWER_TOTALS).values(row)
    return {
        "sqlite": CompiledStatement(
            on_sqlite.on_conflict_do_update(
                index_elements=keys, set_={"bytes": stored + on_sqlite.excluded.bytes}
            )
        ),
        "postgresql": CompiledStatement(
            on_postgresql.on_conflict_do_update(
                index_elements=keys, set_={"bytes": stored + on_postgresql.excluded.bytes}
            )
        ),
        "mariadb": CompiledStatement(
            on_mariadb.on_duplicate_key_update(bytes=stored + on_mariadb.inserted.bytes)
        ),
    }


_ADD_TO_TOTAL = _adding_to_total()


@contextmanager
def _waiting() -> Iterator[None]:
    """Raises KeyInUse if the database waited too long for another transaction.

    Some of the deadline is left to answer.
    """
    try:
        with deadline((time_left() or 0.0) * _SHARE_OF_DEADLINE):
            yield
    except DBAPIError as error:
        if timed_out(error):
            raise KeyInUse from error
        raise
