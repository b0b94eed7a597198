"""The tables of stored responses, and the responses in them."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from math import ceil
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.mysql import MEDIUMBLOB
from sqlalchemy.exc import DBAPIError, IntegrityError

from adapters.sql.columns import Instant, text
from adapters.sql.failures import gave_up
from adapters.sql.metadata import METADATA
from adapters.sql.pooled import Pooled
from adapters.sql.transactions import send
from application.deadlines import remaining, within
from application.ports import (
    KEPT_FOR,
    Answer,
    Answers,
    KeyInUse,
    KeyReused,
    Overtaken,
    ResponseErased,
    TooManyStoredResponses,
)

# A response of the release before has no owner: it is not known which resources it contains.
ANSWERS = Table(
    "answers",
    METADATA,
    Column("request_key", text(64), primary_key=True),
    Column("digest", text(64), nullable=False),
    Column("creation_time", Instant, nullable=False),
    Column("status", Integer),
    Column("headers", text()),
    Column("body", LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb")),
    Column("owner", text(64)),
    Column("size", Integer),
    Index(None, "creation_time"),
    Index("ix_answers_owner_creation_time", "owner", "creation_time"),
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

_AT_ONCE = 100
_SHARE_OF_DEADLINE = 0.8
_RESERVE = insert(ANSWERS)
_OF_KEY = ANSWERS.c.request_key == bindparam("key")
_OF_KEYS = ANSWERS.c.request_key.in_(bindparam("keys", expanding=True))
_HOLD = select(ANSWERS).where(_OF_KEY).with_for_update()
_SET = update(ANSWERS).where(_OF_KEY)
# Rows that another transaction holds are left to it.
_EXPIRED = (
    select(ANSWERS.c.request_key)
    .where(ANSWERS.c.creation_time <= bindparam("until"))
    .limit(_AT_ONCE)
    .with_for_update(skip_locked=True)
)
_DELETE = delete(ANSWERS).where(_OF_KEYS)

_OF_OWNER = (ANSWERS.c.owner == bindparam("key_owner")) & (
    ANSWERS.c.creation_time > bindparam("since")
)
_STORED = select(
    func.coalesce(func.sum(ANSWERS.c.size), 0), func.min(ANSWERS.c.creation_time)
).where(_OF_OWNER)
_HOLD_OLDEST = (
    select(ANSWERS.c.request_key)
    .where(_OF_OWNER & ANSWERS.c.size.is_not(None))
    .order_by(ANSWERS.c.creation_time)
    .limit(1)
    .with_for_update()
)

_NOTHING = {"digest": "", "status": None, "headers": None, "body": None, "size": 0}
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


class SqlAnswers(Answers):
    """The responses of a transaction that is open. `limit` is the bytes of one owner in a day."""

    def __init__(self, connection: Pooled, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._available: dict[str, tuple[int, int]] = {}

    def reserve(self, key: str, digest: str, *, owner: str, at: datetime) -> Answer | None:
        reserved = {"request_key": key, "digest": digest, "creation_time": at, "owner": owner}
        if self._inserted(reserved):
            self.delete_expired(at - KEPT_FOR)
            self._check_limit(key, owner, at)
            return None
        row = self._connection.execute(_HOLD, {"key": key}).one_or_none()
        if row is None:
            raise Overtaken
        if row.creation_time <= at - KEPT_FOR:
            self._connection.execute(_FORGET_SUBJECTS, {"keys": [key]})
            self._connection.execute(_SET, {**_NOTHING, **reserved, "key": key})
            self._check_limit(key, owner, at)
            return None
        if row.status is None:
            raise ResponseErased
        if row.digest != digest:
            raise KeyReused
        return Answer(row.status, json.loads(row.headers), row.body)

    def keep(self, key: str, answer: Answer) -> None:
        headers = json.dumps(dict(answer.headers))
        size = len(headers) + len(answer.body)
        available, seconds = self._available.pop(key)
        if size > available:
            raise TooManyStoredResponses(seconds)
        values = {"status": answer.status, "headers": headers, "body": answer.body, "size": size}
        self._connection.execute(_SET, {**values, "key": key})
        if answer.subjects:
            rows = [
                {"request_key": key, "subject_type": type_, "subject_id": subject_id}
                for type_, subject_id in sorted(answer.subjects)
            ]
            self._connection.execute(insert(ANSWER_SUBJECTS), rows)

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
        keys = self._connection.execute(_EXPIRED, {"until": until}).scalars().all()
        if keys:
            self._connection.execute(_DELETE, {"keys": keys})
        return len(keys)

    def _inserted(self, row: dict[str, Any]) -> bool:
        """Whether the key was free. Waits for a transaction that has taken it and is open."""
        send(self._connection, "SAVEPOINT answers")
        try:
            with _waiting():
                self._connection.execute(_RESERVE, row)
        except IntegrityError:
            send(self._connection, "ROLLBACK TO SAVEPOINT answers")
            return False
        send(self._connection, "RELEASE SAVEPOINT answers")
        return True

    def _check_limit(self, key: str, owner: str, at: datetime) -> None:
        """Raises TooManyStoredResponses if the owner has nothing left to store.

        What other open transactions are about to store can't be seen. Near the limit they take
        turns, by the lock on the owner's oldest response.
        """
        of = {"key_owner": owner, "since": at - KEPT_FOR}
        stored, oldest = self._connection.execute(_STORED, of).one()
        if self._limit < 2 * stored and self._connection.dialect.name != "sqlite":
            self._connection.execute(_HOLD_OLDEST, of)
            stored, oldest = self._connection.execute(_STORED, of).one()
        available = self._limit - int(stored)
        seconds = ceil((oldest + KEPT_FOR - at).total_seconds())
        if available <= 0:
            raise TooManyStoredResponses(seconds)
        self._available[key] = available, seconds


@contextmanager
def _waiting() -> Iterator[None]:
    """Raises KeyInUse if the database waited too long for another transaction.

    Some of the deadline is left to answer.
    """
    try:
        with within((remaining() or 0.0) * _SHARE_OF_DEADLINE):
            yield
    except DBAPIError as error:
        if gave_up(error):
            raise KeyInUse from error
        raise
