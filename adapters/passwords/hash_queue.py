"""Bounds the number of passwords that are hashed at the same time."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock
from types import TracebackType
from typing import Final

from application.deadlines import time_left
from application.ports.accounts import Busy

MOST_WAITING: Final = 64
SECONDS: Final = 3.0


class HashQueue:
    """A context manager in which at most `concurrent` threads are at once.

    At most `waiting` others wait, each for `seconds` and never beyond its deadline. They enter in
    the order of their arrival. Raises Busy to the others.
    """

    def __init__(
        self, concurrent: int, *, waiting: int = MOST_WAITING, seconds: float = SECONDS
    ) -> None:
        self._free = concurrent
        self._most_admitted = concurrent + waiting
        self._admitted = 0
        self._most_waiting = waiting
        self._seconds = seconds
        self._lock = Lock()
        self._waiting: deque[Event] = deque()

    @property
    def waiting(self) -> int:
        """The number of threads that wait."""
        return len(self._waiting)

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Admits as many threads as can hash or wait. Raises Busy to the others.

        A thread enters it before the work that precedes a hash, which is otherwise in vain.
        """
        with self._lock:
            if self._admitted >= self._most_admitted:
                raise Busy
            self._admitted += 1
        try:
            yield
        finally:
            with self._lock:
                self._admitted -= 1

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if len(self._waiting) >= self._most_waiting:
                raise Busy
            turn = Event()
            self._waiting.append(turn)
        has_turn = False
        try:
            has_turn = turn.wait(self._patience())
        finally:
            if not has_turn:
                has_turn = not self._leave(turn)
        if not has_turn:
            raise Busy

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the place passes to the thread that waits longest
            else:
                self._free += 1

    def _patience(self) -> float:
        left = time_left()
        return self._seconds if left is None else min(self._seconds, left)

    def _leave(self, turn: Event) -> bool:
        """Stops waiting. Returns False if it is the turn of the thread now."""
        with self._lock:
            if turn.is_set():
                return False
            self._waiting.remove(turn)
            return True
