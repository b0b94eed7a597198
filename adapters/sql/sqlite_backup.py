"""A copy of an SQLite database, made while it is in use.

The copy is made in a directory next to its place, checked, and then linked there: the file either
is complete or does not exist.
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
from application.ports import Unavailable

_OWNER_ONLY: Final = 0o600
_PAGES_PER_STEP: Final = 1000

Report = Callable[[int, int], None]
"""Receives the number of pages that are copied, and the number of all."""


def back_up(
    engine: Engine, file: Path, *, report: Report, pages_per_step: int = _PAGES_PER_STEP
) -> int:
    """Copy the database as it is now to a new file, readable by its owner only. Returns its size.

    The database can be read and written meanwhile. Raises Unavailable if the copy fails or is
    damaged; FileExistsError if there is a file; OSError if it can't be created.
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
    """Raises Unavailable, and what the driver raises."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as target:
        with closing(engine.raw_connection()) as pooled:
            source = pooled.driver_connection
            assert isinstance(source, sqlite3.Connection)
            # Every step reads the same snapshot. Otherwise SQLite would begin again after each
            # change of another process (https://www.sqlite.org/backup.html).
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
        # One file, which can be read where no log can be created.
        target.execute("PRAGMA journal_mode=DELETE").close()
        (found,) = target.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        failure = Unavailable()
        failure.reason = (
            "The copy is damaged, and so the database probably is. No file was created. "
            "Check the database with PRAGMA integrity_check, and the disk."
        )
        raise failure


def _write_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(copy: Path, file: Path) -> None:
    """Give the copy its name. Raises FileExistsError: another process may have used the name."""
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
