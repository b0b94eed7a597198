"""Waiting for what another thread or process does."""

from collections.abc import Callable
from time import monotonic, sleep


def until(
    condition: Callable[[], object], *, within: float = 20, details: Callable[[], str] = str
) -> None:
    """Waits until the condition is true. Fails with the details after `within` seconds."""
    end = monotonic() + within
    while not condition():
        assert monotonic() < end, f"the condition is not true after {within} s {details()}"
        sleep(0.01)
