"""Maintenance continues after failures of the store."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime

from structlog.testing import capture_logs

from adapters.memory.store import MemoryStore
from application.ports import Context, Unavailable, UnitOfWork
from entrypoints.maintenance import Maintenance


class FailingStore:
    """A store that fails with each of the errors in turn."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = iter(errors)

    def begin(self, _: Context, *, for_update: bool = False) -> AbstractContextManager[UnitOfWork]:
        assert not for_update
        raise next(self._errors)

    def purge(self) -> None:
        raise AssertionError("purge is not called")

    def update_statistics(self) -> None:
        raise AssertionError("update_statistics is not called")


def test_consecutive_failures_of_one_kind_are_logged_once() -> None:
    store = FailingStore(Unavailable(), Unavailable(), ValueError("ann@example.org"), Unavailable())
    maintenance = Maintenance(store, batch_seconds=1)
    with capture_logs() as lines:
        for _ in range(4):
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
