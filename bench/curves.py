"""Measures how the cost of a request grows with the table, and the throughput with the workers."""

from contextlib import ExitStack, suppress
from statistics import median

from bench.database import database
from bench.machine import CORES
from bench.measuring import Rounds, compare
from bench.report import rate
from bench.scenarios import WrongResponse
from bench.servers import SERVERS, running

ROWS = (10_000, 100_000, 1_000_000)
GROWING = ("read-one", "list-100", "list-100-last", "filter-email")
WITHOUT_FLOOR = ("roster", "tutorial", "fastapi-jsonapi")
SCALING = ("read-one", "list-25", "create")
Curves = dict[str, dict[str, dict[int, float]]]
"""The points of a line, by scenario and server."""


def growth(seconds: int) -> Curves:
    """The CPU microseconds per request of application and database, by the number of rows.

    A point is missing if the server's response was wrong.
    """
    curves: Curves = {scenario: {name: {} for name in WITHOUT_FLOOR} for scenario in GROWING}
    for rows in ROWS:
        with database(rows) as filled, ExitStack() as stack:
            started = [stack.enter_context(running(SERVERS[n], filled)) for n in WITHOUT_FLOOR]
            for scenario in GROWING:
                for each in started:
                    with suppress(WrongResponse):
                        measured = compare(scenario, [(each, filled)], Rounds(1, seconds))
                        costs = [m.application + m.database for m in measured[each.server.name]]
                        curves[scenario][each.server.name][rows] = median(costs)
    return curves


def scaling(seconds: int) -> Curves:
    """The requests per second, by the number of workers.

    The workers share the machine with the database and the load.
    """
    names = ("floor", "roster")
    curves: Curves = {scenario: {name: {} for name in names} for scenario in SCALING}
    with database(100_000) as filled:
        for workers in range(1, len(CORES) + 1):
            for name in names:
                with running(SERVERS[name], filled, workers=workers, pinned=False) as started:
                    for scenario in SCALING:
                        measured = compare(scenario, [(started, filled)], Rounds(1, seconds))
                        curves[scenario][name][workers] = rate(measured[name])
    return curves
