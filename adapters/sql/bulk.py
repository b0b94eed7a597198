"""Inserts many rows at once (docs/decisions/0021-bulk-import-and-export.md)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, Integer, Table, bindparam, func, insert, select

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
    """The statements that insert rows into these columns of a table.

    The database generates `id_column`. `unique` are the columns with a unique constraint.
    `constraints` are the names of these constraints in error messages.
    """

    def __init__(
        self,
        columns: Columns,
        *,
        id_column: Column[Any],
        unique: Sequence[Column[Any]],
        constraints: Collection[str],
    ) -> None:
        self.columns = columns
        self.columns_with_id = (id_column, *columns)
        self.id_column = id_column
        self.constraints = constraints
        # A derived column that is null in every row is not among the columns.
        self.unique = [column for column in unique if column in columns]
        self._positions = {column: columns.index(column) for column in self.unique}
        self._select_keys = {column: select(column).where(_among(column)) for column in self.unique}
        self._select_ids = {
            column: select(column, id_column).where(_among(column)) for column in unique
        }
        between = id_column.between(bindparam("first"), bindparam("last"))
        self._select_ids_between = select(id_column).where(between).order_by(id_column)
        # The name of the sequence, which is faster than `pg_get_serial_sequence` for each row.
        sequence = func.nextval(f"{id_column.table.name}_{id_column.name}_seq", type_=Integer())
        self._select_next_ids = select(sequence).select_from(
            func.generate_series(1, bindparam("count", type_=Integer()))
        )

    def key_in(self, column: Column[Any], row: Sequence[Any]) -> Any:
        """The value of a unique column in a row, or None if the rows do not have the column."""
        return row[self._positions[column]] if column in self._positions else None

    def free_positions(
        self, rows: Rows, existing: Mapping[Column[Any], Collection[Any]]
    ) -> list[int]:
        """The positions of the rows that share no key with an earlier row or with `existing`."""
        seen = [
            (position, set(existing.get(column, ())))
            for column, position in self._positions.items()
        ]
        free = []
        for row_position, row in enumerate(rows):
            keys = [(row[position], seen_keys) for position, seen_keys in seen]
            if any(key in seen_keys for key, seen_keys in keys):
                continue
            free.append(row_position)
            for key, seen_keys in keys:
                if key is not None:
                    seen_keys.add(key)
        return free

    def existing_keys_by_column(
        self, connection: RawConnection, rows: Rows
    ) -> dict[Column[Any], Collection[Any]]:
        """Finds the keys of the rows that already exist in the table, by unique column."""
        return {
            column: self.existing_keys(connection, column, {row[position] for row in rows} - {None})
            for column, position in self._positions.items()
        }

    def existing_keys(
        self, connection: RawConnection, column: Column[Any], keys: Collection[Any]
    ) -> Collection[Any]:
        """Finds which of the keys already exist in the unique column."""
        if not keys or column not in self._select_keys:
            return ()
        return set(connection.execute(self._select_keys[column], {"keys": list(keys)}).scalars())

    def existing_ids(self, connection: RawConnection, ids: range) -> Sequence[int]:
        """Finds which of the ids exist, in ascending order."""
        bounds = {"first": ids[0], "last": ids[-1]}
        return connection.execute(self._select_ids_between, bounds).scalars().all()

    def insert(self, connection: RawConnection, rows: Rows) -> Sequence[int]:
        """Inserts the rows, and returns their ids in order. Raises the driver's error."""
        if connection.dialect.name == "postgresql":
            ids = connection.execute(self._select_next_ids, {"count": len(rows)}).scalars().all()
            insert_rows(connection, self.columns_with_id, with_ids(ids, rows))
            return ids
        for column, position in self._positions.items():
            keys = [row[position] for row in rows]
            if None not in keys:
                insert_rows(connection, self.columns, rows)
                result = connection.execute(self._select_ids[column], {"keys": keys})
                ids_by_key = {row[0]: row[1] for row in result}
                return [ids_by_key[key] for key in keys]
        return self._insert_returning(connection, rows)

    def _insert_returning(self, connection: RawConnection, rows: Rows) -> Sequence[int]:
        """Inserts one row at a time, because no unique key identifies the rows afterwards."""
        names = [column.name for column in self.columns]
        statement = insert(self.id_column.table).returning(self.id_column)
        return [
            connection.execute(statement, dict(zip(names, row, strict=True))).scalar_one()
            for row in rows
        ]


