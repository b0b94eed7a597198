"""Inserts a row, or updates the row that has its key."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Table, bindparam
from sqlalchemy.dialects import mysql, postgresql, sqlite

from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection


class Upsert:
    """The statement that inserts a row into a table, or updates the row with its primary key.

    `updated` are the columns that an existing row gets from the new row. They are all columns
    outside the key by default.
    """

    def __init__(self, table: Table, updated: Sequence[str] | None = None) -> None:
        keys = [column.name for column in table.primary_key.columns]
        names = [name for name in table.c.keys() if name not in keys]  # noqa: SIM118 (not a dict)
        row: dict[str, Any] = {name: bindparam(name) for name in table.c.keys()}  # noqa: SIM118
        self._statements = {
            database: CompiledStatement(statement)
            for database, statement in upserts(table, row, keys, updated or names).items()
        }

    def __call__(self, connection: RawConnection, row: Mapping[str, Any]) -> None:
        """Runs the statement. Raises the driver's error."""
        self._statements[connection.dialect.name].count(connection, row)


def upserts(table: Table, rows: Any, keys: Sequence[str], updated: Sequence[str]) -> dict[str, Any]:
    """Returns, by database, the statement that inserts the rows or updates those with their keys.

    `updated` are the columns that an existing row gets from its new row.
    """
    on_sqlite = sqlite.insert(table).values(rows)
    on_postgresql = postgresql.insert(table).values(rows)
    on_mariadb = mysql.insert(table).values(rows)
    statements: dict[str, Insert] = {
        "sqlite": on_sqlite.on_conflict_do_update(
            index_elements=keys, set_={name: on_sqlite.excluded[name] for name in updated}
        ),
        "postgresql": on_postgresql.on_conflict_do_update(
            index_elements=keys, set_={name: on_postgresql.excluded[name] for name in updated}
        ),
        "mariadb": on_mariadb.on_duplicate_key_update(
            {name: on_mariadb.inserted[name] for name in updated}
        ),
    }
    return statements
