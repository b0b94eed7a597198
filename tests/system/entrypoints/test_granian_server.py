"""The main loop of the server handles signals at any time."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from itertools import count
from types import FrameType
from typing import Any

import pytest
from granian.constants import Interfaces
from granian.server.mp import MPServer, WorkerProcess

from entrypoints.granian_server import Server


class Stuck(Exception):
    """A call did not end in time."""


def give_up(*_: object) -> None:
    raise Stuck


@contextmanager
def soon() -> Iterator[None]:
    """In the block, an endless wait raises Stuck."""
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def watching(look: Callable[[FrameType], None]) -> Iterator[None]:
    """In the block, calls `look` before every line of Python."""

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
    """A server without workers that handles signals."""
    created = Server("roster", interface=Interfaces.WSGI)
    created.workers = 0
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, created.signal_handler_interrupt)
    signal.signal(signal.SIGHUP, created.signal_handler_reload)
    yield created
    for each, handler in before.items():
        signal.signal(each, handler)


def test_signals_while_the_server_waits_do_not_block_it(server: Server) -> None:
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
            break  # the loop has reloaded, and waits again
    assert moment > 10


def test_granian_has_the_private_parts_that_server_relies_on() -> None:
    """If this fails, check whether granian has fixed the faults that Server works around."""
    created = MPServer("roster", interface=Interfaces.WSGI)
    assert type(created.main_loop_interrupt) is threading.Event
    assert (created.wrks, created.respawned_wrks, created.interrupt_children) == ([], {}, [])
    assert created.interrupt_signal is False
    assert WorkerProcess(created, 0, target=print, args=()).inner.exitcode is None
    assert list(signature(MPServer._respawn_workers).parameters)[:2] == ["self", "workers"]
    assert list(signature(MPServer.shutdown).parameters) == ["self", "exit_code"]


class Ended:
    """A worker that has ended with an exit code."""

    def __init__(self, exitcode: int) -> None:
        self.inner = self
        self.exitcode = exitcode

    def terminate(self) -> None:
        """Does nothing."""

    start = terminate

    def join(self, timeout: float | None = None) -> None:
        """Returns at once."""

    def is_alive(self) -> bool:
        return False


@pytest.mark.parametrize(("exitcode", "counts"), [(0, False), (-9, False), (-15, False), (1, True)])
def test_only_failed_workers_count_towards_the_end_of_the_service(
    exitcode: int, *, counts: bool
) -> None:
    class OfEnded(Server):
        def _spawn_worker(self, *_: Any, **__: Any) -> Any:
            return Ended(0)

    created = OfEnded("roster", interface=Interfaces.WSGI)
    ended: Any = Ended(exitcode)
    created.wrks.append(ended)
    created._respawn_workers([0], None, None)
    assert (0 in created.respawned_wrks) is counts
