"""Changes tables that are in use: docs/decisions/0028-zero-downtime-migrations.md.

Roster keeps serving while revisions run. If a statement locks a table that requests use, a revision
uses these functions instead of Alembic's.
"""

from collections.abc import Callable
from time import monotonic, sleep

import sqlalchemy as sa
from alembic import op

_LOCK_SECONDS = 60
_LOCK_TIMEOUT = "200ms"
_RETRY_SECONDS = 0.3
_RETRYABLE = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected
_UNFINISHED = sa.text(
    "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid)"
)


def text(length: int | None = None) -> sa.String:
    """A type for text that every database orders by code point."""
    kind = sa.Text if length is None else sa.String
    return (
        kind(length)
        .with_variant(kind(length, collation="C"), "postgresql")
        .with_variant(kind(length, collation="BINARY"), "sqlite")
        .with_variant(kind(length, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
    )


def may_be_half_done() -> bool:
    """Returns True if an interrupted revision runs again from its start.

    MariaDB commits each statement, and on PostgreSQL `change_table` does. So each statement must
    accept that it was run before (`if_not_exists`, `if_exists`).
    """
    return op.get_context().dialect.name != "sqlite"


def change_table(change: Callable[[], object]) -> None:
    """Runs one statement that locks tables in use.

    PostgreSQL runs it in a separate transaction: two locks in one transaction could deadlock with a
    request that takes them in another order. While the statement waits for its lock, all requests
    for the table wait. So it waits briefly and tries again. Raises OperationalError if a table
    cannot be locked within a minute.
    """
    if op.get_context().dialect.name != "postgresql":
        change()
        return
    op.execute("COMMIT")
    op.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
    _retry(change)  # after a failure, the connection is closed
    op.execute("SET lock_timeout = 0")
    op.execute("BEGIN")


def _retry(change: Callable[[], object]) -> None:
    end = monotonic() + _LOCK_SECONDS
    while True:
        try:
            change()
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "pgcode", None) not in _RETRYABLE or monotonic() > end:
                raise
        else:
            return
        sleep(_RETRY_SECONDS)


def add_column(table: str, column: sa.Column[object]) -> None:
    """Adds a column without a default to a table in use."""
    change_table(lambda: op.add_column(table, column, if_not_exists=may_be_half_done()))


def drop_column(table: str, name: str) -> None:
    """Drops a column of a table in use."""
    change_table(lambda: op.drop_column(table, name, if_exists=may_be_half_done()))


def create_index(name: str, target: str, *, where: str = "") -> None:
    """Builds an index of a table in use. `target` is the table and its columns.

    PostgreSQL builds it outside a transaction and without blocking writers. If a build was
    interrupted, an invalid index exists, which is built again. MariaDB has no partial indexes and
    ignores `where`.
    """
    database = op.get_context().dialect.name
    condition = f" WHERE {where}" if where and database != "mariadb" else ""
    if database != "postgresql":
        unless_exists = "IF NOT EXISTS " if may_be_half_done() else ""
        op.execute(f"CREATE INDEX {unless_exists}{name} ON {target}{condition}")
        return
    op.execute("COMMIT")
    if op.get_bind().execute(_UNFINISHED, {"name": name}).scalar_one():
        op.execute(f"DROP INDEX CONCURRENTLY {name}")
    op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {target}{condition}")
    op.execute("BEGIN")
