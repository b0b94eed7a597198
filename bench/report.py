"""Computes medians and ratios of measurements, and formats a table."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from bench.measuring import Measured

Results = Mapping[str, Mapping[str, Sequence[Measured]]]
"""A measurement for each round, by scenario and server."""
FLOOR, ROSTER, BEFORE = "floor", "roster", "before"


def rate(measured: Sequence[Measured]) -> float:
    """The median of requests per second."""
    return median(each.rate for each in measured)


def application(measured: Sequence[Measured]) -> float:
    """The median of the application's CPU microseconds per request."""
    return median(each.application for each in measured)


def database(measured: Sequence[Measured]) -> float:
    """The median of the database's CPU microseconds per request."""
    return median(each.database for each in measured)


def spread(measured: Sequence[Measured]) -> float:
    """The range of the rounds, in percent of their median."""
    rates = [each.rate for each in measured]
    return 100 * (max(rates) - min(rates)) / median(rates)


def table(results: Results) -> str:
    """The table in Markdown, with a row for each scenario and server."""
    lines = [
        "| scenario | server | req/s | ± % | application µs | database µs | share of the floor |"
        " times the fastest peer |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for scenario, by_server in results.items():
        lines += [_line(scenario, server, by_server) for server in by_server]
    return "\n".join(lines)


def change_table(results: Results) -> str:
    """The table in Markdown that compares Roster with an earlier release, by scenario."""
    lines = [
        "| scenario | req/s, before | now | now / before | application µs, before | now |"
        " now / before | database µs, before | now | now / before |",
        f"| --- |{' ---: |' * 9}",
    ]
    for scenario, by_server in results.items():
        before, now = by_server[BEFORE], by_server[ROSTER]
        cells = [scenario]
        for figure in (rate, application, database):
            earlier, current = figure(before), figure(now)
            cells += [f"{earlier:.0f}", f"{current:.0f}", f"{current / earlier:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _line(scenario: str, server: str, by_server: Mapping[str, Sequence[Measured]]) -> str:
    measured = by_server[server]
    cells = (
        scenario,
        server,
        f"{rate(measured):.0f}",
        f"{spread(measured) / 2:.0f}",
        f"{application(measured):.0f}",
        f"{database(measured):.0f}",
        _ratio(measured, [by_server[FLOOR]] if FLOOR in by_server else []),
        _ratio(measured, _peers(by_server)) if server in (ROSTER, FLOOR) else "",
    )
    return f"| {' | '.join(cells)} |"


def _peers(by_server: Mapping[str, Sequence[Measured]]) -> list[Sequence[Measured]]:
    ours = (ROSTER, FLOOR, BEFORE)
    return [measured for name, measured in by_server.items() if name not in ours]


def _ratio(measured: Sequence[Measured], others: Iterable[Sequence[Measured]]) -> str:
    fastest = max(map(rate, others), default=None)
    return "" if fastest is None else f"{rate(measured) / fastest:.2f}"
