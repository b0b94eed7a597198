"""Reads the revision of the database's schema, and migrates it.

Roster has its own revision table, because another application in the same database may use
Alembic's default table (docs/decisions/0038-shared-databases.md).

METADATA contains the tables of a resource after entrypoints/resources.py has imported its module.
Alembic takes half a second to import, so only the functions that need it import it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Table, column, func, inspect, select, table, text
from sqlalchemy.exc import SQLAlchemyError

from adapters.sql import (  # noqa: F401 (they declare their tables)
    account_tables,
    audit,
    idempotency,
    secrets,
)
from adapters.sql.failures import ForeignTable, UnknownRevision, translate_errors
from adapters.sql.metadata import METADATA

REVISION = "0011"
"""The revision that this release needs. A newer revision has a greater number."""

VERSION_TABLE: Final = "roster_version"
LEGACY_TABLE: Final = "alembic_version"
"""The table in which releases up to LAST_LEGACY record the revision."""
LAST_LEGACY: Final = "0005"

_REVISION_PATTERN = re.compile("[0-9]{4}")
_LEGACY_REVISIONS: Final = frozenset(f"{n:04}" for n in range(1, int(LAST_LEGACY) + 1))
_USERS_COLUMNS: Final = frozenset(
    {"id", "email", "email_key", "name", "name_key", "is_active", "role", "version"}
)
"""The columns of Roster's table of users since revision 0001, which identify it."""
_MARKER_COLUMN: Final = "roster"
"""The column that marks LEGACY_TABLE as Roster's after `adopt`."""

Report = Callable[[str], None]
"""Reports progress to the operator, in one line."""


class Loss(NamedTuple):
    """A table or column that a downgrade removes, and the number of rows that have it."""

    name: str
    rows: int


def is_servable(revision: str | None) -> bool:
    """Returns True if this release can use tables of this revision (its own or a newer one)."""
    return revision is not None and int(revision) >= int(REVISION)


def is_newer(revision: str | None) -> bool:
    """Returns True if a newer release migrated the tables."""
    return revision is not None and int(revision) > int(REVISION)


def revision_of(connection: Connection) -> str | None:
    """The revision of the database, or None if it was never migrated.

    Raises UnknownRevision if the recorded revision is not one of Roster's.
    """
    return _own_revision(connection) or _legacy_revision(connection)


def current(engine: Engine) -> str | None:
    """The revision of the database, or None if it was never migrated. Raises Unavailable."""
    with translate_errors(), engine.connect() as connection:
        return revision_of(connection)


def upgrade(engine: Engine, revision: str = "head", *, report: Report | None = None) -> None:
    """Migrates the database up to the revision.

    Does nothing if a newer release has migrated the database. Raises ForeignTable, before any
    change, if another application has a table that Roster needs to create. Raises Unavailable.
    """
    from alembic import command

    with translate_errors():
        if not is_newer(current(engine)):
            command.upgrade(_configuration(engine, report, _check_foreign_tables), revision)


def downgrade(engine: Engine, revision: str, *, report: Report | None = None) -> None:
    """Migrates the database down to the revision. "base" removes all tables. Raises Unavailable."""
    from alembic import command

    with translate_errors():
        command.downgrade(_configuration(engine, report), revision)


def losses(engine: Engine, revision: str | None) -> Sequence[Loss]:
    """The tables and columns that a downgrade to the revision would remove. Raises Unavailable.

    An interrupted downgrade may have removed some of them already.
    """
    from adapters.sql.revisions import revisions

    with translate_errors(), engine.connect() as connection:
        present = revision_of(connection) or ""
        undone = [each for each in revisions() if (revision or "") < each.number <= present]
        tables = [name for each in undone for name in each.tables]
        columns = [pair for each in undone for pair in each.columns if pair[0] not in tables]
        has_table = inspect(connection).has_table
        return [
            Loss(f"table {name}", _count(connection, name)) for name in tables if has_table(name)
        ] + [
            Loss(f"column {name} of {table_name}", _count(connection, table_name, name))
            for table_name, name in columns
            if name in _columns(connection, table_name)
        ]


