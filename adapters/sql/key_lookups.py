"""Finds the ids of entities by the values of a unique key."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    Select,
    String,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
    true,
)

from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.id_lists import IdList, is_among


class KeyLookup:
    """The statements that find ids by the values of a column with a unique constraint."""

    def __init__(self, key: Column[Any], id_column: Column[int]) -> None:
        among = select(key, id_column).where(is_among(key, "keys"))
        self._plain = CompiledStatement(among)
        self._locking = CompiledStatement(among.with_for_update(key_share=True))
        self._plain_on_postgresql = CompiledStatement(_by_index(key, id_column))
        self._locking_on_postgresql = CompiledStatement(_by_index(key, id_column, lock=True))

    def ids(
        self, connection: RawConnection, keys: Collection[Any], *, for_update: bool
    ) -> Mapping[Any, int]:
        """Returns the ids by key.

        With `for_update`, locks the rows. On PostgreSQL, other transactions can insert rows that
        refer to them.
        """
        if not keys:
            return {}
        if connection.dialect.name == "postgresql":
            statement = self._locking_on_postgresql if for_update else self._plain_on_postgresql
        else:
            statement = self._locking if for_update else self._plain
        return {row[0]: row[1] for row in statement.rows(connection, {"keys": keys})}


def _by_index(key: Column[Any], id_column: Column[int], *, lock: bool = False) -> Select[Any]:
    """For PostgreSQL, which would read the whole table for 1,000 keys of 100,000.

    With LIMIT, it looks up each key in the index, which takes a quarter of the time or less.
    """
    # A cast to a text type with a length would truncate longer keys.
    key_type = Text() if isinstance(key.type, String) else key.type
    listed = cast(bindparam("keys", type_=IdList()), ARRAY(key_type))
    keys = func.unnest(listed).table_valued(column("key", key_type)).render_derived(name="_keys")
    of_key = select(key, id_column).where(key == keys.c.key).limit(1).correlate(keys)
    row = (of_key.with_for_update(key_share=True) if lock else of_key).lateral("_row")
    return select(*row.c).select_from(keys.join(row, true()))
