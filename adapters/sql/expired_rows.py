"""Deletes expired rows in batches."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Integer, bindparam, delete, select

from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection

BATCH_SIZE: Final = 100
"""The maximum number of rows that are deleted at a time."""


class ExpiredRows:
    """The rows of a table whose time is in the past. `key` is the column of the primary key.

    Skips rows that another transaction has locked.
    """

    def __init__(self, key: Column[Any], time: Column[datetime]) -> None:
        self._find = CompiledStatement(
            select(key)
            .where(time <= bindparam("until", type_=time.type))
            .limit(bindparam("count", type_=Integer()))
            .with_for_update(skip_locked=True)
        )
        self._delete = delete(key.table).where(key.in_(bindparam("keys", expanding=True)))

    def delete_some(self, connection: RawConnection, until: datetime) -> int:
        """Delete at most BATCH_SIZE rows whose time is not after `until`. Returns their number."""
        rows = self._find.rows(connection, {"until": until, "count": BATCH_SIZE})
        if rows:
            connection.execute(self._delete, {"keys": [key for (key,) in rows]})
        return len(rows)
