"""Removes the remains of erased values from an SQLite file and its write-ahead log.

An erased value remains in the unused parts of pages until SQLite needs them. With `secure_delete`,
SQLite overwrites only the last place of the value, but not the copies that page splits left behind.
VACUUM rewrites every page and so removes all copies. Then the log must be truncated. Until both are
done, the `user_version` of the file marks it.

Other databases have no remains that Roster could remove (docs/operations/personal-data.md).
"""

from adapters.sql.connection import RawConnection
from application.ports import Unavailable

_CLEAN, _MARKED = 0, 1


class StillRead(Unavailable):
    """Another process reads the file, so SQLite cannot truncate the log."""

    def __init__(self) -> None:
        super().__init__(
            "The write-ahead log of the database still holds erased values, because another "
            "process keeps reading the database."
        )


def mark_for_purge(connection: RawConnection) -> None:
    """Marks an SQLite file as one to purge. Call this in the transaction that erases values."""
    if connection.dialect.name == "sqlite":
        _run(connection, f"PRAGMA user_version={_MARKED}")


def size_to_purge(connection: RawConnection) -> int | None:
    """The size of the file in bytes if it is marked, otherwise None."""
    if connection.dialect.name != "sqlite" or _run(connection, "PRAGMA user_version") == _CLEAN:
        return None
    return _run(connection, "PRAGMA page_count") * _run(connection, "PRAGMA page_size")


def purge(connection: RawConnection) -> None:
    """Rewrites the file and truncates its log, if the file is marked. No transaction may be open.

    Raises StillRead, or the driver's error. The file then stays marked.
    """
    if size_to_purge(connection) is None:
        return
    _run(connection, "VACUUM")
    if _run(connection, "PRAGMA wal_checkpoint(TRUNCATE)"):
        raise StillRead
    _run(connection, f"PRAGMA user_version={_CLEAN}")


def _run(connection: RawConnection, statement: str) -> int:
    """Runs a statement. Returns the first value of the result, or 0 if there is no row."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        row = cursor.fetchone()
        return int(row[0]) if row else 0
    finally:
        cursor.close()