def drift(engine: Engine) -> list[str]:
    """Compares the database with the tables that this release declares.

    Returns the differences. Ignores tables of other applications. Raises Unavailable, such as
    NotPermitted for a table that MariaDB hides from the user.
    """
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with translate_errors(), engine.connect() as connection, _plain_type_names(connection):
        # Alembic cannot compare a missing index of expressions.
        if missing := [*_missing(connection)]:
            return missing
        options = {"compare_type": True, "include_name": _is_compared}
        context = MigrationContext.configure(connection, opts=options)
        return [str(difference) for difference in compare_metadata(context, METADATA)]


def _missing(connection: Connection) -> Iterator[str]:
    """Describes each declared table or index that does not exist."""
    exists = inspect(connection).has_table
    for declared in METADATA.sorted_tables:
        if not exists(declared.name):
            yield f"there is no table {declared.name}"
            continue
        existing = _index_names(connection, declared.name)
        for index in sorted(each.name for each in declared.indexes if each.name):
            if _is_compared(index, "index", None) and index not in existing:
                yield f"there is no index {index}"


def _index_names(connection: Connection, table_name: str) -> set[str | None]:
    if connection.dialect.name == "sqlite":  # SQLAlchemy skips its indexes of expressions
        names = "SELECT name FROM pragma_index_list(?)"
        return {*connection.exec_driver_sql(names, (table_name,)).scalars()}
    return {each["name"] for each in inspect(connection).get_indexes(table_name)}


@contextmanager
def _plain_type_names(connection: Connection) -> Iterator[None]:
    """Prevents PostgreSQL from quoting the names of types, which SQLAlchemy would not recognize.

    The setting lasts for a transaction, so it does not reach other clients of a pooler.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.exec_driver_sql("BEGIN")
    try:
        connection.exec_driver_sql("SET LOCAL quote_all_identifiers = off")
        yield
    finally:
        with suppress(SQLAlchemyError):  # it fails only after the connection was lost
            connection.exec_driver_sql("ROLLBACK")


def adopt(connection: Connection, stamp: Callable[[str], None]) -> None:
    """Copies the revision from the table of earlier releases to Roster's own table.

    The old table remains, because earlier releases may still run and need it. A column marks it as
    Roster's, so that `mirror` never changes the table of another application.
    """
    if _own_revision(connection) is None and (revision := _legacy_revision(connection)):
        if not _is_marked(connection):
            statement = f"ALTER TABLE {LEGACY_TABLE} ADD COLUMN {_MARKER_COLUMN} INTEGER"
            connection.execute(text(statement))
        stamp(revision)


def mirror(connection: Connection, heads: Iterable[str]) -> None:
    """Records the revision in the table of earlier releases also, at most as LAST_LEGACY."""
    if not _is_marked(connection):
        return
    revision = max(heads, default=None)
    legacy = table(LEGACY_TABLE, column("version_num"))
    if revision is None:
        connection.execute(legacy.delete())
        return
    values = {"version_num": min(revision, LAST_LEGACY)}
    if not connection.execute(legacy.update().values(values)).rowcount:
        connection.execute(legacy.insert().values(values))


def _own_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revisions = _recorded_revisions(connection, VERSION_TABLE)
    if not revisions:
        return None
    if len(revisions) > 1 or not _REVISION_PATTERN.fullmatch(revisions[0]):
        raise UnknownRevision(f"The table {VERSION_TABLE} contains {', '.join(sorted(revisions))}.")
    return revisions[0]


def _legacy_revision(connection: Connection) -> str | None:
    """The revision in LEGACY_TABLE, if that table and the table of users are Roster's."""
    inspector = inspect(connection)
    if not (inspector.has_table("users") and inspector.has_table(LEGACY_TABLE)):
        return None
    is_own = _columns(connection, "users") >= _USERS_COLUMNS
    if not (is_own and "version_num" in _columns(connection, LEGACY_TABLE)):
        return None
    revisions = _recorded_revisions(connection, LEGACY_TABLE)
    return revisions[0] if len(revisions) == 1 and revisions[0] in _LEGACY_REVISIONS else None


