"""python -m bench: measures the servers in turn, round by round."""

from contextlib import ExitStack
from pathlib import Path

import click

from bench import docs
from bench.curves import growth, scaling
from bench.database import database
from bench.measuring import Measured, Rounds, compare
from bench.report import ROSTER, change_table, table
from bench.scenarios import SCENARIOS
from bench.servers import SERVERS, earlier_release, running


class Names(click.ParamType[list[str]]):
    """Some of the known names, separated by commas."""

    name = "names"

    def __init__(self, known: list[str]) -> None:
        self._known = known

    def convert(
        self, value: str | list[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        names = value.split(",") if isinstance(value, str) else value
        if unknown := sorted(set(names).difference(self._known)):
            self.fail(f"Unknown: {', '.join(unknown)}. Known: {', '.join(self._known)}", param, ctx)
        return names


@click.command()
@click.option("--servers", type=Names(list(SERVERS)), default=list(SERVERS))
@click.option("--scenarios", type=Names(list(SCENARIOS)), default=list(SCENARIOS))
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=3, show_default=True, help="Duration of each measurement.")
@click.option("--users", default=100_000, show_default=True)
@click.option("--warm-up/--no-warm-up", default=True, help="A second of load before each scenario.")
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    help="A checkout of an earlier release with its .venv, to compare Roster with.",
)
@click.option("--write", is_flag=True, help="Also measure growth, and update the docs.")
def main(
    servers: list[str],
    scenarios: list[str],
    rounds: int,
    seconds: int,
    users: int,
    *,
    warm_up: bool,
    before: Path | None,
    write: bool,
) -> None:
    """Measure the servers, and print a table of req/s, CPU per request, and ratios."""
    if before and ROSTER not in servers:
        raise click.UsageError("--before compares with the server roster; add it to --servers.")
    results: dict[str, dict[str, list[Measured]]] = {}
    with database(users) as filled, ExitStack() as stack:
        measured = [(SERVERS[name], filled) for name in servers]
        if before:
            its_database = stack.enter_context(database(users, release=before))
            measured.append((earlier_release(before), its_database))
        started = [(stack.enter_context(running(*each)), each[1]) for each in measured]
        for scenario in scenarios:
            results[scenario] = compare(scenario, started, Rounds(rounds, seconds, warm_up=warm_up))
            click.echo(f"{scenario}: done", err=True)
    click.echo(table(results))
    if before:
        click.echo(change_table(results))
    if write:
        docs.write(results, growth(seconds), scaling(seconds))


if __name__ == "__main__":
    main()
