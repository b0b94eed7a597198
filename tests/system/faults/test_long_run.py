"""The long run, in a short form, and its calculation of growth."""

import pytest
from faults.growth import Series
from faults.long_run import run


@pytest.mark.parametrize(
    ("values", "growth"), [([5, 5, 5, 5], 0), ([5, 6, 7, 8], 3), ([8, 5, 8, 5], -1.8), ([5], 0)]
)
def test_growth_is_that_of_the_regression_line(values: list[float], growth: float) -> None:
    series = Series()
    for second, value in enumerate(values):
        series.add(second, value)
    assert series.growth == pytest.approx(growth)


@pytest.mark.long
@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_a_short_run_has_no_losses_and_no_wrong_responses(database: str) -> None:
    found = run(minutes=0.4, between=6, pause=0.01, database=database)
    assert [each for each in found.wrong if "grows" not in each] == []  # the warm-up grows
    assert "faults: {}" not in found.lines
