"""roster events: the audit log, for programs that follow it."""

import click

from entrypoints.cli import output
from entrypoints.cli.services import connect_events

_BATCH = 1000


@click.command()
@click.option(
    "--after",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Print only the events after this position.",
)
@click.option("--limit", type=click.IntRange(1), help="Print at most this many events.")
def events(after: int, limit: int | None) -> None:
    """Print the audit log of all resources as JSON Lines.

    The order never changes. To miss no event, continue after the last position that you have.

    \b
    roster events > audit.jsonl
    roster events --after 1807 >> audit.jsonl
    """
    from application.deadlines import deadline

    with connect_events() as (settings, log):
        remaining = limit
        while remaining is None or remaining > 0:
            with deadline(settings.request_seconds):
                size = _BATCH if remaining is None else min(remaining, _BATCH)
                batch = log.read_from(after, size=size)
            if not batch:
                return
            output.events(batch)
            after = batch[-1][0]
            remaining = None if remaining is None else remaining - len(batch)
