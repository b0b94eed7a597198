"""roster events: the audit log, for programs that follow it."""

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
    help="Print only the events after this position.",
)
@click.option("--limit", type=click.IntRange(1), help="Print at most so many events.")
def events(after: int, limit: int | None) -> None:
    """Print the audit log of all resources as JSON Lines.

    The order never changes. A reader that continues after the last position that it has misses
    nothing.

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
