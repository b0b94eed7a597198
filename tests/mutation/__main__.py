"""python -m mutation: changes the code in small ways, and counts the changes that no test notices.

Exits with status 1 if the tests notice less than 95 % of the changes.
"""

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import randrange
from time import monotonic
from typing import Final

from mutation.equivalent import Equivalent, known_equivalents
from mutation.mutants import Mutant
from mutation.record import Record, file_of, function_of, load_record, words_in, words_of
from mutation.runner import Result, Run, Runner
from mutation.sample import files_to_mutate, sample_mutants
from mutation.tree import copied_tree, mutated_file

_ROOT: Final = Path(__file__).parents[2]
_REQUIRED_SCORE: Final = 95
"""The percentage of mutants that the tests must notice."""
_FIRST_TESTS: Final = 15
_SECONDS_OF_TESTS: Final = 60
_SECONDS_OF_WIDER_TESTS: Final = 150
"""For the tests on servers, and again for those of processes. A run of all takes longer."""
_GRACE: Final = 60
_TESTS_OF_PROCESSES: Final = ("tests/system", "tests/project/docs", "tests/http/conformance")
_FIRST_OF_PROCESSES: Final = "tests/project/docs/test_generated_pages.py"
"""Shows every change of a description or of a setting."""
_FOR_ALL_MODULES: Final = (
    "tests/system/cli",
    "tests/system/entrypoints",
    "tests/system/upgrades",
    "tests/project/docs",
)


@dataclass(frozen=True)
class Stage:
    """Some of the tests."""

    run: Callable[[], Run]
    is_wider: bool = False
    """True if the tests are not in the record, so that they may fail without a change."""


@dataclass(frozen=True)
class Trial:
    """Runs the tests against one mutant after the other."""

    runner: Runner
    record: Record
    is_fast: bool

    def run(self, mutant: Mutant, source: bytes) -> Run:
        """Runs the most specific tests, then others that execute the line.

        Then come tests that are named like the module, and the wider set.
        """
        run = Run(Result.PASSED, "no fast test executes the line")
        for stage in self._stages(mutant):
            start = monotonic()
            with mutated_file(self.runner.tree / mutant.path, mutant.apply(source)):
                run = stage.run()
            if run.result is not Result.PASSED:
                same = self._is_same_without_change(stage, run, monotonic() - start)
                return replace(run, result=Result.UNDECIDED if same else Result.FAILED)
        return run

    def _is_same_without_change(self, stage: Stage, run: Run, seconds: float) -> bool:
        """Returns True if the tests do about the same without the change."""
        if run.result is Result.TIMED_OUT:
            start = monotonic()
            passed = stage.run().result is Result.PASSED
            return not passed or monotonic() - start > seconds / 2
        if stage.is_wider and run.test:
            return self.runner.run([run.test], _GRACE).result is not Result.PASSED
        return False

    def _stages(self, mutant: Mutant) -> Iterator[Stage]:
        tests = self.record.tests_of(mutant.path, mutant.line)
        first = self.record.first_within(tests, _SECONDS_OF_TESTS)
        ran = set(first)
        others = [each for each in self.record.tests_named_like(mutant.path) if each not in ran]
        parts = (
            first[:_FIRST_TESTS],
            first[_FIRST_TESTS:],
            self.record.first_within(others, _SECONDS_OF_TESTS),
        )
        for part in parts:
            if part:
                files = set(map(file_of, part))
                limit = 20 + 10 * len(files) + 5 * self.record.seconds(part)
                yield Stage(partial(self.runner.run, part, limit))
        if not self.is_fast:
            yield Stage(partial(self._run_on_servers, mutant, tests), is_wider=True)
            yield Stage(partial(self._run_tests_of_processes, mutant), is_wider=True)

    def _run_on_servers(self, mutant: Mutant, tests: list[str]) -> Run:
        """Runs the same functions on database servers.

        If there are none, and the module is part of the SQL adapter, it runs tests of each file.
        """
        functions = [function_of(test) for test in tests if test.startswith("tests/contract/")]
        positions = {
            function: position for position, function in enumerate(dict.fromkeys(functions))
        }
        files = sorted(set(map(file_of, functions)))

        def rank(test: str) -> int | None:
            return None if test in self.record.durations else positions.get(function_of(test))

        if files:
            return self.runner.run_ranked(files, rank, _SECONDS_OF_WIDER_TESTS, _GRACE)
        if not mutant.path.startswith("adapters/sql/"):
            return Run(Result.PASSED, "no test of a store executes the line")
        paths = ["tests/contract/sql", "tests/contract/stores"]
        return self.runner.run_ranked(
            paths, self._rank_on_servers(mutant), _SECONDS_OF_WIDER_TESTS, _GRACE
        )

    def _rank_on_servers(self, mutant: Mutant) -> Callable[[str], int | None]:
        """Ranks tests on servers: first those whose id names the module, one of each file.

        Code of a dialect runs only on its server.
        """
        words = words_of(mutant.path)
        numbers: Counter[str] = Counter()

        def rank(test: str) -> int | None:
            if test in self.record.durations:
                return None
            path = file_of(test)
            numbers[path] += 1
            return numbers[path] - 1000 * len(words & words_in(test))

        return rank

    def _run_tests_of_processes(self, mutant: Mutant) -> Run:
        """Runs tests of processes, as many as there is time for.

        First come the generated pages, then files that share words with the module's path. The last
        ones are those of the command line, the settings, the migrations and the documentation.
        """
        words = words_of(mutant.path)
        files = [
            str(file.relative_to(_ROOT))
            for each in _TESTS_OF_PROCESSES
            for file in (_ROOT / each).rglob("test_*.py")
        ]
        common = {each: len(words & words_of(each)) for each in files}
        common[_FIRST_OF_PROCESSES] = len(words) + 1
        numbers: Counter[str] = Counter()

        def rank(test: str) -> int:
            path = file_of(test)
            numbers[path] += 1
            return numbers[path] - 1000 * common[path]

        paths = [each for each in files if common[each] or each.startswith(_FOR_ALL_MODULES)]
        return self.runner.run_ranked(paths, rank, _SECONDS_OF_WIDER_TESTS, _GRACE)