def _among(column: Column[Any]) -> ColumnElement[bool]:
    return column.in_(bindparam("keys", expanding=True))


def with_ids(ids: Sequence[int], rows: Rows) -> Rows:
    """The rows, each with its id in front."""
    return [(row_id, *row) for row_id, row in zip(ids, rows, strict=True)]


class Inserter(Protocol):
    """Inserts rows in the open transaction of a connection."""

    def add(self, rows: Rows) -> Mapping[int, int]:
        """Inserts the rows in order, and skips rows with a key that exists already.

        Returns the ids by the positions of the rows. Raises ConcurrentUpdate if other transactions
        insert the same keys during several attempts.
        """


def inserter(bulk: Bulk, connection: RawConnection) -> Inserter:
    """Creates the inserter for the connection's database."""
    if connection.dialect.name == "sqlite":
        return _ExclusiveInserter(bulk, connection)
    return _ConcurrentInserter(bulk, connection)


class _ExclusiveInserter(Inserter):
    """Inserts rows on SQLite, where no other connection can write.

    So the next ids are known, and the statement itself skips a row with an existing key. This needs
    no savepoint, for which SQLite would copy every page that changes.
    """

    def __init__(self, bulk: Bulk, connection: RawConnection) -> None:
        self._bulk = bulk
        self._connection = connection

    def add(self, rows: Rows) -> Mapping[int, int]:
        if not rows:
            return {}
        columns = self._bulk.columns_with_id
        ids = sqlite.next_ids(self._connection, columns[0], len(rows))
        count = sqlite.insert_many(
            self._connection, columns, with_ids(ids, rows), skip_existing=bool(self._bulk.unique)
        )
        added = ids if count == len(rows) else self._bulk.existing_ids(self._connection, ids)
        return {row_id - ids[0]: row_id for row_id in added}


class _ConcurrentInserter(Inserter):
    """Inserts rows optimistically, without a check for existing keys.

    After a uniqueness violation, it checks for existing keys before each batch, until a batch has
    none.
    """

    def __init__(self, bulk: Bulk, connection: RawConnection) -> None:
        self._bulk = bulk
        self._connection = connection
        self._checks_keys = False

    def add(self, rows: Rows) -> Mapping[int, int]:
        for _ in range(_ATTEMPTS):
            existing = (
                self._bulk.existing_keys_by_column(self._connection, rows)
                if self._checks_keys
                else {}
            )
            free = self._bulk.free_positions(rows, existing)
            ids = self._try_insert([rows[position] for position in free])
            if ids is not None:
                self._checks_keys = any(existing.values())
                return dict(zip(free, ids, strict=True))
            self._checks_keys = True
        raise ConcurrentUpdate

    def _try_insert(self, rows: Rows) -> Sequence[int] | None:
        """Inserts all rows and returns their ids, or inserts none and returns None."""
        if not rows:
            return ()
        execute_raw(self._connection, "SAVEPOINT bulk")
        try:
            ids = self._bulk.insert(self._connection, rows)
        except VIOLATIONS as error:
            if violated_constraint(error) not in self._bulk.constraints:
                raise
            execute_raw(self._connection, "ROLLBACK TO SAVEPOINT bulk")
            return None
        execute_raw(self._connection, "RELEASE SAVEPOINT bulk")
        return ids


def insert_rows(connection: RawConnection, columns: Columns, rows: Rows) -> None:
    """Inserts rows in the fastest way that the database has. Raises the driver's error."""
    if connection.dialect.name == "sqlite":
        sqlite.insert_many(connection, columns, rows)
    elif connection.dialect.name == "postgresql" and is_exclusive(connection.engine):
        copy_in(connection, columns, rows)
    else:
        _insert(connection, columns, rows)


def _insert(connection: RawConnection, columns: Columns, rows: Rows) -> None:
    """Inserts with multi-row statements."""
    table, names = columns[0].table, [column.name for column in columns]
    assert isinstance(table, Table)
    connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
