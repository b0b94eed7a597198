"""Stores the responses to requests with a key (docs/decisions/0014-idempotency-keys.md)."""

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
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError, IntegrityError

from adapters.sql.bulk import insert_rows
from adapters.sql.certification import certify
from adapters.sql.columns import Timestamp, text
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.failures import timed_out
from adapters.sql.metadata import MARIADB_TABLE, METADATA
from adapters.sql.transactions import execute_raw
from adapters.sql.upsert import Upsert
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

# A response that the previous release stored has no owner, and its resources are not known.
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
    **MARIADB_TABLE,
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
    **MARIADB_TABLE,
)
# The number of bytes that were stored for an owner in each hour since 1970. Each hour has several
# rows, so that few transactions of one owner wait for each other.
ANSWER_TOTALS = Table(
    "answer_totals",
    METADATA,
    Column("owner", text(64), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger, nullable=False),
    Index("ix_answer_totals_hour", "hour"),
    **MARIADB_TABLE,
)

_BATCH_SIZE = 100
_PARTS = 8
_LOCKED_PART = 0
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED_HOURS = IDEMPOTENCY_TTL // _HOUR + 1
"""The number of hours that count towards the limit, including the whole oldest hour."""
_SHARE_OF_DEADLINE = 0.8
_RESERVE = insert(ANSWERS)
_OF_KEY = ANSWERS.c.request_key == bindparam("key")
_OF_KEYS = ANSWERS.c.request_key.in_(bindparam("keys", expanding=True))
_LOCK = select(ANSWERS).where(_OF_KEY).with_for_update()
_SET = update(ANSWERS).where(_OF_KEY)
_STORE = CompiledStatement(
    _SET.values({name: bindparam(name) for name in ("status", "headers", "body")})
)
_SUBJECT_NAMES = ANSWER_SUBJECTS.c.keys()
_ADD_SUBJECT = CompiledStatement(
    insert(ANSWER_SUBJECTS).values({name: bindparam(name) for name in _SUBJECT_NAMES})
)
# Skips rows that another transaction has locked.
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
_TOTAL = CompiledStatement(
    select(func.coalesce(func.sum(ANSWER_TOTALS.c.bytes), 0), func.min(ANSWER_TOTALS.c.hour)).where(
        _OF_OWNER
    )
)
_ADD_TO_TOTAL = Upsert(ANSWER_TOTALS, lambda new: {"bytes": ANSWER_TOTALS.c.bytes + new.bytes})
_DELETE_TOTALS = delete(ANSWER_TOTALS).where(ANSWER_TOTALS.c.hour <= bindparam("last"))

_EMPTY = {"digest": "", "status": None, "headers": None, "body": None}
_ERASE = update(ANSWERS).where(_OF_KEYS).values(_EMPTY)
_ERASE_WITHOUT_OWNER = (
    update(ANSWERS).where(ANSWERS.c.owner.is_(None) & ANSWERS.c.status.is_not(None))
).values(_EMPTY)
_CONTAINING = select(ANSWER_SUBJECTS.c.request_key).where(
    (ANSWER_SUBJECTS.c.subject_type == bindparam("of_type"))
    & (ANSWER_SUBJECTS.c.subject_id == bindparam("of_id"))
)
_DELETE_SUBJECTS = delete(ANSWER_SUBJECTS).where(
    ANSWER_SUBJECTS.c.request_key.in_(bindparam("keys", expanding=True))
)


