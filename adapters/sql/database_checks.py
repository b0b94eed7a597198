"""Readiness checks of a database: it has all tables and columns, and grants all privileges.

They check the tables that METADATA declares. The encoding and the version of the server are checked
when a connection is opened.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, Engine, Table

from adapters.sql.failures import ForeignTable, NotMigrated, NotPermitted, UnknownFailure
from adapters.sql.metadata import METADATA
from adapters.sql.schema import VERSION_TABLE, is_servable, revision_of
from adapters.sql.sqlite_file import MIN_FREE_BYTES, folder_of, free_bytes
from adapters.sql.transactions import core_connection
from application.ports import Unavailable

_PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")


def check_database(engine: Engine) -> None:
    """Checks that requests can use the database.

    Raises NotMigrated if the tables are missing or older than this release. Raises NotPermitted if
    a privilege is missing, UnknownRevision if the recorded revision is invalid, and ForeignTable if
    the tables are in several schemas. Raises Unavailable for any other failure.
    """
    try:
        with core_connection(engine) as connection:
            database = connection.dialect.name
            if not is_servable(revision_of(connection)):
                if database == "postgresql":
                    _check_visible(connection)
                raise NotMigrated
            _CHECKS[database](connection)
            connection.exec_driver_sql(_select_every_column(connection))
    except UnknownFailure as error:
        raise Unavailable from error


def check_space(engine: Engine) -> None:
    """Checks the free space on the disk of an SQLite file, because no other check writes to it.

    Raises Unavailable if less than 1 MiB is free.
    """
    if engine.dialect.name != "sqlite":
        return
    folder = folder_of(engine.url)
    free = free_bytes(folder)
    if free is not None and free < MIN_FREE_BYTES:
        failure = Unavailable()
        failure.reason = (
            f"Less than {MIN_FREE_BYTES // 1024**2} MiB is free in {folder}. "
            "Free space on the disk."
        )
        raise failure


def _select_every_column(connection: Connection) -> str:
    """A statement that fails if a declared table or column is missing.

    It has a subquery for each table. PostgreSQL would plan a join of all tables for 17 ms.
    """
    quote = connection.dialect.identifier_preparer.quote
    parts = []
    for table in METADATA.sorted_tables:
        columns = ", ".join(quote(column.name) for column in table.columns)
        parts.append(f"EXISTS (SELECT {columns} FROM {quote(table.name)} WHERE 1 = 0)")
    return f"SELECT {', '.join(parts)}"


_TABLES = """
SELECT t.name, c.relnamespace::regnamespace::text, current_user, ARRAY(
    SELECT p FROM unnest(%s) AS p WHERE NOT has_table_privilege(c.oid, p)
), coalesce(row_security_active(c.oid), false)
FROM unnest(%s) AS t(name) LEFT JOIN pg_class c ON c.oid = to_regclass(quote_ident(t.name))
ORDER BY t.name
"""
_HIDDEN = """
SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE'), current_user
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND NOT pg_table_is_visible(c.oid)
ORDER BY 2, 1 LIMIT 1
"""


def _check_postgresql(connection: Connection) -> None:
    names = [table.name for table in METADATA.sorted_tables]
    tables = connection.exec_driver_sql(_TABLES, (list(_PRIVILEGES), names)).all()
    if missing := [name for name, schema, *_ in tables if schema is None]:
        raise NotMigrated(f"There is no table {', '.join(missing)}.")
    if len({schema for _, schema, *_ in tables}) > 1:
        qualified = ", ".join(f"{schema}.{name}" for name, schema, *_ in tables)
        raise ForeignTable(
            f"Roster's tables are in several schemas ({qualified}). "
            "Set the role's search_path to Roster's schema."
        )
    role = tables[0][2]
    if lacking := [
        f"{', '.join(privileges)} on {name}" for name, _, _, privileges, _ in tables if privileges
    ]:
        raise NotPermitted(
            f"The role {role} lacks {'; '.join(lacking)}. Grant it: see docs/operations.md."
        )
    if secured := [name for name, *_, is_secured in tables if is_secured]:
        raise NotPermitted(
            f"Row-level security of {', '.join(secured)} applies to the role {role}, which "
            "would hide users or reject changes. Disable it, or give the role BYPASSRLS."
        )


def _check_visible(connection: Connection) -> None:
    """Checks that Roster's tables are not in a schema outside of the search_path.

    Raises NotPermitted or NotMigrated if they are.
    """
    hidden = connection.exec_driver_sql(_HIDDEN, (VERSION_TABLE,)).one_or_none()
    if hidden is None:
        return
    schema, may_use, role = hidden
    if not may_use:
        raise NotPermitted(f"The role {role} lacks USAGE on the schema {schema}.")
    raise NotMigrated(
        f"The schema {schema} has tables of Roster. Add it to the search_path of the role {role}."
    )


def _check_mariadb(connection: Connection) -> None:
    """Runs statements that change no row. They fail if a privilege is missing."""
    for table in METADATA.sorted_tables:
        for statement in _no_op_statements(table, connection):
            connection.exec_driver_sql(statement)


def _no_op_statements(table: Table, connection: Connection) -> Sequence[str]:
    quote = connection.dialect.identifier_preparer.quote
    name, column = quote(table.name), quote(next(iter(table.columns)).name)
    return (
        f"INSERT INTO {name} SELECT * FROM {name} WHERE 1 = 0",
        f"UPDATE {name} SET {column} = {column} WHERE 1 = 0",
        f"DELETE FROM {name} WHERE 1 = 0",
    )


def _check_nothing(_: Connection) -> None:
    """Checks nothing, because SQLite has no privileges."""


_CHECKS: Final[Mapping[str, Callable[[Connection], None]]] = {
    "sqlite": _check_nothing,
    "postgresql": _check_postgresql,
    "mariadb": _check_mariadb,
}
