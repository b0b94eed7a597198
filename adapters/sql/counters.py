"""Lists of recent times by key, in a transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import bindparam, delete, select

from adapters.sql.account_tables import COUNTERS
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.expired_rows import ExpiredRows
from adapters.sql.id_lists import is_among
from adapters.sql.upsert import Upsert, upserts
from application.ports import Counters

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MAX_STATEMENTS: Final = 16
_READ_TIMES = CompiledStatement(
    select(COUNTERS.c.key, COUNTERS.c.times).where(is_among(COUNTERS.c.key, "keys"))
)
READ_TIMES_OF_SUBJECT: Final = CompiledStatement(
    select(COUNTERS.c.key, COUNTERS.c.times).where(COUNTERS.c.subject == bindparam("of_subject"))
)
_SAVE = Upsert(COUNTERS)
_REMOVE = CompiledStatement(delete(COUNTERS).where(is_among(COUNTERS.c.key, "keys")))
_REMOVE_OF_SUBJECT = CompiledStatement(
    delete(COUNTERS).where(COUNTERS.c.subject == bindparam("of_subject"))
)
_EXPIRED = ExpiredRows(COUNTERS.c.expiry_time)


@lru_cache(_MAX_STATEMENTS)
def _lock_statement(count: int, database: str) -> CompiledStatement:
    """The statement that locks this number of keys, and inserts rows for keys without a row.

    It assigns an existing row the key that it has already, which locks it. A new row has expired,
    so it is deleted later if it never gets times.
    """
    rows: list[dict[str, Any]] = [
        {
            "key": bindparam(f"key{n}"),
            "times": bindparam("times"),
            "expiry_time": bindparam("epoch"),
        }
        for n in range(count)
    ]
    statement = upserts(COUNTERS, rows, ["key"], lambda new: {"key": new.key})[database]
    return CompiledStatement(statement.returning(COUNTERS.c.key, COUNTERS.c.times))


def times_by_key(rows: Iterable[Sequence[Any]]) -> dict[str, Sequence[datetime]]:
    """Returns the times of each key from rows of keys and milliseconds."""
    return {row[0]: tuple(_EPOCH + each * _MILLISECOND for each in row[1]) for row in rows}


def _times_of(
    keys: Collection[str], rows: Iterable[Sequence[Any]]
) -> dict[str, Sequence[datetime]]:
    """Returns the times of each of the keys. A key without a row has none."""
    times = times_by_key(rows)
    return {key: times.get(key, ()) for key in keys}


class SqlCounters(Counters):
    """The counters in an open transaction."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection

    def lock(self, keys: Collection[str]) -> Mapping[str, Sequence[datetime]]:
        """On SQLite, the transaction excludes all others."""
        if self._connection.dialect.name == "sqlite":
            return self.read(keys)
        ascending = sorted(set(keys))
        if not ascending:
            return {}
        values: dict[str, Any] = {f"key{n}": key for n, key in enumerate(ascending)}
        values |= {"times": [], "epoch": _EPOCH}
        statement = _lock_statement(len(ascending), self._connection.dialect.name)
        return _times_of(ascending, statement.rows(self._connection, values))

    def read(self, keys: Collection[str]) -> Mapping[str, Sequence[datetime]]:
        if not keys:
            return {}
        rows = _READ_TIMES.rows(self._connection, {"keys": list(keys)})
        return _times_of(keys, rows)

    def save(
        self, key: str, times: Sequence[datetime], *, subject: str | None, expiry: datetime
    ) -> None:
        milliseconds = [(time - _EPOCH) // _MILLISECOND for time in times]
        row = {"key": key, "subject": subject, "times": milliseconds, "expiry_time": expiry}
        _SAVE(self._connection, row)

    def remove(self, keys: Collection[str]) -> None:
        if keys:
            _REMOVE.execute(self._connection, {"keys": list(keys)})

    def remove_of_subject(self, subject: str) -> None:
        _REMOVE_OF_SUBJECT.execute(self._connection, {"of_subject": subject})

    def delete_expired(self, until: datetime) -> int:
        return _EXPIRED.delete_some(self._connection, until)
