"""What is left of erased values in SQLite's file and its write-ahead log.

An erased value stays in free parts of pages: SQLite overwrites them only when it needs them, and
with `secure_delete` it overwrites those where the value was last, but not those where it was before
its page was split. Only VACUUM, which rewrites every page, removes all of them; then the log is
truncated. Until that is done, the file is marked, by its `user_version`.

Other databases have no remnants that Roster could remove (docs/operations.md).
"""

from adapters.sql.connection import RawConnection
from application.ports import Unavailable

_NONE, _SOME = 0, 1


class StillRead(Unavailable):
    """Another process has been reading the file all the time."""

    def __init__(self) -> None:
        super().__init__(
            "The write-ahead log of the database still holds erased values, because another "
            "process keeps reading the database."
        )


def mark_for_purge(connection: RawConnection) -> None:
    """Note, in the transaction that erases values, that they must be removed from the file."""
    if connection.dialect.name == "sqlite":
        _run(connection, f"PRAGMA user_version={_SOME}")


def size_to_purge(connection: RawConnection) -> int | None:
    """The bytes of a file that has remnants; None if there are none."""
    if connection.dialect.name != "sqlite" or _run(connection, "PRAGMA user_version") == _NONE:
        return None
    return _run(connection, "PRAGMA page_count") * _run(connection, "PRAGMA page_size")


def purge(connection: RawConnection) -> None:
    """Rewrite the file and empty its log, if it is marked. Requires that no transaction is open.

    Raises StillRead, and what the driver raises; the mark stays then.
    """
    if size_to_purge(connection) is None:
        return
    _run(connection, "VACUUM")
    if _run(connection, "PRAGMA wal_checkpoint(TRUNCATE)"):
        raise StillRead
    _run(connection, f"PRAGMA user_version={_NONE}")


def _run(connection: RawConnection, statement: str) -> int:
    """The first value of the result; 0 if there is none."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        row = cursor.fetchone()
        return int(row[0]) if row else 0
    finally:
        cursor.close()
