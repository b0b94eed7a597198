"""The positions of the recent changes of each principal, shared by the workers of a service.

The table has a fixed size. Principals whose digests are equal share an entry, which has the newer
position of both: their reads are then more recent than necessary.
"""

import fcntl
import json
import mmap
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from time import monotonic_ns
from typing import Final, NamedTuple
from zlib import crc32

from adapters.sql.replicas.position import MAX_LAG_SECONDS, Position
from application.access import Principal

RETENTION_SECONDS: Final = MAX_LAG_SECONDS
"""The number of seconds for which a change is remembered. Then every replica in use has it."""

_ENTRIES: Final = 4096
_WORDS: Final = 4
_LOCATION, _TIMELINE, _CHANGED_AT, _UNKNOWN_SINCE = range(_WORDS)
_PART_BYTES: Final = _ENTRIES * _WORDS * 8
_RETENTION_NS: Final = int(RETENTION_SECONDS * 1e9)
_PREFIX: Final = "roster-positions-"


class RecentChange(NamedTuple):
    """The recent changes of a principal: the last position, and whether another is unknown."""

    position: Position | None
    is_unknown: bool


class RecentChanges:
    """The table, which is in the file, or only in this process without a file.

    Each process writes to its own part and reads all parts. So no process waits for another, even
    if that one is killed or frozen. A change is written before the client gets its response.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._writing = Lock()
        if file is None:
            self._descriptor, size = -1, _PART_BYTES
        else:
            self._descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
            size = os.fstat(self._descriptor).st_size
        self._words = memoryview(mmap.mmap(self._descriptor, size)).cast("Q")
        self._parts = range(0, size // 8, _PART_BYTES // 8)
        self._own = self._parts[self._claim()]

    def record(self, principal: Principal | None, position: Position | None) -> None:
        """Records a change of the principal. None is an unknown position."""
        words, entry = self._words, self._own + _entry_of(principal)
        with self._writing:
            now = monotonic_ns()
            if position is None:
                words[entry + _UNKNOWN_SINCE] = now
                return
            last = Position(words[entry + _TIMELINE], words[entry + _LOCATION])
            if position > last or not _is_recent(words[entry + _CHANGED_AT], now):
                # In this order, a reader never sees a location with the next timeline.
                words[entry + _LOCATION] = position.location
                words[entry + _TIMELINE] = position.timeline
            words[entry + _CHANGED_AT] = now

    def of(self, principal: Principal | None) -> RecentChange:
        """Returns the recent changes of the principal, in all processes."""
        words, offset, now = self._words, _entry_of(principal), monotonic_ns()
        position, is_unknown = None, False
        for part in self._parts:
            entry = part + offset
            if _is_recent(words[entry + _CHANGED_AT], now):
                changed = Position(words[entry + _TIMELINE], words[entry + _LOCATION])
                position = changed if position is None else max(position, changed)
            if _is_recent(words[entry + _UNKNOWN_SINCE], now):
                is_unknown = True
        return RecentChange(position, is_unknown)

    def _claim(self) -> int:
        """Claims a part that no other process has. The system frees it when this process ends.

        Raises OSError if the system cannot lock the file.
        """
        if self._descriptor < 0:
            return 0
        for number in range(len(self._parts)):
            with suppress(BlockingIOError, PermissionError):  # another process has it (fcntl(2))
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
                return number
        raise RuntimeError("there are more processes than parts")


@contextmanager
def shared_file(processes: int) -> Iterator[Path]:
    """Creates the file for that number of processes, and removes it at the end.

    Also removes the files of services that were killed.
    """
    for other in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_stale(other)
    descriptor, file = _create()
    try:
        # A process may be replaced before it has ended.
        size = (2 * processes + 1) * _PART_BYTES
        os.truncate(descriptor, size)
        if sys.platform == "linux":
            # Otherwise the system ends a process that writes to the file while the disk is full.
            os.posix_fallocate(descriptor, 0, size)
        yield file
    finally:
        file.unlink(missing_ok=True)
        os.close(descriptor)


def _create() -> tuple[int, Path]:
    """Creates and locks a file. Raises OSError if the system cannot lock it.

    Until it is locked, another service may remove it. Then another one is created.
    """
    while True:
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX)  # readable by its owner only
        file = Path(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            file.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        if file.exists():
            return descriptor, file
        os.close(descriptor)


def _remove_stale(file: Path) -> None:
    """Removes a file of this user that no service has locked."""
    with suppress(OSError):
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if os.fstat(descriptor).st_uid == os.getuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()
        finally:
            os.close(descriptor)


def _entry_of(principal: Principal | None) -> int:
    """The index of the first word of the principal's entry, within a part."""
    digest = crc32(json.dumps(principal.identity).encode()) if principal else 0
    return digest % _ENTRIES * _WORDS


def _is_recent(since: int, now: int) -> bool:
    return since != 0 and now - since < _RETENTION_NS
