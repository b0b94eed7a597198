"""How the cost of a request grows with the table, and the throughput with the workers."""

from contextlib import ExitStack, suppress
from statistics import median

from bench.database import database
from bench.machine import CORES
from bench.measuring import Rounds, compared
from bench.report import rate
from bench.scenarios import WrongAnswer
from bench.servers import SERVERS, running

ROWS = (10_000, 100_000, 1_000_000)
GROWING = ("read-one", "list-100", "list-100-last", "filter-email")
WITHOUT_FLOOR = ("roster", "tutorial", "fastapi-jsonapi")
SCALING = ("read-one", "list-25", "create")
Curves = dict[str, dict[str, dict[int, float]]]
"""By scenario and server: the points of a line."""


def growth(seconds: int) -> Curves:
    """CPU microseconds of a request, of both sides, against rows.

    There is no point where a server's answer was wrong.
    """
    curves: Curves = {scenario: {name: {} for name in WITHOUT_FLOOR} for scenario in GROWING}
    for rows in ROWS:
        with database(rows) as filled, ExitStack() as stack:
            started = [stack.enter_context(running(SERVERS[n], filled)) for n in WITHOUT_FLOOR]
            for scenario in GROWING:
                for each in started:
                    with suppress(WrongAnswer):
                        found = compared(scenario, [each], filled, Rounds(1, seconds))
                        spent = [m.application + m.database for m in found[each.server.name]]
                        curves[scenario][each.server.name][rows] = median(spent)
    return curves


def scaling(seconds: int) -> Curves:
    """Requests a second against workers, which share the machine with database and load."""
    names = ("floor", "roster")
    curves: Curves = {scenario: {name: {} for name in names} for scenario in SCALING}
    with database(100_000) as filled:
        for workers in range(1, len(CORES) + 1):
            for name in names:
                with running(SERVERS[name], filled, workers=workers, pinned=False) as started:
                    for scenario in SCALING:
                        found = compared(scenario, [started], filled, Rounds(1, seconds))
                        curves[scenario][name][workers] = rate(found[name])
    return curves
