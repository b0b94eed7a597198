"""Waiting for what must come to be."""

from collections.abc import Callable
from time import monotonic, sleep

import psutil


def until(what: Callable[[], object], *, within: float = 20) -> None:
    """Look until it is true; fail if it does not become so in time."""
    end = monotonic() + within
    while not what():
        assert monotonic() < end, "it did not come to be in time"
        sleep(0.01)


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended, even if nobody took note of it."""
    try:
        return bool(process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD))
    except psutil.NoSuchProcess:
        return True
