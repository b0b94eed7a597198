"""The statistics by which SQLite chooses between indexes.

PostgreSQL and MariaDB update their statistics themselves. SQLite has none until ANALYZE. Until
then, it assumes that every filter is selective. So it reads and sorts all rows that match, although
an index has them in the requested order (https://www.sqlite.org/lang_analyze.html).
"""

from typing import Final

from adapters.sql.connection import RawConnection
from adapters.sql.dialects import sqlite

_MIN_ROWS: Final = 1000
"""The number of rows up to which a table needs no statistics."""
_MAX_BYTES: Final = 512 * 1024**2
"""The size of the largest file that is analyzed. Nothing can write meanwhile."""


def are_outdated(connection: RawConnection) -> bool:
    """Returns True if a table has at least doubled since its last analysis.

    Returns False for other databases and for large files. Also returns False if SQLite samples the
    values of indexes, because an erasure would not remove the samples.
    """
    if connection.dialect.name != "sqlite":
        return False
    if sqlite.size(connection) > _MAX_BYTES or _samples_values(connection):
        return False
    analyzed = _analyzed_rows(connection)
    return any(
        sqlite.number(connection, f"SELECT count(*) FROM {table}")
        >= max(_MIN_ROWS, 2 * analyzed.get(name, 0))
        for name, table in _tables(connection)
    )


def update(connection: RawConnection) -> None:
    """Analyzes all tables, in a transaction that writes.

    Other connections load statistics with the schema. So this creates the table of statistics
    again, which changes the schema.
    """
    sqlite.run(connection, "DROP TABLE IF EXISTS sqlite_stat1")
    sqlite.run(connection, "ANALYZE")


def _samples_values(connection: RawConnection) -> bool:
    """Returns True if ANALYZE would copy values of indexes to sqlite_stat4."""
    return ("ENABLE_STAT4",) in sqlite.run(connection, "PRAGMA compile_options")


def _tables(connection: RawConnection) -> list[tuple[str, str]]:
    """Returns the names of the tables, as they are and quoted."""
    statement = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    quote = connection.dialect.identifier_preparer.quote
    return [(name, quote(name)) for (name,) in sqlite.run(connection, statement)]


def _analyzed_rows(connection: RawConnection) -> dict[str, int]:
    """Returns the number of rows of each table at its last analysis.

    An entry of an index begins with the number of its rows. Partial indexes have fewer.
    """
    if not sqlite.run(connection, "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'"):
        return {}
    statement = "SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl"
    return dict(sqlite.run(connection, statement))
