"""Many rows at once, without a statement for each: docs/decisions/0021-bulk.md."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Column, Table, bindparam, insert, select

from adapters.sql import sqlite
from adapters.sql.copying import copy_in
from adapters.sql.engine import is_alone
from adapters.sql.failures import VIOLATIONS, violated
from adapters.sql.pooled import Pooled
from adapters.sql.transactions import send
from application.ports import Overtaken

_ATTEMPTS = 4

Columns = Sequence[Column[Any]]
Rows = Sequence[Sequence[Any]]


class Bulk:
    """Adds rows to columns of a table, none of them null, of which `key` is unique.

    `held` names that constraint in its databases.
    """

    def __init__(self, columns: Columns, *, key: Column[Any], held: Collection[str]) -> None:
        self.columns = columns
        self.held = held
        self._key = columns.index(key)
        self._taken = select(key).where(key.in_(bindparam("keys", expanding=True)))

    def firsts(self, rows: Rows) -> dict[Any, int]:
        """The position of the first row of each key."""
        keys = [row[self._key] for row in rows]
        return dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))

    def taken(self, connection: Pooled, keys: Collection[Any]) -> Collection[Any]:
        """Those of the keys that are held."""
        return set(connection.execute(self._taken, {"keys": list(keys)}).scalars())


class Adding:
    """Adds rows in the transaction that is open on a connection.

    Most often no key is held, and the database finds out for nothing as it takes the rows. Once it
    refused some, keys are looked up first, for as long as that finds any.
    """

    def __init__(self, bulk: Bulk, connection: Pooled) -> None:
        self._bulk = bulk
        self._connection = connection
        # On SQLite others can't write meanwhile, and a savepoint would copy each page it touches.
        self._writes_alone = connection.dialect.name == "sqlite"
        self._looks_first = self._writes_alone

    def add(self, rows: Rows) -> Collection[int]:
        """Insert them in their order; the positions of those whose key was held are given back.

        Overtaken if others take keys again and again meanwhile.
        """
        firsts = self._bulk.firsts(rows)
        for _ in range(_ATTEMPTS):
            taken = self._bulk.taken(self._connection, firsts) if self._looks_first else ()
            kept = sorted(position for key, position in firsts.items() if key not in taken)
            if self._inserted([rows[position] for position in kept]):
                self._looks_first = bool(taken) or self._writes_alone
                return sorted(set(range(len(rows))).difference(kept))
            self._looks_first = True
        raise Overtaken

    def _inserted(self, rows: Rows) -> bool:
        """Whether they are in; if not, the transaction is as it was before."""
        if not rows:
            return True
        if self._writes_alone:
            insert_rows(self._connection, self._bulk.columns, rows)
            return True
        send(self._connection, "SAVEPOINT bulk")
        try:
            insert_rows(self._connection, self._bulk.columns, rows)
        except VIOLATIONS as error:
            if violated(error) not in self._bulk.held:
                raise
            send(self._connection, "ROLLBACK TO SAVEPOINT bulk")
            return False
        send(self._connection, "RELEASE SAVEPOINT bulk")
        return True


def insert_rows(connection: Pooled, columns: Columns, rows: Rows) -> None:
    """Insert rows, none of whose values is null, in the way of the database that is fastest.

    Raises what the driver raises.
    """
    if connection.dialect.name == "sqlite":
        sqlite.insert_many(connection, columns, rows)
    elif connection.dialect.name == "postgresql" and is_alone(connection.engine):
        copy_in(connection, columns, rows)
    else:
        _insert(connection, columns, rows)


def _insert(connection: Pooled, columns: Columns, rows: Rows) -> None:
    """In statements of many rows each."""
    table, names = columns[0].table, [column.name for column in columns]
    assert isinstance(table, Table)
    connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