def _is_marked(connection: Connection) -> bool:
    has_table = inspect(connection).has_table(LEGACY_TABLE)
    return has_table and _MARKER_COLUMN in _columns(connection, LEGACY_TABLE)


def _recorded_revisions(connection: Connection, name: str) -> list[str]:
    result = connection.execute(text(f"SELECT version_num FROM {name}"))
    return [str(revision) for revision in result.scalars()]


def _columns(connection: Connection, name: str) -> set[str]:
    return {description["name"] for description in inspect(connection).get_columns(name)}


def _check_foreign_tables(connection: Connection) -> None:
    """Raises ForeignTable if another application has a table that an upgrade would create.

    Ignores tables that an interrupted upgrade of Roster left behind: MariaDB commits each
    statement, and on PostgreSQL a revision commits before it builds indexes.
    """
    from adapters.sql.revisions import revisions

    present = revision_of(connection) or ""
    if present and connection.dialect.name == "postgresql":
        _check_schema(connection)
    inspector = inspect(connection)
    existing = {*inspector.get_table_names(), *inspector.get_view_names()}
    pending = [revision for revision in revisions() if revision.number > present]
    created = [name for revision in pending for name in revision.tables]
    foreign = [name for name in created if name in existing]
    if connection.dialect.name != "sqlite":
        foreign = [name for name in foreign if not _may_be_own(connection, name)]
    if foreign:
        raise ForeignTable(
            f"These tables or views already exist: {', '.join(foreign)}. "
            "Use a database, or a schema of PostgreSQL, without them."
        )


def _check_schema(connection: Connection) -> None:
    """Raises ForeignTable if PostgreSQL would create new tables in a schema other than Roster's."""
    schemas = connection.exec_driver_sql(
        "SELECT relnamespace::regnamespace::text, current_schema()"
        " FROM pg_class WHERE oid = to_regclass('users')"
    ).one_or_none()
    if schemas and schemas[0] != schemas[1]:
        raise ForeignTable(
            f"Roster's tables are in the schema {schemas[0]}, and new tables would be created in "
            f"{schemas[1]}. Set the role's search_path to {schemas[0]}."
        )


def _may_be_own(connection: Connection, name: str) -> bool:
    """Returns True if the table has all required columns of Roster's, and no foreign columns."""
    declared: Table | None = METADATA.tables.get(name)
    if declared is None:
        return True
    existing = _columns(connection, name)
    required = {
        column.name
        for column in declared.columns
        if not column.nullable and not column.server_default
    }
    return required <= existing <= set(declared.columns.keys())


def _count(connection: Connection, name: str, column_name: str | None = None) -> int:
    """Counts the rows of a table, or the rows in which the column is not null."""
    counted = func.count(column(column_name)) if column_name else func.count()
    return int(connection.execute(select(counted).select_from(table(name))).scalar_one())


def _is_compared(name: str | None, kind: str, _: object) -> bool:
    """Excludes tables of other applications, and trigram indexes, which are optional."""
    if kind == "table":
        return name in METADATA.tables
    return kind != "index" or not (name or "").endswith("_trgm")


def _configuration(
    engine: Engine, report: Report | None, check: Callable[[Connection], None] | None = None
) -> Any:
    """Alembic's configuration, with the values for migrations/env.py in its attributes."""

    def ignore(_: object) -> None: ...

    from adapters.sql.revisions import configuration

    config = configuration()
    config.attributes["engine"] = engine
    config.attributes["report"] = report or ignore
    config.attributes["check"] = check or ignore
    return config
