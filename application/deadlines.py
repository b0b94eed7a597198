"""The time by which the work in hand must have its answer.

It holds for everything that the work waits for, the pool, a connection, a query or a lock, and is
known to the code that waits without being passed through the code that does not.
"""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from time import monotonic

_end: ContextVar[float | None] = ContextVar("deadline", default=None)


def deadline(seconds: float) -> AbstractContextManager[None]:
    """What is done inside has that long, or what is left of a deadline that ends sooner."""
    return _Within(seconds)


class _Within(AbstractContextManager[None]):
    """Entered by every request; made of a generator it would cost three times as much."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        outer, end = _end.get(), monotonic() + self._seconds
        self._token = _end.set(end if outer is None else min(outer, end))

    def __exit__(self, *_: object) -> None:
        _end.reset(self._token)


def time_left() -> float | None:
    """Seconds that are left, 0 once it has passed; None where there is no deadline."""
    end = _end.get()
    return None if end is None else max(0.0, end - monotonic())


def restart_deadline(seconds: float) -> None:
    """The work begins only now, with that long: what came before was waiting for others.

    Holds to the end of the surrounding `within`; outside of one there is no deadline to move.
    """
    if _end.get() is not None:
        _end.set(monotonic() + seconds)
