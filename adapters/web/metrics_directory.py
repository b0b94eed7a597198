"""Where the processes of one service keep what they count, for any of them to tell it all."""

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
    """An empty directory of our own for this process and those that it starts, while it lasts.

    What others left behind that were killed is swept.
    """
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_stale(left)
    path, lock = _new()
    os.environ[_VARIABLE] = str(path)
    try:
        yield
    finally:
        del os.environ[_VARIABLE]
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _new() -> tuple[Path, int]:
    """A directory that is locked; another start may sweep it before it is."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))  # for nobody else to read
        with suppress(OSError):
            lock = os.open(path, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _remove_stale(path: Path) -> None:
    """Remove it if it is ours and nobody's any more: locks end with those who hold them."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        try:
            if os.fstat(descriptor).st_uid == os.getuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
        finally:
            os.close(descriptor)


def use_metrics_directory() -> str | None:
    """Count in files of the directory from now on, if there is one; where it is.

    Each process has its own files. It takes up those of one that has ended, so that nothing
    counted is lost, and there are never more of them than there were processes at once.
    """
    if path := os.environ.get(_VARIABLE):
        own = _free_number(path)
        values.ValueClass = values.MultiProcessValue(lambda: own)  # type: ignore[no-untyped-call]
    return path


def _free_number(path: str) -> int:
    """The first that no living process has. The lock is held to the end of this one."""
    for number in count():
        descriptor = os.open(Path(path, f"{number}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return number
    raise AssertionError("there are more numbers than processes")
