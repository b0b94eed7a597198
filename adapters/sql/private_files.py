"""The file of an SQLite database, readable by its owner only.

SQLite creates a file by the umask, and its write-ahead log with the permissions of the file. So the
file is created before SQLite opens it.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from sqlalchemy import URL, Dialect, make_url
from sqlalchemy.pool import ConnectionPoolEntry

_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077
_ENDINGS: Final = ("", "-wal", "-shm", "-journal")


def create(url: URL, _: Dialect, __: ConnectionPoolEntry, ___: Any, ____: Any) -> None:
    """Create the file of the database if it does not exist; before a connection is opened.

    If it can't be created, the connection fails, and says why. An existing file is not opened:
    closing it would release the locks that this process has on it (fcntl(2)).
    """
    name, uri = _opened(url)
    if uri and not {"ro", "rw"}.isdisjoint(parse_qs(uri.query).get("mode", ())):
        return
    file = os.path.realpath(name)  # a symbolic link to no file, too
    with suppress(OSError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY))


def missing(url: str) -> Path | None:
    """The file of the database, if it does not exist."""
    file = file_of(make_url(url)).absolute()
    return None if file.exists() else file


def readable_by_others(url: str) -> Path | None:
    """The file of the database, if other users of the machine may read or write it."""
    file = file_of(make_url(url))
    with suppress(OSError):
        return file if file.stat().st_mode & _OTHERS else None
    return None


def missing_file(url: str) -> Path | None:
    """The file of the database, if it does not exist. A connection would create it."""
    file = file_of(make_url(url))
    return None if file.exists() else file


def is_part_of_database(name: str, url: str) -> bool:
    """Whether the name, or a link of that name, is a file that SQLite uses for the database.

    The file itself, the write-ahead log and its index, and the rollback journal
    (https://www.sqlite.org/tempfiles.html). None of them needs to exist.
    """
    file = file_of(make_url(url))
    for ending in _ENDINGS:
        part = f"{file}{ending}"
        if os.path.realpath(name) == os.path.realpath(part):
            return True
        with suppress(OSError):
            if Path(name).samefile(part):  # a hard link, too
                return True
    return False


def file_of(url: URL) -> Path:
    """The file that SQLite opens for the URL."""
    return _opened(url)[0]


def _opened(url: URL) -> tuple[Path, SplitResult | None]:
    """The file that SQLite opens, and the URI that names it (https://www.sqlite.org/uri.html).

    Without `uri=true`, file:roster.db is the name of a file, and a mode is ignored.
    """
    (name, *_), options = url.get_dialect()().create_connect_args(url)
    if not (options.get("uri") and name.startswith("file:")):
        return Path(name), None
    uri = urlsplit(name)
    return Path(unquote(uri.path)), uri
