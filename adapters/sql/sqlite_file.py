"""The file of an SQLite database, which only its owner can read.

SQLite creates a file with the permissions that the umask allows, and its write-ahead log with the
permissions of the file. So Roster creates the file before SQLite opens it.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from sqlalchemy import URL, Dialect, make_url
from sqlalchemy.pool import ConnectionPoolEntry

_OWNER_ONLY: Final = 0o600
_GROUP_AND_OTHERS: Final = 0o077
MIN_FREE_BYTES: Final = 1024**2
"""The number of bytes that must remain free on the disk.

A change takes a few pages of 4 KiB in the write-ahead log, and a bulk change takes many.
"""
_SUFFIXES: Final = ("", "-wal", "-shm", "-journal")


def create(url: URL, _: Dialect, __: ConnectionPoolEntry, ___: Any, ____: Any) -> None:
    """Creates the file of the database if it does not exist. A listener for "do_connect".

    Ignores errors, because SQLite then reports why it cannot open the file. Does not open an
    existing file, because closing it would release the locks of this process on it (fcntl(2)).
    """
    name, uri = _path_and_uri(url)
    if uri and not {"ro", "rw"}.isdisjoint(parse_qs(uri.query).get("mode", ())):
        return
    file = os.path.realpath(name)  # follows a symbolic link even if its target does not exist
    with suppress(OSError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY))


def readable_by_others(url: str) -> Path | None:
    """Returns the path of the database if its group or other users have any permission on it."""
    file = file_of(url)
    with suppress(OSError):
        return file if file.stat().st_mode & _GROUP_AND_OTHERS else None
    return None


def missing_file(url: str) -> Path | None:
    """Returns the absolute path of the database if the file does not exist, otherwise None.

    A connection would create the file.
    """
    file = file_of(url).absolute()
    return None if file.exists() else file


def is_part_of_database(name: str, url: str) -> bool:
    """Returns True if the name refers to a file that SQLite uses for the database.

    These are the database, the write-ahead log, its index and the rollback journal
    (https://www.sqlite.org/tempfiles.html). They need not exist. Follows links.
    """
    file = file_of(url)
    for suffix in _SUFFIXES:
        part = f"{file}{suffix}"
        if os.path.realpath(name) == os.path.realpath(part):
            return True
        with suppress(OSError):
            if Path(name).samefile(part):  # detects hard links
                return True
    return False


def folder_of(url: URL | str) -> Path:
    """Returns the absolute path of the folder of the file. Follows links."""
    return Path(os.path.realpath(file_of(url))).parent


def free_bytes(folder: Path) -> int | None:
    """Returns the free bytes of the file system of a folder, or None if they are not known."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    blocks = disk.f_bavail if os.geteuid() else disk.f_bfree  # root may use reserved blocks
    # Some file systems report a size of 0.
    return blocks * disk.f_frsize if disk.f_blocks else None


def file_of(url: URL | str) -> Path:
    """Returns the path of the file that SQLite opens for the URL."""
    return _path_and_uri(make_url(url))[0]


def _path_and_uri(url: URL) -> tuple[Path, SplitResult | None]:
    """The file that SQLite opens, and the SQLite URI (https://www.sqlite.org/uri.html) if any.

    Without `uri=true`, file:roster.db is the name of a file, and SQLite ignores `mode`.
    """
    (name, *_), options = url.get_dialect()().create_connect_args(url)
    if not (options.get("uri") and name.startswith("file:")):
        return Path(name), None
    uri = urlsplit(name)
    return Path(unquote(uri.path)), uri
