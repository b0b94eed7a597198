"""Inserts a row, or updates the row that has its key."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Table, bindparam
from sqlalchemy.dialects import mysql, postgresql, sqlite

from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection


class Upsert:
    """The statement that inserts a row into a table, or updates the row with its primary key.

    `updated` returns the new values of an existing row, by column. Its argument has the columns of
    the new row. By default, an existing row gets all values of the new row.
    """

    def __init__(
        self, table: Table, updated: Callable[[Any], Mapping[str, Any]] | None = None
    ) -> None:
        keys = [column.name for column in table.primary_key.columns]
        names = [name for name in table.c.keys() if name not in keys]  # noqa: SIM118 (not a dict)
        row: dict[str, Any] = {name: bindparam(name) for name in table.c.keys()}  # noqa: SIM118
        statements = upserts(table, row, keys, updated or _copy(names))
        self._statements = {
            database: CompiledStatement(statement) for database, statement in statements.items()
        }

    def __call__(self, connection: RawConnection, row: Mapping[str, Any]) -> None:
        """Runs the statement. Raises the driver's error."""
        self._statements[connection.dialect.name].execute(connection, row)


def _copy(names: Sequence[str]) -> Callable[[Any], Mapping[str, Any]]:
    return lambda new: {name: new[name] for name in names}


def upserts(
    table: Table, rows: Any, keys: Sequence[str], updated: Callable[[Any], Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns, by database, the statement that inserts the rows or updates those with their keys.

    `updated` returns the new values of an existing row. Its argument has the columns of the new
    row.
    """
    on_sqlite = sqlite.insert(table).values(rows)
    on_postgresql = postgresql.insert(table).values(rows)
    on_mariadb = mysql.insert(table).values(rows)
    statements: dict[str, Insert] = {
        "sqlite": on_sqlite.on_conflict_do_update(
            index_elements=keys, set_=updated(on_sqlite.excluded)
        ),
        "postgresql": on_postgresql.on_conflict_do_update(
            index_elements=keys, set_=updated(on_postgresql.excluded)
        ),
        "mariadb": on_mariadb.on_duplicate_key_update(dict(updated(on_mariadb.inserted))),
    }
    return statements
