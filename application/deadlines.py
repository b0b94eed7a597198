"""The deadline of the current request or command.

It limits every wait: for the connection pool, a connection, a query or a lock. It is a context
variable, so only the code that waits has to know it.
"""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from threading import Lock
from time import monotonic
from typing import Final

BULK_SECONDS: Final = 24 * 3600.0
"""The number of seconds that an import or a bulk command has once its unit of work is open."""

_end: ContextVar[float | None] = ContextVar("deadline", default=None)


def deadline(seconds: float) -> AbstractContextManager[None]:
    """Limits the block to `seconds`, or to the time left of an outer deadline that ends sooner."""
    return _Deadline(seconds)


class _Deadline(AbstractContextManager[None]):
    """The context manager of `deadline`.

    Each request enters it, and @contextmanager would take three times as long.
    """

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        outer, end = _end.get(), monotonic() + self._seconds
        self._token = _end.set(end if outer is None else min(outer, end))

    def __exit__(self, *_: object) -> None:
        _end.reset(self._token)


def time_left() -> float | None:
    """Returns the seconds until the deadline, 0 after it, or None if there is no deadline."""
    end = _end.get()
    return None if end is None else max(0.0, end - monotonic())


def acquire(lock: Lock) -> bool:
    """Acquires the lock. Returns False if the deadline passes first."""
    left = time_left()
    return lock.acquire() if left is None else lock.acquire(timeout=left)


def restart_deadline(seconds: float) -> None:
    """Moves the current deadline to `seconds` from now, until the `deadline` block ends.

    Use it when work begins after a wait for a body or a lock. Does nothing if there is no deadline.
    """
    if _end.get() is not None:
        _end.set(monotonic() + seconds)
