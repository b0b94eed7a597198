"""The server's main loop, and signals that come whatever it is doing."""

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


def test_granian_has_the_private_parts_that_server_relies_on() -> None:
    """If this fails, check whether granian has fixed the faults that Server works around."""
    made = MPServer("roster", interface=Interfaces.WSGI)
    assert type(made.main_loop_interrupt) is threading.Event
    assert (made.wrks, made.respawned_wrks, made.interrupt_children) == ([], {}, [])
    assert made.interrupt_signal is False
    assert WorkerProcess(made, 0, target=print, args=()).inner.exitcode is None
    assert list(signature(MPServer._respawn_workers).parameters)[:2] == ["self", "workers"]
    assert list(signature(MPServer.shutdown).parameters) == ["self", "exit_code"]


class Ended:
    """A worker that has ended with an exit code."""

    def __init__(self, exitcode: int) -> None:
        self.inner = self
        self.exitcode = exitcode

    def terminate(self) -> None:
        """Do nothing: it has ended."""

    start = terminate

    def join(self, timeout: float | None = None) -> None:
        """Return at once."""

    def is_alive(self) -> bool:
        return False


@pytest.mark.parametrize(("exitcode", "counts"), [(0, False), (-9, False), (-15, False), (1, True)])
def test_only_a_worker_that_failed_counts_towards_the_end_of_the_service(
    exitcode: int, *, counts: bool
) -> None:
    class OfEnded(Server):
        def _spawn_worker(self, *_: Any, **__: Any) -> Any:
            return Ended(0)

    made = OfEnded("roster", interface=Interfaces.WSGI)
    made.wrks.append(Ended(exitcode))
    made._respawn_workers([0], None, None)
    assert (0 in made.respawned_wrks) is counts
