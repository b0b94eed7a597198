"""Fixtures for all unit tests."""

from collections.abc import Callable
from time import monotonic, sleep

import pytest


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until a condition is true. Fails if that takes longer than 20 seconds."""

    def wait(condition: Callable[[], object]) -> None:
        end = monotonic() + 20
        while not condition():
            assert monotonic() < end, "the condition did not become true in time"
            sleep(0.01)

    return wait
