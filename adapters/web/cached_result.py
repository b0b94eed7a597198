"""Caches results that are expensive to compute and may be a second old."""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final, Generic, TypeVar

T = TypeVar("T")

FRESH_SECONDS: Final = 1.0
STALE_SECONDS: Final = 3.0


class CachedResult(Generic[T]):
    """Caches the result of a function, which runs at most once a second, in one thread at a time.

    While one thread computes the next result, other threads get the last one. If that is older than
    STALE_SECONDS, they wait. An exception is also cached, and raised each time.
    """

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute = compute
        self._computing = Lock()
        self._last: tuple[float, T | None, Exception | None] | None = None

    def __call__(self) -> T:
        """Returns the last result if it is recent, otherwise a new one."""
        last = self._last
        if last is None or (age := monotonic() - last[0]) >= STALE_SECONDS:
            with self._computing:
                if self._last is last:  # no other thread has replaced it meanwhile
                    self._refresh()
        elif age >= FRESH_SECONDS and self._computing.acquire(blocking=False):
            try:
                if self._last is last:
                    self._refresh()
            finally:
                self._computing.release()
        return self._result()

    def _refresh(self) -> None:
        try:
            value, failure = self._compute(), None
        except Exception as error:  # noqa: BLE001 (any exception is the result)
            value, failure = None, error
        self._last = monotonic(), value, failure

    def _result(self) -> T:
        assert self._last is not None
        _, value, error = self._last
        if error is not None:
            raise error.with_traceback(None)  # otherwise its traceback would grow each time
        return value  # type: ignore[return-value]
