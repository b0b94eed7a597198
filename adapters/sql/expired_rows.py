"""Deletes expired rows in batches."""

from datetime import datetime
from typing import Final

from sqlalchemy import Column, Integer, bindparam, delete, select, tuple_

from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection

BATCH_SIZE: Final = 100
"""The maximum number of rows that are deleted at a time."""


class ExpiredRows:
    """The rows of a table whose time is in the past. `time` is a column of the table.

    Skips rows that another transaction has locked.
    """

    def __init__(self, time: Column[datetime]) -> None:
        table = time.table
        keys = list(table.primary_key.columns)
        self._find = CompiledStatement(
            select(*keys)
            .where(time <= bindparam("until", type_=time.type))
            .limit(bindparam("count", type_=Integer()))
            .with_for_update(skip_locked=True)
        )
        self._is_single = len(keys) == 1
        key = keys[0] if self._is_single else tuple_(*keys)
        self._delete = delete(table).where(key.in_(bindparam("keys", expanding=True)))

    def delete_some(self, connection: RawConnection, until: datetime) -> int:
        """Deletes at most BATCH_SIZE rows whose time is not after `until`. Returns their number."""
        rows = self._find.rows(connection, {"until": until, "count": BATCH_SIZE})
        if rows:
            keys = [row[0] if self._is_single else tuple(row) for row in rows]
            connection.execute(self._delete, {"keys": keys})
        return len(rows)