@dataclass(frozen=True)
class Survivor:
    mutant: Mutant
    diff: list[str]
    reason: str
    """Why it is equivalent, or empty."""


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    options = _options(arguments)
    paths = files_to_mutate(_ROOT, options.files)
    if not paths:
        print(f"No module matches {' '.join(options.files)}. Give paths such as 'domain/*'.")
        return 2
    print(f"Seed {options.seed}: {options.number} mutants of {len(paths)} files", flush=True)
    record = load_record(_ROOT, _ROOT / "build" / "mutation", keep=options.keep_record)
    equivalents = known_equivalents()
    killed, survivors, undecided = 0, list[Survivor](), list[str]()
    end = monotonic() + 60 * options.minutes
    with copied_tree(_ROOT) as tree:
        runner = Runner(_ROOT, tree)
        runner.prepare()
        trial = Trial(runner, record, options.fast)
        mutants = sample_mutants(_ROOT, paths, options.seed)
        for number, mutant in zip(range(1, options.number + 1), mutants, strict=False):
            if monotonic() > end:
                print(f"Stopped after {options.minutes} minutes")
                break
            source = (_ROOT / mutant.path).read_bytes()
            if reason := _equivalence_reason(equivalents, mutant, source):
                survivors.append(Survivor(mutant, mutant.diff(source), reason))
                continue
            start = monotonic()
            run = trial.run(mutant, source)
            place = f"{mutant.path}:{mutant.line}"
            print(f"{number:4} {monotonic() - start:5.1f} s  {place}  {_outcome(run)}", flush=True)
            match run.result:
                case Result.FAILED:
                    killed += 1
                case Result.UNDECIDED | Result.TIMED_OUT:
                    undecided.append(f"{place}  {run.reason}")
                case Result.PASSED:
                    survivors.append(Survivor(mutant, mutant.diff(source), ""))
                    print(*survivors[-1].diff, sep="\n", flush=True)
    return _report(killed, survivors, undecided)


def _outcome(run: Run) -> str:
    match run.result:
        case Result.PASSED:
            return f"SURVIVED ({run.reason})"
        case Result.FAILED:
            return f"killed by {run.reason}"
        case Result.UNDECIDED | Result.TIMED_OUT:
            return f"undecided: {run.reason}, with the change and without"


def _options(arguments: list[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("--seed", type=int, default=randrange(10**6), help="repeats a sample")
    parser.add_argument("--number", type=int, default=200, help="number of mutants (200)")
    parser.add_argument("--minutes", type=int, default=60, help="stop after this time (60)")
    parser.add_argument(
        "--files", nargs="*", default=[], metavar="PATTERN", help="such as 'adapters/sql/*'"
    )
    parser.add_argument(
        "--fast", action="store_true", help="call a mutant a survivor without the wider set"
    )
    parser.add_argument(
        "--keep-record", action="store_true", help="use the record of coverage, even if it is old"
    )
    return parser.parse_args(arguments)


def _equivalence_reason(equivalents: list[Equivalent], mutant: Mutant, source: bytes) -> str:
    return next((each.reason for each in equivalents if each.matches(mutant, source)), "")


def _report(killed: int, survivors: list[Survivor], undecided: list[str]) -> int:
    """Prints the survivors and the mutation score, and returns the exit status."""
    remaining = [each for each in survivors if not each.reason]
    for each in survivors:
        print(f"\n{each.mutant.path}:{each.mutant.line}", *each.diff, sep="\n  ")
        if each.reason:
            print(f"  equivalent: {each.reason}")
    tested = killed + len(remaining)
    score = 100 * killed / tested if tested else 100.0
    files = Counter(each.mutant.path for each in remaining)
    print(f"\nKilled {killed} of {tested} mutants ({score:.1f} %)", end="")
    print(f", and {len(survivors) - len(remaining)} are equivalent")
    if undecided:
        print(f"{len(undecided)} are undecided, because tests also fail without the change:")
        print(*undecided, sep="\n")
    for path, number in files.most_common():
        print(f"{number:4}  {path}")
    return int(score < _REQUIRED_SCORE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
