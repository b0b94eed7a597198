"""Copies an SQLite database while it is in use.

The copy is made in a temporary directory next to the target, checked, and then linked to its name.
So the target is either complete or does not exist.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from errno import EEXIST
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from sqlalchemy import Engine

from adapters.sql.failures import translate_errors
from adapters.sql.purge import purge_copy
from application.ports import Unavailable

_OWNER_ONLY: Final = 0o600
_PAGES_PER_STEP: Final = 1000

Report = Callable[[int, int], None]
"""Receives the number of copied pages and the number of all pages."""


def back_up(
    engine: Engine, file: Path, *, report: Report, pages_per_step: int = _PAGES_PER_STEP
) -> int:
    """Copies a snapshot of the database to a new file that only its owner can read.

    The copy has no remains of erased values, even if those of the database are still to be removed.
    Returns the size of the file in bytes. The database can be read and written meanwhile. Raises
    Unavailable if the copy fails or is damaged, FileExistsError if the file exists, and OSError if
    it cannot be created.
    """
    if os.path.lexists(file):
        raise FileExistsError(EEXIST, os.strerror(EEXIST), str(file))
    with TemporaryDirectory(dir=file.parent, prefix=f".{file.name[:50]}-") as directory:
        copy = Path(directory, "copy")
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
        with translate_errors():
            _copy(engine, copy, report, pages_per_step)
        _write_to_disk(copy)
        _link(copy, file)
        _write_to_disk(file.parent)
        return file.stat().st_size


def _copy(engine: Engine, copy: Path, report: Report, pages_per_step: int) -> None:
    """Copies the database and checks the copy. Raises Unavailable, or the driver's error."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as target:
        with closing(engine.raw_connection()) as pooled:
            source = pooled.driver_connection
            assert isinstance(source, sqlite3.Connection)
            # The transaction makes every step read the same snapshot. Without it, SQLite restarts
            # the backup after each change by another process (https://www.sqlite.org/backup.html).
            source.execute("BEGIN").close()
            source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            try:
                source.backup(
                    target,
                    pages=pages_per_step,
                    progress=lambda _, left, pages: report(pages - left, pages),
                )
            finally:
                source.execute("ROLLBACK").close()
        # Without a write-ahead log, the copy can be read in a directory that is not writable.
        target.execute("PRAGMA journal_mode=DELETE").close()
        purge_copy(target)
        (result,) = target.execute("PRAGMA integrity_check(1)").fetchone()
    if result != "ok":
        failure = Unavailable()
        failure.reason = (
            "The copy is damaged, so the database is probably damaged. No file was created. "
            "Check the database with PRAGMA integrity_check, and check the disk."
        )
        raise failure


def _write_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(copy: Path, file: Path) -> None:
    """Gives the copy its name. Raises FileExistsError if another process created such a file."""
    try:
        os.link(copy, file)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
        try:
            copy.replace(file)
        except BaseException:
            with suppress(OSError):
                file.unlink()
            raise
