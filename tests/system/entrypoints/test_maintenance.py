"""Maintenance continues after failures of the store."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime

from structlog.testing import capture_logs

from adapters.memory.store import MemoryStore
from application.ports import Context, Unavailable, UnitOfWork
from entrypoints.maintenance import Maintenance


class FailingStore:
    """A store whose units of work fail with an error. Counts the other tasks."""

    error: Exception
    purges = 0
    updates = 0

    def begin(self, _: Context, *, for_update: bool = False) -> AbstractContextManager[UnitOfWork]:
        assert not for_update
        raise self.error

    def purge(self) -> None:
        self.purges += 1

    def update_statistics(self) -> None:
        self.updates += 1


def test_a_task_that_fails_does_not_prevent_the_others() -> None:
    store = FailingStore()
    store.error = Unavailable()
    with capture_logs() as lines:
        Maintenance(store, batch_seconds=1).run_once()
    assert (store.purges, store.updates, len(lines)) == (1, 1, 1)


def test_consecutive_failures_of_one_kind_are_logged_once() -> None:
    store = FailingStore()
    maintenance = Maintenance(store, batch_seconds=1)
    errors = (Unavailable(), Unavailable(), ValueError("ann@example.org"), Unavailable())
    with capture_logs() as lines:
        for store.error in errors:
            maintenance.run_once()
    assert [(line["failure"], line["code"]) for line in lines] == [
        ("Unavailable", "unavailable"),
        ("ValueError", None),
        ("Unavailable", "unavailable"),
    ]
    assert "ann" not in str(lines)


class UnanalyzableStore(MemoryStore):
    """A store whose statistics cannot be updated. Counts the attempts."""

    attempts = 0

    def update_statistics(self) -> None:
        self.attempts += 1
        raise Unavailable


def test_statistics_are_not_updated_again_after_a_failure() -> None:
    store = UnanalyzableStore(lambda: datetime(2026, 11, 22, tzinfo=UTC))
    maintenance = Maintenance(store, batch_seconds=1)
    with capture_logs() as lines:
        for _ in range(3):
            maintenance.run_once()
    assert store.attempts == 1
    assert [line["failure"] for line in lines] == ["Unavailable"]
