"""`make mutation` chooses the tests of a changed line from what earlier runs have recorded."""

from pathlib import Path

import pytest
from coverage import CoverageData
from mutation.record import Record, function_of

MODULE = "adapters/mail/folder.py"
SOURCE = """import os
LIMIT = 100

def send(email, limit=LIMIT):
    if email:
        return os

def receive():
    return 1
"""
FOLDER = "tests/unit/mail/test_folder.py::test_"
OTHER = "tests/http/api/test_users.py::test_"


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A test has imported the module, one sends an email, one receives, and one does neither."""
    path = tmp_path / MODULE
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE)
    data = CoverageData(no_disk=True)
    for test, lines in (
        (f"{OTHER}imports", [1, 2, 4, 8, 9]),
        (f"{OTHER}sends[1]", [5, 6]),
        (f"{FOLDER}sends", [5, 6]),
        (f"{FOLDER}failed", [5]),
    ):
        data.set_context(test)
        data.add_lines({str(path): lines})
    ran = (f"{OTHER}imports", f"{OTHER}sends[1]", f"{FOLDER}sends", f"{FOLDER}names")
    return Record(tmp_path, data, dict.fromkeys(ran, 0.5))


def test_the_tests_of_a_line_execute_it_and_the_most_specific_ones_are_first(
    record: Record,
) -> None:
    assert record.tests_of(MODULE, 5) == [f"{FOLDER}sends", f"{OTHER}sends[1]"]
    assert record.tests_of(MODULE, 9) == [f"{OTHER}imports"]


@pytest.mark.parametrize("line", [2, 4])
def test_the_tests_of_a_line_of_the_module_are_all_that_execute_the_module(
    record: Record, line: int
) -> None:
    ran = {f"{OTHER}imports", f"{OTHER}sends[1]", f"{FOLDER}sends"}
    assert set(record.tests_of(MODULE, line)) == ran


def test_tests_that_are_named_like_the_module_need_not_execute_it(record: Record) -> None:
    assert record.tests_named_like(MODULE) == [f"{FOLDER}names", f"{FOLDER}sends"]


def test_a_limit_of_time_keeps_the_first_tests(record: Record) -> None:
    tests = record.tests_of(MODULE, 5)
    assert record.first_within(tests, 0.7) == tests[:1]
    assert record.seconds(tests) == 1


def test_the_function_of_a_test_has_no_parameters() -> None:
    assert function_of(f"{OTHER}sends[1]") == f"{OTHER}sends"
