"""A pytest plugin that records which test executes which line, and how long each test takes.

The lines are in the data of coverage, where the id of a test is the context of its lines.
The durations are in the file that ROSTER_MUTATION_DURATIONS names. A test that fails has none.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage

_durations: Counter[str] = Counter()
_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if coverage := Coverage.current():
        coverage.switch_context(item.nodeid)
    return (yield)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _durations[report.nodeid] += report.duration  # type: ignore[assignment]
    if not report.passed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    passed = {test: seconds for test, seconds in _durations.items() if test not in _failed}
    Path(os.environ["ROSTER_MUTATION_DURATIONS"]).write_text(json.dumps(passed))
