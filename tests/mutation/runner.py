"""Runs tests in a fork of this process, which has imported the libraries of the project."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from math import inf
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic

import psutil
import pytest

from mutation.record import TESTS, file_of
from mutation.tree import use_tree

_OWN = ("domain", "application", "adapters", "entrypoints", "migrations", "mutation")
_LISTING = """
import sys, entrypoints.container, entrypoints.cli.main, httpx, hypothesis.strategies, psycopg2
print(*sys.modules)
"""
_fork = get_context("fork")


class Result(Enum):
    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    UNDECIDED = "undecided"
    """The tests do the same without the change."""


@dataclass(frozen=True)
class Run:
    """How a run of tests ended."""

    result: Result
    reason: str
    """Why it ended."""
    test: str = ""
    """The first test that failed, or the one that did not end."""


class Selection:
    """A pytest plugin that runs the tests that have a rank, in the order of their ranks.

    It sends the id of each test before it runs, and starts no test when the time is up.
    """

    def __init__(self, rank: Callable[[str], int | None], seconds: float) -> None:
        self._rank = rank
        self._seconds = seconds
        self.send: Callable[[str], None] = print
        self.failed = ""
        self.is_out_of_time = False

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        ranked = [(rank, item) for item in items if (rank := self._rank(item.nodeid)) is not None]
        items[:] = [item for _, item in sorted(ranked, key=lambda each: each[0])]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        self._session = session
        self._end = monotonic() + self._seconds
        return (yield)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.send(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_runtest_logfinish(self) -> None:
        if monotonic() > self._end:
            self.is_out_of_time = True
            self._session.shouldstop = "the time is up"


@dataclass(frozen=True)
class Runner:
    """Runs tests in a copy of the project."""

    root: Path
    tree: Path

    def prepare(self) -> None:
        """Imports what the project imports from others, so that the forks need not.

        Also writes the bytecode of the copy, because to rewrite the assertions takes long.
        """
        self._collect()
        command = [sys.executable, "-c", _LISTING]
        listed = subprocess.run(
            command, cwd=self.root, check=True, capture_output=True, text=True
        ).stdout
        for name in listed.split():
            if name.partition(".")[0] not in _OWN and name != "__main__":
                with suppress(Exception):
                    import_module(name)
        gc.collect()
        gc.freeze()

    def _collect(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(self.tree)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider"]
        subprocess.run(
            [*command, *TESTS],
            cwd=self.tree,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def run(self, tests: list[str], seconds: float) -> Run:
        """Runs the tests until one fails, those of a file together.

        Otherwise the fixtures of a file would be made again for each of its tests.
        """
        files = list(dict.fromkeys(map(file_of, tests)))
        ordered = sorted(tests, key=lambda test: files.index(file_of(test)))
        positions = {test: position for position, test in enumerate(ordered)}
        return self._run(files, Selection(positions.get, inf), seconds)

    def run_ranked(
        self, paths: list[str], rank: Callable[[str], int | None], seconds: float, grace: float
    ) -> Run:
        """Runs the tests in the paths that have a rank, until one fails or the time is up.

        The last test may take longer by the time of `grace`.
        """
        return self._run(paths, Selection(rank, seconds), seconds + grace)

    def _run(self, paths: list[str], selection: Selection, seconds: float) -> Run:
        receiver, sender = _fork.Pipe(duplex=False)
        process = _fork.Process(target=self._run_in_child, args=(paths, selection, sender))
        process.start()
        sender.close()
        try:
            return _wait_for_result(receiver, seconds)
        finally:
            _stop(process.pid)
            process.join()
            receiver.close()

    def _run_in_child(self, paths: list[str], selection: Selection, sender: Connection) -> None:
        os.setsid()
        with (self.tree / "pytest.log").open("wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        use_tree(self.tree, self.root)
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        # A plugin that this process has imported cannot get rewritten assertions.
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        options = ["-x", "--no-header", "-p", "no:cacheprovider", "--tb=short"]
        selection.send = sender.send
        status = pytest.main([*options, *paths], plugins=[selection])
        sender.send(_run_of(int(status), selection))


def _run_of(status: int, selection: Selection) -> Run:
    if selection.failed:
        return Run(Result.FAILED, selection.failed, selection.failed)
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        return Run(Result.PASSED, "no tests")
    if selection.is_out_of_time:
        return Run(Result.PASSED, "the time is up")
    if status:
        return Run(Result.FAILED, f"exit status {status} of pytest")
    return Run(Result.PASSED, "all tests passed")


def _wait_for_result(receiver: Connection, seconds: float) -> Run:
    """Waits for the end of the run, which sends the ids of its tests and then how it ended."""
    test, end = "", monotonic() + seconds
    while receiver.poll(max(0, end - monotonic())):
        try:
            message = receiver.recv()
        except EOFError:
            return Run(Result.FAILED, f"a crash of the process of the tests in {test}", test)
        if isinstance(message, Run):
            return message
        test = message
    return Run(Result.TIMED_OUT, f"timed out after {seconds:.0f} s in {test}", test)


def _stop(process: int | None) -> None:
    """Lets the fixtures stop what they started, then kills the process and its children."""
    if process is None:
        return
    with suppress(psutil.NoSuchProcess):
        running = psutil.Process(process)
        children = running.children(recursive=True)
        with suppress(psutil.TimeoutExpired):
            running.wait(2)
        with suppress(psutil.TimeoutExpired):
            running.send_signal(signal.SIGINT)
            running.wait(10)
        for each in (running, *children):
            with suppress(psutil.NoSuchProcess):
                each.kill()
