"""Runs long computations in a bounded number of threads, so that other requests continue."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotFinished
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import partial
from threading import Lock
from typing import Final, TypeVar

from application.deadlines import time_left
from application.ports.passwords import Busy

MAX_WAITING: Final = 64
MAX_WAIT_SECONDS: Final = 3.0

T = TypeVar("T")


class BoundedThreads:
    """Runs at most `concurrent` computations at a time, in threads of its own.

    A thread that ends one computation begins the next one at once. Requests that waited for each
    other instead would also wait for the interpreter's lock in between.

    At most `waiting` others wait, each for `seconds` and never beyond its deadline. They begin in
    the order of their arrival.
    """

    def __init__(
        self, concurrent: int, *, waiting: int = MAX_WAITING, seconds: float = MAX_WAIT_SECONDS
    ) -> None:
        self._create_pool = partial(ThreadPoolExecutor, concurrent)
        self._pool = self._create_pool()
        self._max_calls = concurrent + waiting
        self._seconds = seconds
        self._lock = Lock()
        self._admitted = self._submitted = 0

    @property
    def submitted(self) -> int:
        """The number of computations that run or wait."""
        return self._submitted

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Admits as many callers as can compute or wait. Raises Busy to the others.

        A caller enters it before work that would be useless without the computation.
        """
        with self._lock:
            if self._admitted >= self._max_calls:
                raise Busy
            self._admitted += 1
        try:
            yield
        finally:
            with self._lock:
                self._admitted -= 1

    def run(self, compute: Callable[[], T]) -> T:
        """Returns the result of the computation, or raises its error.

        Raises Busy if too many others wait, if it does not begin in time, or if it does not end
        before the deadline. Once it has begun, its thread finishes it. Also raises Busy if no
        thread can be started.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._submitted >= self._max_calls:
                raise Busy
            self._submit(partial(_complete, future, copy_context(), compute))
            self._submitted += 1
        future.add_done_callback(self._remove)
        left = time_left()
        try:
            return future.result(self._seconds if left is None else min(self._seconds, left))
        except NotFinished:
            if future.cancel():
                raise Busy from None
        try:
            return future.result(time_left())  # a thread has begun
        except NotFinished:
            raise Busy from None

    def _submit(self, work: Callable[[], None]) -> None:
        """Queues the work. Raises Busy if there is no thread for it. Requires the lock."""
        try:
            self._pool.submit(work)
        except RuntimeError:  # no more threads can be started, but the pool has queued the work
            if not self._submitted:  # no thread would take it from the queue
                self._pool = self._create_pool()
                raise Busy("no thread can be started") from None

    def _remove(self, _: Future[T]) -> None:
        with self._lock:
            self._submitted -= 1


def _complete(future: Future[T], context: Context, compute: Callable[[], T]) -> None:
    """Computes the result of the future, unless it is canceled."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(context.run(compute))
    except BaseException as error:  # noqa: BLE001 (the caller gets it)
        future.set_exception(error)
