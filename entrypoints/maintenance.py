"""Periodic maintenance of the store.

It deletes what has expired: stored responses and the data of accounts. In an SQLite file, it also
removes the remains of erased values, and updates the statistics of tables that have grown.
"""

from collections.abc import Callable, Iterator, Set
from functools import partial
from threading import Thread
from time import sleep
from typing import Final, Protocol

import structlog

from application.accounts.cleanup import CLEANUPS
from application.deadlines import deadline
from application.idempotency import delete_expired_responses
from application.ports import Begin, Context, Unavailable, UnitOfWork

SECONDS_BETWEEN: Final = 60.0
_SECONDS_BETWEEN_BATCHES: Final = 0.05
"""A pause, so that requests are not delayed by many batches in a row."""
_MAX_SECONDS: Final = 600.0


class Store(Protocol):
    """A store that needs maintenance."""

    @property
    def begin(self) -> Begin:
        """Opens a unit of work."""

    def purge(self) -> None:
        """Removes the remains of erased values, if there may be any. Raises Unavailable."""

    def update_statistics(self) -> None:
        """Updates the statistics of tables that have grown. Raises Unavailable."""


class Maintenance:
    """Maintains a store in a daemon thread."""

    def __init__(self, store: Store, *, batch_seconds: float) -> None:
        self._store = store
        self._batch_seconds = batch_seconds
        self._failures: Set[type[Exception]] = frozenset()
        self._can_update_statistics = True

    def start(self, seconds_between: float = SECONDS_BETWEEN) -> None:
        """Starts the thread. It runs the maintenance at once, and then at regular intervals."""
        Thread(target=self._run, args=(seconds_between,), name="maintenance", daemon=True).start()

    def _run(self, seconds_between: float) -> None:
        while True:
            self.run_once()
            sleep(seconds_between)

    def run_once(self) -> None:
        """Runs all tasks, even if one fails. Logs each type of failure that the last run lacked."""
        failures: dict[type[Exception], Exception] = {}
        for task in self._tasks():
            try:
                task()
            except Exception as error:  # noqa: BLE001 (the next run may succeed)
                failures.setdefault(type(error), error)
        for error_type in failures.keys() - self._failures:
            _log(failures[error_type])
        self._failures = failures.keys()

    def _tasks(self) -> Iterator[Callable[[], None]]:
        for delete in (delete_expired_responses, *CLEANUPS):
            yield partial(self._delete_all, delete)
        yield self._purge
        yield self._update_statistics

    def _purge(self) -> None:
        with deadline(_MAX_SECONDS):
            self._store.purge()

    def _update_statistics(self) -> None:
        """Updates the statistics of the store.

        Does not try again after a failure, because each attempt blocks changes.
        """
        if self._can_update_statistics:
            self._can_update_statistics = False
            with deadline(self._batch_seconds):
                self._store.update_statistics()
            self._can_update_statistics = True

    def _delete_all(self, delete_some: Callable[[UnitOfWork], int]) -> None:
        """Calls the function in one unit of work after another, until it has deleted nothing."""
        count = 1
        while count:
            with deadline(self._batch_seconds), self._store.begin(Context()) as work:
                count = delete_some(work)
            if count:
                sleep(_SECONDS_BETWEEN_BATCHES)


def _log(error: Exception) -> None:
    """Logs a failure, without the message of an unexpected one, which may contain values."""
    structlog.get_logger("roster.maintenance").warning(
        "maintenance_failed",
        failure=type(error).__name__,
        code=getattr(error, "code", None),
        reason=error.reason if isinstance(error, Unavailable) else None,
    )
