"""roster events: the trail of all changes, for whoever keeps or follows it."""

import click

from entrypoints.cli import output
from entrypoints.cli.services import connect_events

_AT_ONCE = 1000


@click.command()
@click.option(
    "--after",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="The position of the last one that you have.",
)
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
def events(after: int, limit: int | None) -> None:
    """Print what happened as JSON Lines, in an order that never changes.

    Whoever goes on after the last position that they have misses nothing.

    \b
    roster events > trail.jsonl
    roster events --after 1807 >> trail.jsonl
    """
    from application.deadlines import deadline

    with connect_events() as (settings, log):
        left = limit
        while left is None or left > 0:
            with deadline(settings.request_seconds):
                size = _AT_ONCE if left is None else min(left, _AT_ONCE)
                found = log.read_from(after, size=size)
            if not found:
                return
            output.events(found)
            after = found[-1][0]
            left = None if left is None else left - len(found)