class SqlIdempotencyStore(IdempotencyStore):
    """The stored responses in an open transaction.

    `limit` is the maximum number of bytes that are stored for one owner.
    """

    def __init__(self, connection: RawConnection, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._quotas: dict[str, _Quota] = {}

    def reserve(self, key: str, digest: str, *, owner: str, at: datetime) -> StoredResponse | None:
        reserved = {"request_key": key, "digest": digest, "creation_time": at, "owner": owner}
        if self._insert(reserved):
            self._delete_some_expired(at - IDEMPOTENCY_TTL)
            self._quotas[key] = self._quota(owner, at)
            return None
        row = self._connection.execute(_LOCK, {"key": key}).one_or_none()
        if row is None:
            raise ConcurrentUpdate
        if row.creation_time <= at - IDEMPOTENCY_TTL:
            self._connection.execute(_DELETE_SUBJECTS, {"keys": [key]})
            self._connection.execute(_SET, {**_EMPTY, **reserved, "key": key})
            self._quotas[key] = self._quota(owner, at)
            return None
        if row.status is None:
            raise ResponseErased
        if row.digest != digest:
            raise KeyReused
        return StoredResponse(row.status, json.loads(row.headers), row.body)

    def store(self, key: str, response: StoredResponse) -> None:
        headers = json.dumps(dict(response.headers))
        values = {"status": response.status, "headers": headers, "body": response.body}
        _STORE.queue(self._connection, {**values, "key": key})
        rows = [(key, *subject) for subject in sorted(response.subjects)]
        if len(rows) == 1:
            _ADD_SUBJECT.queue(self._connection, dict(zip(_SUBJECT_NAMES, rows[0], strict=True)))
        elif rows:
            insert_rows(self._connection, [*ANSWER_SUBJECTS.c], rows)
        for subject in sorted(response.subjects):
            certify(self._connection, "answers", *subject)
        # Last, because it locks a row for which other requests of the owner wait.
        quota, size = self._quotas.pop(key), len(headers) + len(response.body)
        quota.require(size)
        part = _LOCKED_PART if quota.is_locked else crc32(key.encode()) % _PARTS
        self._add_to_total(quota.owner, quota.hour, part=part, size=size)

    def erase(self, subject_type: str, subject_id: int) -> int:
        certify(self._connection, "answers", subject_type, subject_id)
        subject = {"of_type": subject_type, "of_id": subject_id}
        count = 0
        keys: Sequence[str] = self._connection.execute(_CONTAINING, subject).scalars().all()
        for start in range(0, len(keys), _BATCH_SIZE):
            batch = keys[start : start + _BATCH_SIZE]
            count += self._connection.execute(_ERASE, {"keys": batch}).rowcount
            self._connection.execute(_DELETE_SUBJECTS, {"keys": batch})
        return count + self._connection.execute(_ERASE_WITHOUT_OWNER).rowcount

    def delete_expired(self, until: datetime) -> int:
        last = _hour(until) - 1
        self._connection.execute(_DELETE_TOTALS, {"last": last})
        return self._delete_some_expired(until)

    def _delete_some_expired(self, until: datetime) -> int:
        rows = _EXPIRED.rows(self._connection, {"until": until, "count": _BATCH_SIZE})
        keys = [key for (key,) in rows]
        if keys:
            self._connection.execute(_DELETE, {"keys": keys})
        return len(keys)

    def _insert(self, row: dict[str, Any]) -> bool:
        """Inserts the key. Returns False if it exists. Waits for an open transaction that has it.

        Raises KeyInUse.
        """
        execute_raw(self._connection, "SAVEPOINT answers")
        try:
            with _limited_wait():
                self._connection.execute(_RESERVE, row)
        except IntegrityError:
            execute_raw(self._connection, "ROLLBACK TO SAVEPOINT answers")
            return False
        execute_raw(self._connection, "RELEASE SAVEPOINT answers")
        return True

    def _quota(self, owner: str, at: datetime) -> "_Quota":
        """The space that the owner has left. Raises TooManyStoredResponses if there is none.

        A transaction does not see what other open transactions of the owner will store. So once
        half of the limit is used, they run one after another: each locks a row of the hour.
        """
        hour = _hour(at)
        counted = {"key_owner": owner, "after": hour - _COUNTED_HOURS}
        stored, first_hour = self._total(counted)
        is_locked = self._limit < 2 * stored and self._connection.dialect.name != "sqlite"
        if is_locked:
            self._add_to_total(owner, hour, part=_LOCKED_PART, size=0)
            stored, first_hour = self._total(counted)
        until_free = _EPOCH + ((first_hour or hour) + _COUNTED_HOURS) * _HOUR - at
        retry_after = ceil(until_free.total_seconds())
        quota = _Quota(owner, hour, self._limit - stored, retry_after, is_locked)
        quota.require(1)
        return quota

    def _total(self, counted: Mapping[str, Any]) -> tuple[int, int | None]:
        """The number of stored bytes, and the hour of the oldest, or None."""
        row = _TOTAL.row(self._connection, counted)
        assert row is not None
        return int(row[0]), row[1]

    def _add_to_total(self, owner: str, hour: int, *, part: int, size: int) -> None:
        row = {"owner": owner, "hour": hour, "part": part, "bytes": size}
        _ADD_TO_TOTAL(self._connection, row)


class _Quota(NamedTuple):
    """The number of bytes that an owner may store, and of seconds until some become free.

    `is_locked`: no other transaction of the owner stores a response meanwhile.
    """

    owner: str
    hour: int
    available: int
    retry_after: int
    is_locked: bool

    def require(self, size: int) -> None:
        """Raises TooManyStoredResponses if fewer bytes are available."""
        if size > self.available:
            raise TooManyStoredResponses(self.retry_after)


def _hour(at: datetime) -> int:
    """The number of hours since 1970."""
    return (at - _EPOCH) // _HOUR


@contextmanager
def _limited_wait() -> Iterator[None]:
    """Limits the block to a share of the remaining time, which leaves some for the response.

    Raises KeyInUse if the database waits longer for another transaction.
    """
    try:
        with deadline((time_left() or 0.0) * _SHARE_OF_DEADLINE):
            yield
    except DBAPIError as error:
        if timed_out(error):
            raise KeyInUse from error
        raise
