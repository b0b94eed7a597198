"""Many rows at once, without a statement for each: docs/decisions/0021-bulk.md."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Column, Integer, Table, bindparam, func, insert, select

from adapters.sql.connection import RawConnection
from adapters.sql.dialects import sqlite
from adapters.sql.dialects.postgresql_copy import copy_in
from adapters.sql.engine import is_exclusive
from adapters.sql.failures import VIOLATIONS, violated_constraint
from adapters.sql.transactions import execute_raw
from application.ports import ConcurrentUpdate

_ATTEMPTS = 4

Columns = Sequence[Column[Any]]
Rows = Sequence[Sequence[Any]]


class Bulk:
    """Adds rows to columns of a table, of which `key` is unique.

    `held` names that constraint in its databases; `id_column` is given by them.
    """

    def __init__(
        self,
        columns: Columns,
        *,
        id_column: Column[Any],
        key: Column[Any],
        held: Collection[str],
    ) -> None:
        self.columns = columns
        self.with_id = (id_column, *columns)
        self.key = key
        self.held = held
        self._position = columns.index(key)
        among = key.in_(bindparam("keys", expanding=True))
        self._taken = select(key).where(among)
        self._ids = select(key, id_column).where(among)
        between = id_column.between(bindparam("first"), bindparam("last"))
        self._given = select(id_column).where(between).order_by(id_column)
        # By name, which is quicker than to have it looked up for each.
        sequence = func.nextval(f"{id_column.table.name}_{id_column.name}_seq", type_=Integer())
        self._next_ids = select(sequence).select_from(
            func.generate_series(1, bindparam("count", type_=Integer()))
        )

    def first_positions(self, rows: Rows) -> dict[Any, int]:
        """The position of the first row of each key."""
        keys = self._keys(rows)
        return dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))

    def taken(self, connection: RawConnection, keys: Collection[Any]) -> Collection[Any]:
        """Those of the keys that are held."""
        return set(connection.execute(self._taken, {"keys": list(keys)}).scalars())

    def existing_ids(self, connection: RawConnection, ids: range) -> Sequence[int]:
        """Those of the ids that rows have."""
        ends = {"first": ids[0], "last": ids[-1]}
        return connection.execute(self._given, ends).scalars().all()

    def insert(self, connection: RawConnection, rows: Rows) -> Sequence[int]:
        """Insert the rows, and give their ids. Raises what the driver raises."""
        if connection.dialect.name == "postgresql":
            ids = connection.execute(self._next_ids, {"count": len(rows)}).scalars().all()
            insert_rows(connection, self.with_id, numbered(ids, rows))
            return ids
        insert_rows(connection, self.columns, rows)
        keys = self._keys(rows)
        found = connection.execute(self._ids, {"keys": keys})
        by_key = {row[0]: row[1] for row in found}
        return [by_key[key] for key in keys]

    def _keys(self, rows: Rows) -> list[Any]:
        return [row[self._position] for row in rows]


def numbered(ids: Sequence[int], rows: Rows) -> Rows:
    """The rows with their ids before them."""
    return [(each, *row) for each, row in zip(ids, rows, strict=True)]


class Inserter(Protocol):
    """Adds rows in the transaction that is open on a connection."""

    def add(self, rows: Rows) -> Mapping[int, int]:
        """Insert them in their order; the ids by their positions, without those whose key was held.

        ConcurrentUpdate if others take keys again and again meanwhile.
        """


def inserter(bulk: Bulk, connection: RawConnection) -> Inserter:
    """In the way of the database."""
    if connection.dialect.name == "sqlite":
        return _ExclusiveInserter(bulk, connection)
    return _ConcurrentInserter(bulk, connection)


class _ExclusiveInserter(Inserter):
    """On SQLite, where nobody else can write: the next ids are known, and the statement itself
    passes over a row whose key is held. A savepoint would copy each page that it touches."""

    def __init__(self, bulk: Bulk, connection: RawConnection) -> None:
        self._bulk = bulk
        self._connection = connection

    def add(self, rows: Rows) -> Mapping[int, int]:
        if not rows:
            return {}
        columns = self._bulk.with_id
        ids = sqlite.next_ids(self._connection, columns[0], len(rows))
        count = sqlite.insert_many(
            self._connection, columns, numbered(ids, rows), unless_held=self._bulk.key
        )
        added = ids if count == len(rows) else self._bulk.existing_ids(self._connection, ids)
        return {each - ids[0]: each for each in added}


class _ConcurrentInserter(Inserter):
    """Most often no key is held, and the database finds out for nothing as it takes the rows. Once
    it refused some, keys are looked up first, for as long as that finds any."""

    def __init__(self, bulk: Bulk, connection: RawConnection) -> None:
        self._bulk = bulk
        self._connection = connection
        self._looks_first = False

    def add(self, rows: Rows) -> Mapping[int, int]:
        firsts = self._bulk.first_positions(rows)
        for _ in range(_ATTEMPTS):
            taken = self._bulk.taken(self._connection, firsts) if self._looks_first else ()
            kept = sorted(position for key, position in firsts.items() if key not in taken)
            ids = self._inserted([rows[position] for position in kept])
            if ids is not None:
                self._looks_first = bool(taken)
                return dict(zip(kept, ids, strict=True))
            self._looks_first = True
        raise ConcurrentUpdate

    def _inserted(self, rows: Rows) -> Sequence[int] | None:
        """Their ids; None if they are not in, and the transaction is as it was before."""
        if not rows:
            return ()
        execute_raw(self._connection, "SAVEPOINT bulk")
        try:
            ids = self._bulk.insert(self._connection, rows)
        except VIOLATIONS as error:
            if violated_constraint(error) not in self._bulk.held:
                raise
            execute_raw(self._connection, "ROLLBACK TO SAVEPOINT bulk")
            return None
        execute_raw(self._connection, "RELEASE SAVEPOINT bulk")
        return ids


def insert_rows(connection: RawConnection, columns: Columns, rows: Rows) -> None:
    """Insert rows in the way of the database that is fastest.

    Raises what the driver raises.
    """
    if connection.dialect.name == "sqlite":
        sqlite.insert_many(connection, columns, rows)
    elif connection.dialect.name == "postgresql" and is_exclusive(connection.engine):
        copy_in(connection, columns, rows)
    else:
        _insert(connection, columns, rows)


def _insert(connection: RawConnection, columns: Columns, rows: Rows) -> None:
    """In statements of many rows each."""
    table, names = columns[0].table, [column.name for column in columns]
    assert isinstance(table, Table)
    connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
