"""Which tests execute a line, the most specific ones first."""

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from coverage import CoverageData

# They run in the process of pytest, so that coverage distinguishes their lines.
TESTS = (
    "tests/unit",
    "tests/contract",
    "tests/http/api",
    "tests/http/accounts",
    "tests/http/attacks",
    "tests/http/oauth",
)
_WITHOUT_SERVERS = "not postgresql and not mariadb and not PostgreSQL"


@dataclass(frozen=True)
class Record:
    """The lines and the durations of the tests that passed."""

    root: Path
    data: CoverageData
    durations: dict[str, float]

    def tests_of(self, path: str, line: int) -> list[str]:
        """The tests that execute the line, the most specific ones first.

        First come tests whose path has the most words in common with that of the module, then those
        that execute the fewest lines. Each function runs with ten sets of parameters before any
        function runs with others.
        If the line runs while its module is imported, these are all tests that execute anything in
        the file. The record names only the test that has imported the module first.
        """
        lines = self._tests_by_line(path)
        is_in_function = line in lines_in_functions((self.root / path).read_text())
        tests = lines.get(line, set()) if is_in_function else set().union(*lines.values())
        words = words_of(path)
        functions: Counter[str] = Counter()
        ranked = []
        for test in sorted(tests, key=lambda test: (self._sizes[test], test)):
            function = function_of(test)
            common = len(words & words_of(function))
            ranked.append((-common, functions[function] // 10, test))
            functions[function] += 1
        return [test for *_, test in sorted(ranked, key=lambda each: each[:2])]

    def tests_named_like(self, path: str) -> list[str]:
        """Other tests that may show what a line does.

        First come those whose paths have the most words in common with that of the module, then the
        fastest ones. Such a test does not execute the line if an earlier one has filled a cache of
        a shared fixture.
        """
        words = words_of(path) - {"adapter"}
        common = {test: len(words & words_of(test)) for test in self.durations}
        similar = [test for test, number in common.items() if number]
        return sorted(similar, key=lambda test: (-common[test], self.durations[test], test))

    def _tests_by_line(self, path: str) -> dict[int, set[str]]:
        contexts = self.data.contexts_by_lineno(str(self.root / path))
        return {
            line: {test for test in tests if test in self.durations}
            for line, tests in contexts.items()
        }

    @cached_property
    def _sizes(self) -> Counter[str]:
        """The number of lines that each test executes."""
        sizes: Counter[str] = Counter()
        for path in self.data.measured_files():
            for tests in self.data.contexts_by_lineno(path).values():
                sizes.update(tests)
        return sizes

    def first_within(self, tests: list[str], seconds: float) -> list[str]:
        """The first tests, as many as fit in the time."""
        selected = []
        for test in tests:
            seconds -= self.durations[test]
            if seconds < 0:
                break
            selected.append(test)
        return selected

    def seconds(self, tests: list[str]) -> float:
        """How long the tests take, without the fixtures that they share with others."""
        return sum(self.durations[test] for test in tests)


def lines_in_functions(source: str) -> set[int]:
    """The numbers of the lines that run when a function is called."""
    return {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for line in range(node.body[0].lineno, (node.end_lineno or 0) + 1)
    }


def words_of(path: str) -> frozenset[str]:
    """The words in the path of a module or of a test, in the singular."""
    return words_in(file_of(path))


def words_in(test: str) -> frozenset[str]:
    """The words in the id of a test, which ends with its parameters, in the singular."""
    words = re.findall(r"[a-z]+", test)
    return frozenset(each.removesuffix("s") for each in words) - {"py", "test"}


def file_of(test: str) -> str:
    """The path of a test."""
    return test.partition("::")[0]


def function_of(test: str) -> str:
    """The id of a test without its parameters."""
    return test.partition("[")[0]


def load_record(root: Path, directory: Path, *, keep: bool) -> Record:
    """Returns the record in the directory.

    Runs the tests under coverage if there is none, or if it is out of date and need not be kept.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data = directory / "coverage.db"
    durations = directory / "durations.json"
    digest = directory / "digest"
    current = _digest(root)
    if not data.exists() or not (keep or (digest.exists() and digest.read_text() == current)):
        _run_tests(root, data, durations)
        digest.write_text(current)
    coverage = CoverageData(str(data))
    coverage.read()
    return Record(root, coverage, json.loads(durations.read_text()))


def _run_tests(root: Path, data: Path, durations: Path) -> None:
    configuration = Path(__file__).with_name("coverage.ini")
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={configuration}"]
    command += ["-m", "pytest", "-p", "mutation.recorder", "-k", _WITHOUT_SERVERS, *TESTS]
    files = {"COVERAGE_FILE": str(data), "ROSTER_MUTATION_DURATIONS": str(durations)}
    data.unlink(missing_ok=True)
    subprocess.run(command, cwd=root, env=os.environ | files | {"PYTHONPATH": "tests"}, check=False)


def _digest(root: Path) -> str:
    """Changes with each module of the code and of the tests."""
    digest = sha256()
    for package in ("domain", "application", "adapters", "entrypoints", "tests"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
