"""The database's schema: whether it is this release's, and how it becomes so.

The revision is recorded in a table of Roster's own, since another application in the same database
may use Alembic's default table: docs/decisions/0038-shared-databases.md.
METADATA has the tables of a resource once its module is imported, by entrypoints/resources.py.
Alembic takes half a second to import, so it is imported only by the functions that need it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Table, column, func, inspect, select, table, text

from adapters.sql import audit, idempotency, secrets  # noqa: F401 (they declare their tables)
from adapters.sql.failures import ForeignTable, UnknownRevision, translate_errors
from adapters.sql.metadata import METADATA

REVISION = "0010"
"""What this release needs. Revisions are numbers with leading zeros: the greater is the newer."""

VERSION_TABLE: Final = "roster_version"
LEGACY_TABLE: Final = "alembic_version"
"""Where releases up to LAST_LEGACY recorded the revision."""
LAST_LEGACY: Final = "0005"

_FORM = re.compile("[0-9]{4}")
_LEGACY_REVISIONS: Final = frozenset(f"{n:04}" for n in range(1, int(LAST_LEGACY) + 1))
_COLUMNS_OF_USERS: Final = frozenset(
    {"id", "email", "email_key", "name", "name_key", "is_active", "role", "version"}
)
"""By these, which it has had since 0001, Roster's table of users is recognised."""
_MARK: Final = "roster"
"""The column that marks LEGACY_TABLE as Roster's, once it was adopted."""

Report = Callable[[str], None]
"""Says something to the operator, in one line."""


class Loss(NamedTuple):
    """What a downgrade removes: a table or a column, and how many rows have it."""

    what: str
    rows: int


def is_servable(revision: str | None) -> bool:
    """Whether this release can serve the tables: they are at its revision or a newer one."""
    return revision is not None and int(revision) >= int(REVISION)


def is_newer(revision: str | None) -> bool:
    """Whether a newer release migrated the tables."""
    return revision is not None and int(revision) > int(REVISION)


def revision_of(connection: Connection) -> str | None:
    """The revision at which the database stands; None if it was never migrated.

    Raises UnknownRevision if what is recorded is no revision of Roster's.
    """
    return _own_revision(connection) or _legacy(connection)


def current(engine: Engine) -> str | None:
    """The revision at which the database stands; None if it was never migrated.

    Raises Unavailable.
    """
    with translate_errors(), engine.connect() as connection:
        return revision_of(connection)


def upgrade(engine: Engine, revision: str = "head", *, report: Report | None = None) -> None:
    """Migrate the database up to the revision.

    Does nothing if a newer release has migrated the database. Raises Unavailable; ForeignTable,
    before it changes anything, if another application has a table that Roster needs to create.
    """
    from alembic import command

    with translate_errors():
        if not is_newer(current(engine)):
            command.upgrade(_configured(engine, report, _refuse_foreign_tables), revision)


def downgrade(engine: Engine, revision: str, *, report: Report | None = None) -> None:
    """Migrate the database down to the revision ("base" is an empty one). Raises Unavailable."""
    from alembic import command

    with translate_errors():
        command.downgrade(_configured(engine, report), revision)


def losses(engine: Engine, revision: str | None) -> Sequence[Loss]:
    """What a downgrade to the revision would remove, and from how many rows.

    Raises Unavailable.
    """
    from adapters.sql.revisions import revisions

    with translate_errors(), engine.connect() as connection:
        present = revision_of(connection) or ""
        undone = [each for each in revisions() if (revision or "") < each.number <= present]
        tables = [name for each in undone for name in each.tables]
        columns = [pair for each in undone for pair in each.columns if pair[0] not in tables]
        return [Loss(f"table {name}", _count(connection, name)) for name in tables] + [
            Loss(f"column {name} of {of}", _count(connection, of, name)) for of, name in columns
        ]


def drift(engine: Engine) -> list[str]:
    """Where the database differs from the tables that this release declares.

    Tables of other applications are no difference. Raises Unavailable.
    """
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with translate_errors(), engine.connect() as connection, _plain_type_names(connection):
        options = {"compare_type": True, "include_name": _is_compared}
        context = MigrationContext.configure(connection, opts=options)
        return [str(difference) for difference in compare_metadata(context, METADATA)]


