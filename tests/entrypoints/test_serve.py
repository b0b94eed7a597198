"""The server's main loop, and signals that come whatever it is doing."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any

import pytest
from granian.constants import Interfaces

from entrypoints.serve import Server


class Stuck(Exception):
    """What was to end soon did not."""


def give_up(*_: object) -> None:
    raise Stuck


@contextmanager
def soon() -> Iterator[None]:
    """Inside, a wait for a lock that never comes free ends in Stuck."""
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def watching(look: Callable[[FrameType], None]) -> Iterator[None]:
    """Inside, look before every line of Python that runs."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            look(frame)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.fixture
def server() -> Iterator[Server]:
    """One that takes signals, and has no workers."""
    made = Server("roster", interface=Interfaces.WSGI)
    made.workers = 0
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, made.signal_handler_interrupt)
    signal.signal(signal.SIGHUP, made.signal_handler_reload)
    yield made
    for each, handler in before.items():
        signal.signal(each, handler)


def test_signals_while_it_waits_never_block_it(server: Server) -> None:
    with soon(), watching(lambda _: signal.raise_signal(signal.SIGHUP)):
        server.main_loop_interrupt.wait()


def test_sigterm_ends_the_loop_in_any_line_of_it(server: Server) -> None:
    for moment in count(1):
        seen: list[str] = []

        def look(frame: FrameType, seen: list[str] = seen, moment: int = moment) -> None:
            seen.append(frame.f_code.co_name)
            if len(seen) == moment:
                signal.raise_signal(signal.SIGTERM)

        server.interrupt_signal = False
        server.signal_handler_reload()
        with soon(), watching(look):
            server._serve_loop(None, None)
        if seen[:moment].count("_reload") and seen[moment - 1] == "wait":
            break  # it has reloaded, and is where it began
    assert moment > 10
