"""The table of kept answers, and the answers in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    bindparam,
    delete,
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
from application.ports import KEPT_FOR, Answer, Answers, KeyInUse, KeyReused, Overtaken

ANSWERS = Table(
    "answers",
    METADATA,
    Column("request_key", text(64), primary_key=True),
    Column("digest", text(64), nullable=False),
    Column("creation_time", Instant, nullable=False),
    Column("status", Integer),
    Column("headers", text()),
    Column("body", LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb")),
    Index(None, "creation_time"),
    mariadb_engine="InnoDB",
    mariadb_default_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
)

_SWEPT = 100
_SHARE_OF_DEADLINE = 0.8
_RESERVE = insert(ANSWERS)
_OF_KEY = ANSWERS.c.request_key == bindparam("key")
_HOLD = select(ANSWERS).where(_OF_KEY).with_for_update()
_SET = update(ANSWERS).where(_OF_KEY)
# Those that another unit holds are left to it.
_OLD = (
    select(ANSWERS.c.request_key)
    .where(ANSWERS.c.creation_time <= bindparam("since"))
    .limit(_SWEPT)
    .with_for_update(skip_locked=True)
)
_SWEEP = delete(ANSWERS).where(ANSWERS.c.request_key.in_(bindparam("keys", expanding=True)))


class SqlAnswers(Answers):
    """The answers of a transaction that is open."""

    def __init__(self, connection: Pooled) -> None:
        self._connection = connection

    def reserve(self, key: str, digest: str, *, at: datetime) -> Answer | None:
        fresh = {"request_key": key, "digest": digest, "creation_time": at}
        if self._inserted(fresh):
            self._sweep(at - KEPT_FOR)
            return None
        row = self._connection.execute(_HOLD, {"key": key}).one_or_none()
        if row is None:
            raise Overtaken
        if row.creation_time <= at - KEPT_FOR:
            self._connection.execute(_SET, {**fresh, "key": key})
            return None
        if row.digest != digest:
            raise KeyReused
        return Answer(row.status, json.loads(row.headers), row.body)

    def keep(self, key: str, answer: Answer) -> None:
        headers = json.dumps(dict(answer.headers))
        values = {"status": answer.status, "headers": headers, "body": answer.body}
        self._connection.execute(_SET, {**values, "key": key})

    def _inserted(self, row: dict[str, Any]) -> bool:
        """Whether the key was free. Waits for whoever has taken it, and has not committed."""
        send(self._connection, "SAVEPOINT answers")
        try:
            with _waiting():
                self._connection.execute(_RESERVE, row)
        except IntegrityError:
            send(self._connection, "ROLLBACK TO SAVEPOINT answers")
            return False
        send(self._connection, "RELEASE SAVEPOINT answers")
        return True

    def _sweep(self, since: datetime) -> None:
        if old := self._connection.execute(_OLD, {"since": since}).scalars().all():
            self._connection.execute(_SWEEP, {"keys": old})


@contextmanager
def _waiting() -> Iterator[None]:
    """KeyInUse if the database waited for another transaction, with time left to say so."""
    try:
        with within((remaining() or 0.0) * _SHARE_OF_DEADLINE):
            yield
    except DBAPIError as error:
        if gave_up(error):
            raise KeyInUse from error
        raise
