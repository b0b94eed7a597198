"""Runs tests in a fork of this process, which has imported the libraries of the project."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from mutation.record import TESTS
from mutation.tree import use_tree

_OWN = ("domain", "application", "adapters", "entrypoints", "migrations", "mutation")
_NO_TESTS = 5  # the exit status of pytest
_LISTING = """
import sys, entrypoints.container, entrypoints.cli.main, httpx, hypothesis.strategies, psycopg2
print(*sys.modules)
"""
_fork = get_context("fork")


@dataclass(frozen=True)
class Run:
    """How a run of tests ended."""

    passed: bool
    number: int
    reason: str
    """The first test that failed, or why the run ended without one."""


class Selection:
    """A pytest plugin that runs the tests of a list in its order, or those that match."""

    def __init__(self, tests: list[str] | None, matches: Callable[[str], bool]) -> None:
        self._order = None if tests is None else {test: place for place, test in enumerate(tests)}
        self._matches = matches
        self.failed = ""
        self.number = 0

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        order = self._order
        if order is not None:
            chosen = [item for item in items if item.nodeid in order]
            items[:] = sorted(chosen, key=lambda item: order[item.nodeid])
        else:
            items[:] = [item for item in items if self._matches(item.nodeid)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.number += report.when == "call"
        if report.failed and not self.failed:
            self.failed = report.nodeid


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
        """Runs the tests until one fails."""
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        return self._run(files, Selection(tests, bool), seconds)

    def run_matching(self, paths: list[str], matches: Callable[[str], bool], seconds: float) -> Run:
        """Runs the tests in the paths whose ids match, until one fails."""
        return self._run(paths, Selection(None, matches), seconds)

    def _run(self, paths: list[str], selection: Selection, seconds: float) -> Run:
        receiver, sender = _fork.Pipe(duplex=False)
        process = _fork.Process(target=self._in_fork, args=(paths, selection, sender))
        process.start()
        sender.close()
        try:
            if not receiver.poll(seconds):
                return Run(False, 0, f"no end after {seconds:.0f} s")
            status, failed, number = receiver.recv()
        except EOFError:
            return Run(False, 0, "the process of the tests crashed")
        finally:
            _end(process.pid)
            process.join()
            receiver.close()
        if status == _NO_TESTS:
            return Run(True, 0, "no tests")
        return Run(status == 0, number, failed or f"exit status {status} of pytest")

    def _in_fork(self, paths: list[str], selection: Selection, sender: Connection) -> None:
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
        status = pytest.main([*options, *paths], plugins=[selection])
        sender.send((int(status), selection.failed, selection.number))


def _end(process: int | None) -> None:
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
