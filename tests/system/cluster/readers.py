"""Clients that read all the time while a test breaks servers."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from threading import Event, Thread
from time import monotonic

from cluster.replication import Client, Reply
from waiting import until

HEAD = (
    "| fault | reads | failed | wrong | slowest read, s |",
    "| --- | ---: | ---: | ---: | ---: |",
)
_ENOUGH = 50
"""The number of further reads of each client that show the effect of a fault."""


class Readers:
    """Clients in threads, each with an identity of its own.

    `is_right` checks each response with status 200.
    """

    def __init__(self, port: int, path: str, is_right: Callable[[Reply], bool]) -> None:
        self.replies: Counter[str] = Counter()
        self.slowest = 0.0
        self._stop = Event()
        self._read = [0] * 4
        self._threads = [
            Thread(target=self._run, args=(number, Client(port, f"reader{number}"), path, is_right))
            for number in range(len(self._read))
        ]

    def _run(
        self, number: int, client: Client, path: str, is_right: Callable[[Reply], bool]
    ) -> None:
        while not self._stop.is_set():
            began = monotonic()
            try:
                reply = client.get(path)
            except (OSError, HTTPException) as error:
                self.replies[type(error).__name__] += 1
            else:
                right = reply.status != 200 or is_right(reply)
                self.replies[str(reply.status) if right else "wrong"] += 1
            self.slowest = max(self.slowest, monotonic() - began)
            self._read[number] += 1

    def read_on(self) -> None:
        """Waits until each client has read many more times."""
        goals = [each + _ENOUGH for each in self._read]
        until(
            lambda: all(done >= goal for done, goal in zip(self._read, goals, strict=True)),
            within=120,
        )

    @contextmanager
    def running(self) -> Iterator["Readers"]:
        """The clients read during the block. It begins after their first reads."""
        for each in self._threads:
            each.start()
        try:
            self.read_on()
            yield self
        finally:
            self._stop.set()
            for each in self._threads:
                each.join()

    def row(self, fault: str) -> str:
        """The row of the fault in the table of the findings."""
        total, wrong = self.replies.total(), self.replies["wrong"]
        failed = total - self.replies["200"] - wrong
        return f"| {fault} | {total:,} | {failed} | {wrong} | {self.slowest:.2f} |"
