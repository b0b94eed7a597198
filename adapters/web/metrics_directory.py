"""The directory in which the processes of one service share their metrics.

It relies on parts of prometheus-client that are not public:

- `values.MultiProcessValue` stores values in `values.MmapedDict`.
- `MmapedDict` reads its values from a file that exists. It adds a value with `_init_value`, which
  doubles the `_capacity` of its file `_f` until it exceeds `_used` by the length of the value.

tests/system/process/test_metrics.py fails when one of them changes.
"""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

_FIRST_BYTES: Final = 65536
_MAX_BYTES_AROUND_KEY: Final = 28
"""The length of the key, its padding, the value and its time."""
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
    """Creates and locks a directory. Raises OSError if the system cannot lock it.

    Until it is locked, another process may remove it. Then another one is created.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))  # readable by its owner only
        try:
            return path, _lock(path)
        except FileNotFoundError:
            continue
        except OSError:
            path.rmdir()
            raise


def _lock(path: Path) -> int:
    """Locks a directory until the returned descriptor is closed.

    Raises FileNotFoundError if another process has removed the directory, and OSError.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        path.stat()
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


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


def _allocate(descriptor: int, size: int, name: str) -> None:
    """Allocates the first bytes of a file on the disk. Raises OSError if the disk is full."""
    if sys.platform == "linux":
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or 0), name) from None


class _AllocatedDict(MmapedDict):
    """Values in a mapped file whose space on the disk is allocated first.

    Otherwise the system would end a process that writes to the file while the disk is full. Raises
    OSError instead.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            with open(filename, "ab") as file:  # noqa: PTH123
                _allocate(file.fileno(), _FIRST_BYTES, filename)
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        needed = self._used + len(key.encode()) + _MAX_BYTES_AROUND_KEY
        capacity = self._capacity
        while capacity < needed:
            capacity *= 2
        if capacity > self._capacity:
            _allocate(self._f.fileno(), capacity, self._fname)
        super()._init_value(key)  # type: ignore[no-untyped-call]


def use_metrics_directory() -> str | None:
    """Counts in files of the directory from now on. Returns its path, or None if there is none.

    While the disk is full, a new series raises OSError.

    Each process has its own files. A new process continues the files of a process that has ended.
    So no counts are lost, and the number of files does not grow when processes are replaced.
    """
    if path := os.environ.get(_VARIABLE):
        own = _free_number(path)
        values.MmapedDict = _AllocatedDict  # type: ignore[attr-defined]
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
