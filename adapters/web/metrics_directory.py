"""The directory in which the processes of one service share their metrics."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from prometheus_client import values

_PREFIX: Final = "roster-metrics-"
_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def metrics_directory() -> Iterator[None]:
    """Creates an empty directory for this process and its children, and removes it at the end.

    Also removes the directories of processes that were killed.
    """
    parent = Path(tempfile.gettempdir())
    for other in parent.glob(f"{_PREFIX}*"):
        _remove_stale(other)
    path, lock = _create()
    os.environ[_VARIABLE] = str(path)
    try:
        yield
    finally:
        del os.environ[_VARIABLE]
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _create() -> tuple[Path, int]:
    """Creates and locks a directory. Until it is locked, another process may remove it."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))  # readable by its owner only
        with suppress(OSError):
            lock = os.open(path, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _remove_stale(path: Path) -> None:
    """Removes a directory of this user that no process has locked."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        try:
            if os.fstat(descriptor).st_uid == os.getuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
        finally:
            os.close(descriptor)


def use_metrics_directory() -> str | None:
    """Counts in files of the directory from now on. Returns its path, or None if there is none.

    Each process has its own files. A new process continues the files of a process that has ended.
    So no counts are lost, and the number of files does not grow when processes are replaced.
    """
    if path := os.environ.get(_VARIABLE):
        own = _free_number(path)
        values.ValueClass = values.MultiProcessValue(lambda: own)  # type: ignore[no-untyped-call]
    return path


def _free_number(path: str) -> int:
    """The first number that no live process uses. This process keeps it locked until it ends."""
    for number in count():
        descriptor = os.open(Path(path, f"{number}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return number
    raise AssertionError("there are more numbers than processes")
