"""The time by which the work in hand must have its answer.

It holds for everything that the work waits for, the pool, a connection, a query or a lock, and is
known to the code that waits without being passed through the code that does not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

_end: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done inside has that long, or what is left of a deadline that ends sooner."""
    outer = _end.get()
    end = monotonic() + seconds
    token = _end.set(end if outer is None else min(outer, end))
    try:
        yield
    finally:
        _end.reset(token)


def remaining() -> float | None:
    """Seconds that are left, 0 once it has passed; None where there is no deadline."""
    end = _end.get()
    return None if end is None else max(0.0, end - monotonic())


def anew(seconds: float) -> None:
    """The work begins only now, with that long: what came before was waiting for others.

    Holds to the end of the surrounding `within`; outside of one there is no deadline to move.
    """
    if _end.get() is not None:
        _end.set(monotonic() + seconds)
