"""python -m bench: measures servers side by side, a round of each after the other."""

from contextlib import ExitStack

import click

from bench.database import database
from bench.measuring import Measured, measure
from bench.report import table
from bench.scenarios import SCENARIOS, WRITING
from bench.servers import SERVERS, running


class Names(click.ParamType[list[str]]):
    """Some of the known names, with commas."""

    name = "names"

    def __init__(self, known: list[str]) -> None:
        self._known = known

    def convert(
        self, value: str | list[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        names = value.split(",") if isinstance(value, str) else value
        if unknown := sorted(set(names).difference(self._known)):
            self.fail(f"{', '.join(unknown)}: not among {', '.join(self._known)}", param, ctx)
        return names


@click.command()
@click.option("--servers", type=Names(list(SERVERS)), default=list(SERVERS))
@click.option("--scenarios", type=Names(list(SCENARIOS)), default=list(SCENARIOS))
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=3, show_default=True, help="Of each measurement.")
@click.option("--users", default=100_000, show_default=True)
def main(servers: list[str], scenarios: list[str], rounds: int, seconds: int, users: int) -> None:
    """Measure servers side by side: a table of req/s, CPU a request, and ratios."""
    results: dict[str, dict[str, list[Measured]]] = {}
    with ExitStack() as stack:
        filled = stack.enter_context(database(users))
        started = [stack.enter_context(running(SERVERS[name], filled)) for name in servers]
        for scenario in scenarios:
            measured: dict[str, list[Measured]] = {name: [] for name in servers}
            for turn in range(rounds + 1):
                for each in started:
                    load = SCENARIOS[scenario](each)
                    found = measure(each, load, filled, seconds if turn else 1)
                    if turn:  # the first round warms up
                        measured[each.server.name].append(found)
                    if scenario in WRITING:
                        filled.restore()
            results[scenario] = measured
            click.echo(f"{scenario} is done", err=True)
    click.echo(table(results))


if __name__ == "__main__":
    main()
