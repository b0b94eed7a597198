"""Whether a database is fit to serve: its tables are there, and Roster's user may change them.

The encoding and the version of the server are checked whenever a connection is opened. The tables
are those that METADATA declares, so that a later one is covered as well.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, Table

from adapters.sql.failures import ForeignTable, NotMigrated, NotPermitted, UnknownFailure
from adapters.sql.metadata import METADATA
from adapters.sql.private_files import file_of
from adapters.sql.schema import VERSION_TABLE, is_servable, revision_of
from adapters.sql.transactions import core_connection
from application.ports import Unavailable

_PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_LEAST_SPACE: Final = 1024**2
"""Bytes. A change takes some pages of 4 KiB in the write-ahead log, operations take many."""


def check_database(engine: Engine) -> None:
    """Raise Unavailable, which says why, unless requests find all that they need.

    NotMigrated if the tables are older than this release or missing, NotPermitted if a privilege
    is missing, UnknownRevision, ForeignTable.
    """
    try:
        with core_connection(engine) as connection:
            database = connection.dialect.name
            if not is_servable(revision_of(connection)):
                if database == "postgresql":
                    _check_visible(connection)
                raise NotMigrated
            _CHECKS[database](connection)
            connection.exec_driver_sql(_every_column(connection))
    except UnknownFailure as error:
        raise Unavailable from error


def check_space(engine: Engine) -> None:
    """Raise Unavailable, which says why, if the disk of an SQLite file is full.

    The other checks write nothing, so that they succeed on a full disk.
    """
    if engine.dialect.name != "sqlite":
        return
    folder = Path(os.path.realpath(file_of(engine.url))).parent
    with suppress(OSError):
        disk = os.statvfs(folder)
        blocks = disk.f_bavail if os.geteuid() else disk.f_bfree  # root may use reserved blocks
        # Some file systems do not know their size.
        if disk.f_blocks and blocks * disk.f_frsize < _LEAST_SPACE:
            failure = Unavailable()
            failure.reason = (
                f"Less than {_LEAST_SPACE // 1024**2} MiB is free in {folder}. "
                "Make room on the disk."
            )
            raise failure


def _every_column(connection: Connection) -> str:
    """A statement that fails unless every table has every column that is declared."""
    quote = connection.dialect.identifier_preparer.quote
    tables = METADATA.sorted_tables
    columns = [f"{quote(t.name)}.{quote(c.name)}" for t in tables for c in t.columns]
    names = ", ".join(quote(each.name) for each in tables)
    return f"SELECT {', '.join(columns)} FROM {names} WHERE 1 = 0"


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
    names = [each.name for each in METADATA.sorted_tables]
    found = connection.exec_driver_sql(_TABLES, (list(_PRIVILEGES), names)).all()
    if missing := [name for name, schema, *_ in found if schema is None]:
        raise NotMigrated(f"There is no table {', '.join(missing)}.")
    if len({schema for _, schema, *_ in found}) > 1:
        where = ", ".join(f"{schema}.{name}" for name, schema, *_ in found)
        raise ForeignTable(
            f"Roster's tables are found in several schemas ({where}). "
            "Set the role's search_path to the one that is Roster's."
        )
    if lacking := [f"{', '.join(p)} on {name}" for name, _, _, p, _ in found if p]:
        raise NotPermitted(
            f"The role {found[0][2]} lacks {'; '.join(lacking)}. Grant it: see docs/operations.md."
        )
    if hidden := [name for name, *_, is_secured in found if is_secured]:
        raise NotPermitted(
            f"Row-level security of {', '.join(hidden)} applies to the role {found[0][2]}, which "
            "would hide users or refuse changes. Disable it, or give the role BYPASSRLS."
        )


def _check_visible(connection: Connection) -> None:
    """Raise NotPermitted or NotMigrated if Roster's tables are in a schema that is not searched."""
    hidden = connection.exec_driver_sql(_HIDDEN, (VERSION_TABLE,)).one_or_none()
    if hidden is None:
        return
    schema, may_use, role = hidden
    if not may_use:
        raise NotPermitted(f"The role {role} lacks USAGE on the schema {schema}.")
    raise NotMigrated(f"The schema {schema} has tables of Roster: add it to the search_path?")


def _check_mariadb(connection: Connection) -> None:
    """By statements that change no row, since only those are sure to need the privileges."""
    for each in METADATA.sorted_tables:
        for statement in _no_op_statements(each, connection):
            connection.exec_driver_sql(statement)


def _no_op_statements(each: Table, connection: Connection) -> Sequence[str]:
    quote = connection.dialect.identifier_preparer.quote
    name, column = quote(each.name), quote(next(iter(each.columns)).name)
    return (
        f"INSERT INTO {name} SELECT * FROM {name} WHERE 1 = 0",
        f"UPDATE {name} SET {column} = {column} WHERE 1 = 0",
        f"DELETE FROM {name} WHERE 1 = 0",
    )


def _check_nothing(_: Connection) -> None:
    """SQLite has no privileges."""


_CHECKS: Final[Mapping[str, Callable[[Connection], None]]] = {
    "sqlite": _check_nothing,
    "postgresql": _check_postgresql,
    "mariadb": _check_mariadb,
}
