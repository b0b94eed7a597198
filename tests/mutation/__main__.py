"""python -m mutation: changes the code in small ways, and counts the changes that no test notices.

Exits with status 1 if the tests notice less than 95 % of the changes.
"""

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import randrange
from time import monotonic
from typing import Final

from mutation.equivalent import Equivalent, known_equivalents
from mutation.mutants import Mutant
from mutation.record import Record, function_of, recorded
from mutation.runner import Run, Runner
from mutation.sample import drawn, files_to_mutate
from mutation.tree import changed_file, copied_tree

_ROOT: Final = Path(__file__).parents[2]
_GOAL: Final = 95
_FIRST_TESTS: Final = 15
_SECONDS_OF_TESTS: Final = 60
_SECONDS_OF_WIDER_TESTS: Final = 900
_SYSTEM_TESTS: Final = ["tests/system/cli", "tests/system/entrypoints"]


@dataclass(frozen=True)
class Trial:
    """Runs the tests against one mutant after the other."""

    runner: Runner
    record: Record
    is_fast: bool

    def run(self, mutant: Mutant, source: bytes) -> Run:
        """Runs the most specific tests, then others that execute the line, then the wider set."""
        tests = self.record.tests_of(mutant.path, mutant.line)
        shortened = self.record.shortened(tests, _SECONDS_OF_TESTS)
        run = Run(True, 0, "no fast test executes the line")
        with changed_file(self.runner.tree / mutant.path, mutant.apply(source)):
            for stage in (shortened[:_FIRST_TESTS], shortened[_FIRST_TESTS:]):
                if stage and run.passed:
                    run = self.runner.run(stage, 20 + 5 * self.record.seconds(stage))
            if run.passed and not self.is_fast:
                run = self._run_wider_set(tests)
        return run

    def _run_wider_set(self, tests: list[str]) -> Run:
        """Runs the same functions on database servers, and the tests of the command line."""
        fast = set(tests)
        functions = {function_of(test) for test in tests if test.startswith("tests/contract/")}
        files = sorted({function.partition("::")[0] for function in functions})

        def is_wider(test: str) -> bool:
            return test not in fast and (
                test.startswith("tests/system/") or function_of(test) in functions
            )

        paths = [*_SYSTEM_TESTS, *files]
        return self.runner.run_matching(paths, is_wider, _SECONDS_OF_WIDER_TESTS)


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
    record = recorded(_ROOT, _ROOT / "build" / "mutation", keep=options.keep_record)
    equivalents = known_equivalents()
    killed, survivors, end = 0, list[Survivor](), monotonic() + 60 * options.minutes
    with copied_tree(_ROOT) as tree:
        runner = Runner(_ROOT, tree)
        runner.prepare()
        trial = Trial(runner, record, options.fast)
        mutants = drawn(_ROOT, paths, options.seed)
        for number, mutant in zip(range(1, options.number + 1), mutants, strict=False):
            if monotonic() > end:
                print(f"Stopped after {options.minutes} minutes")
                break
            source = (_ROOT / mutant.path).read_bytes()
            if reason := _reason(equivalents, mutant, source):
                survivors.append(Survivor(mutant, mutant.diff(source), reason))
                continue
            start = monotonic()
            run = trial.run(mutant, source)
            killed += not run.passed
            result = "SURVIVED" if run.passed else f"killed by {run.reason}"
            place = f"{mutant.path}:{mutant.line}"
            print(f"{number:4} {monotonic() - start:5.1f} s  {place}  {result}", flush=True)
            if run.passed:
                survivors.append(Survivor(mutant, mutant.diff(source), ""))
                print(*survivors[-1].diff, sep="\n", flush=True)
    return _report(killed, survivors)


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


def _reason(equivalents: list[Equivalent], mutant: Mutant, source: bytes) -> str:
    return next((each.reason for each in equivalents if each.matches(mutant, source)), "")


def _report(killed: int, survivors: list[Survivor]) -> int:
    """Prints the survivors and the rate, and returns the exit status."""
    remaining = [each for each in survivors if not each.reason]
    for each in survivors:
        print(f"\n{each.mutant.path}:{each.mutant.line}", *each.diff, sep="\n  ")
        if each.reason:
            print(f"  equivalent: {each.reason}")
    tested = killed + len(remaining)
    rate = 100 * killed / tested if tested else 100.0
    files = Counter(each.mutant.path for each in remaining)
    print(f"\nKilled {killed} of {tested} mutants ({rate:.1f} %)", end="")
    print(f", and {len(survivors) - len(remaining)} are equivalent")
    for path, number in files.most_common():
        print(f"{number:4}  {path}")
    return int(rate < _GOAL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