@contextmanager
def _plain_type_names(connection: Connection) -> Iterator[None]:
    """Have PostgreSQL quote no names of types: SQLAlchemy recognises and compares only plain ones.

    The setting is one of a transaction, so that a pooler passes it on to no other client.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.exec_driver_sql("BEGIN")
    try:
        connection.exec_driver_sql("SET LOCAL quote_all_identifiers = off")
        yield
    finally:
        connection.exec_driver_sql("ROLLBACK")


def adopt(connection: Connection, stamp: Callable[[str], None]) -> None:
    """Record the revision in Roster's own table if it is in the one of earlier releases.

    That table stays: those releases may still serve, and refuse to without it. A column marks it
    as Roster's, so that `mirror` never changes the one of another application.
    """
    if _own_revision(connection) is None and (revision := _legacy(connection)):
        if not _is_marked(connection):
            connection.execute(text(f"ALTER TABLE {LEGACY_TABLE} ADD COLUMN {_MARK} INTEGER"))
        stamp(revision)


def mirror(connection: Connection, heads: Iterable[str]) -> None:
    """Record the revision in the table of earlier releases too, as they can understand it."""
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
    found = _versions(connection, VERSION_TABLE)
    if not found:
        return None
    if len(found) > 1 or not _FORM.fullmatch(found[0]):
        raise UnknownRevision(f"The table {VERSION_TABLE} contains {', '.join(sorted(found))}.")
    return found[0]


def _legacy(connection: Connection) -> str | None:
    """The revision in the table of earlier releases, if that table and the users are Roster's."""
    inspector = inspect(connection)
    if not (inspector.has_table("users") and inspector.has_table(LEGACY_TABLE)):
        return None
    are_own = _columns(connection, "users") >= _COLUMNS_OF_USERS
    if not (are_own and "version_num" in _columns(connection, LEGACY_TABLE)):
        return None
    found = _versions(connection, LEGACY_TABLE)
    return found[0] if len(found) == 1 and found[0] in _LEGACY_REVISIONS else None


def _is_marked(connection: Connection) -> bool:
    has_table = inspect(connection).has_table(LEGACY_TABLE)
    return has_table and _MARK in _columns(connection, LEGACY_TABLE)


def _versions(connection: Connection, name: str) -> list[str]:
    found = connection.execute(text(f"SELECT version_num FROM {name}"))
    return [str(each) for each in found.scalars()]


def _columns(connection: Connection, name: str) -> set[str]:
    return {each["name"] for each in inspect(connection).get_columns(name)}


def _refuse_foreign_tables(connection: Connection) -> None:
    """Raise ForeignTable if something is in the way of the revisions to come.

    A table may be Roster's own, left by an upgrade that was interrupted: MariaDB commits each
    statement, and on PostgreSQL a revision commits before it builds indexes.
    """
    from adapters.sql.revisions import revisions

    present = revision_of(connection) or ""
    if present and connection.dialect.name == "postgresql":
        _refuse_other_schema(connection)
    inspector = inspect(connection)
    existing = {*inspector.get_table_names(), *inspector.get_view_names()}
    to_come = [name for each in revisions() if each.number > present for name in each.tables]
    taken = [name for name in to_come if name in existing]
    if connection.dialect.name != "sqlite":
        taken = [name for name in taken if not _may_be_own(connection, name)]
    if taken:
        raise ForeignTable(
            f"{', '.join(taken)}. Use a database, or a schema of PostgreSQL, "
            "that has no tables of these names."
        )


def _refuse_other_schema(connection: Connection) -> None:
    """Raise ForeignTable if new tables would not be created where Roster's tables are."""
    found = connection.exec_driver_sql(
        "SELECT relnamespace::regnamespace::text, current_schema()"
        " FROM pg_class WHERE oid = to_regclass('users')"
    ).one_or_none()
    if found and found[0] != found[1]:
        raise ForeignTable(
            f"Roster's tables are in the schema {found[0]}, and new ones would be created in "
            f"{found[1]}. Set the role's search_path to {found[0]}."
        )


def _may_be_own(connection: Connection, name: str) -> bool:
    """Whether the table has the columns with which Roster creates it, and no foreign ones."""
    declared: Table | None = METADATA.tables.get(name)
    if declared is None:
        return True
    found = _columns(connection, name)
    first = {
        each.name for each in declared.columns if not each.nullable and not each.server_default
    }
    return first <= found <= set(declared.columns.keys())


def _count(connection: Connection, name: str, of: str | None = None) -> int:
    counted = func.count(column(of)) if of else func.count()
    return int(connection.execute(select(counted).select_from(table(name))).scalar_one())


def _is_compared(name: str | None, kind: str, _: object) -> bool:
    """Whether it is Roster's, and on every database. Trigrams are where PostgreSQL has them."""
    if kind == "table":
        return name in METADATA.tables
    return kind != "index" or not (name or "").endswith("_trgm")


def _configured(
    engine: Engine, report: Report | None, check: Callable[[Connection], None] | None = None
) -> Any:
    def ignore(_: object) -> None: ...

    from adapters.sql.revisions import configuration

    config = configuration()
    config.attributes["engine"] = engine
    config.attributes["report"] = report or ignore
    config.attributes["check"] = check or ignore
    return config
