"""Removes the remains of erased values from an SQLite file and its write-ahead log.

An erased value remains in the unused parts of pages until SQLite needs them. With `secure_delete`,
SQLite overwrites only the last place of the value, but not the copies that page splits left behind.
VACUUM rewrites every page and so removes all copies. Then the log must be truncated. Until both are
done, the `user_version` of the file marks it. Each erasure writes another mark, so that a purge
does not remove the mark of an erasure that another process committed meanwhile.

Other databases have no remains that Roster could remove (docs/operations/personal-data.md).
"""

import os
import sqlite3
from contextlib import suppress
from math import ceil
from pathlib import Path
from random import randrange
from typing import Final

from adapters.sql.connection import RawConnection
from adapters.sql.dialects import sqlite
from adapters.sql.sqlite_file import MIN_FREE_BYTES, folder_of, free_bytes
from application.ports import Unavailable

_CLEAN: Final = 0
_MARKS: Final = range(1, 2**31)
_FRAME_HEADER_BYTES: Final = 24
"""The bytes that the log adds to each page (https://www.sqlite.org/fileformat.html#walformat)."""
_MAX_SECONDS_FOR_READERS: Final = 1.0
"""How long a checkpoint waits for readers, because no process can write meanwhile."""


class StillRead(Unavailable):
    """Another process reads the file, so SQLite cannot truncate the log."""

    def __init__(self) -> None:
        super().__init__(
            "The write-ahead log of the database still holds erased values, because another "
            "process keeps reading the database."
        )


class TooLittleSpace(Unavailable):
    """The disk has too little space to rewrite the file."""

    def __init__(self, needed: int, folder: Path) -> None:
        super().__init__("The disk has too little space to rewrite the file of the database.")
        self.reason = f"{ceil(needed / 1024**2)} MiB must be free in {folder}."


def mark_for_purge(connection: RawConnection) -> None:
    """Marks an SQLite file as one to purge. Call this in the transaction that erases values."""
    if connection.dialect.name == "sqlite":
        sqlite.run(connection, f"PRAGMA user_version={randrange(_MARKS.start, _MARKS.stop)}")


def size_to_purge(connection: RawConnection) -> int | None:
    """The size of the file in bytes if it is marked, otherwise None."""
    if connection.dialect.name != "sqlite" or _mark(connection) == _CLEAN:
        return None
    return sqlite.size(connection)


def purge(connection: RawConnection) -> None:
    """Rewrites the file and truncates its log, if the file is marked. No transaction may be open.

    Raises StillRead, TooLittleSpace, or the driver's error. The file then stays marked.
    """
    if size_to_purge(connection) is None:
        return
    mark = _mark_after_writers(connection)
    if mark == _CLEAN:  # another process has purged the file
        return
    # First, because as long as another process reads an old snapshot, each VACUUM would add the
    # whole file to the log.
    _truncate_log(connection)
    _require_space(connection)
    try:
        sqlite.run(connection, "VACUUM")
    finally:  # Also after a failure, because the log may have filled the disk.
        _truncate_log(connection)
    _remove_mark(connection, mark)


def purge_copy(connection: sqlite3.Connection) -> None:
    """Rewrites a copy of a file, if it is marked. The copy has no log and no other user.

    Raises the driver's error.
    """
    (mark,) = connection.execute("PRAGMA user_version").fetchone()
    if mark != _CLEAN:
        connection.execute("VACUUM").close()
        connection.execute(f"PRAGMA user_version={_CLEAN}").close()


def _require_space(connection: RawConnection) -> None:
    """Raises TooLittleSpace if VACUUM would fill the disk: its result is written to the log.

    Before that, it is written to a temporary folder (https://www.sqlite.org/tempfiles.html).
    """
    pages = sqlite.number(connection, "PRAGMA page_count")
    used = pages - sqlite.number(connection, "PRAGMA freelist_count")
    size = used * (sqlite.number(connection, "PRAGMA page_size") + _FRAME_HEADER_BYTES)
    folder = folder_of(connection.engine.url)
    needed = size * (2 if _has_temporary_files(folder) else 1) + MIN_FREE_BYTES
    free = free_bytes(folder)
    if free is not None and free < needed:
        raise TooLittleSpace(needed, folder)


def _has_temporary_files(folder: Path) -> bool:
    """Returns True if SQLite's temporary files are on the file system of the folder."""
    named = (os.environ.get(name) for name in ("SQLITE_TMPDIR", "TMPDIR"))
    for each in (*named, "/var/tmp", "/usr/tmp", "/tmp"):
        if each and os.path.isdir(each) and os.access(each, os.W_OK | os.X_OK):  # noqa: PTH112
            return os.stat(each).st_dev == os.stat(folder).st_dev  # noqa: PTH116
    return True


def _mark(connection: RawConnection) -> int:
    return sqlite.number(connection, "PRAGMA user_version")


def _mark_after_writers(connection: RawConnection) -> int:
    """Returns the mark after waiting for another process that writes, which may be a purge."""
    sqlite.run(connection, "BEGIN IMMEDIATE")
    sqlite.run(connection, "ROLLBACK")
    return _mark(connection)


def _truncate_log(connection: RawConnection) -> None:
    """Truncates the log. Raises StillRead if another process keeps using it."""
    timeout = sqlite.number(connection, "PRAGMA busy_timeout")
    shorter = min(timeout, int(1000 * _MAX_SECONDS_FOR_READERS))
    sqlite.run(connection, f"PRAGMA busy_timeout={shorter}")
    try:
        if sqlite.number(connection, "PRAGMA wal_checkpoint(TRUNCATE)"):
            raise StillRead
    finally:
        sqlite.run(connection, f"PRAGMA busy_timeout={timeout}")


def _remove_mark(connection: RawConnection, mark: int) -> None:
    """Removes the mark, unless another process has replaced it by its own."""
    sqlite.run(connection, "BEGIN IMMEDIATE")
    try:
        if _mark(connection) == mark:
            sqlite.run(connection, f"PRAGMA user_version={_CLEAN}")
        sqlite.run(connection, "COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite has already rolled back, after some errors
            sqlite.run(connection, "ROLLBACK")
        raise
