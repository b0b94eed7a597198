"""roster demo."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from domain.errors import Conflict
from entrypoints.cli.actor import actor_option
from entrypoints.cli.directory import open_services
from entrypoints.cli.progress import Progress

if TYPE_CHECKING:
    from application.user_import import Record, RejectedRecord

MOST = 1_000_000


class NotEmpty(Conflict):
    """There are users already, among whom invented ones would be lost."""

    code = "not_empty"

    def __init__(self) -> None:
        super().__init__("The directory has users already; a demonstration wants an empty one.")


@click.command()
@click.argument("count", metavar="N", type=click.IntRange(1, MOST))
@click.option("--seed", default=0, show_default=True, help="Other people for another number.")
@actor_option
def demo(count: int, seed: int) -> None:
    """Fill an empty directory with N people who don't exist, to have something to look at.

    \b
    roster demo 1000
    """
    from application.search import Search, Slice
    from application.user_import import ImportOptions

    with Progress("Inventing", end=count) as progress, open_services() as directory:
        if directory.reader.page(Search(place=Slice(1))).items:
            raise NotEmpty
        watched = progress.watched(_records(count, seed))
        tally = directory.imports(watched, directory.context, ImportOptions(), _impossible)
    click.echo(f"{tally.created} created")


def _records(count: int, seed: int) -> "Iterator[Record]":
    from application.user_import import Record
    from entrypoints.cli.fake_people import fake_people

    for number, attributes in enumerate(fake_people(count, seed), start=1):
        yield Record(number, attributes)


def _impossible(bad: "RejectedRecord") -> None:
    """Invented people break no rules."""
    raise AssertionError(bad)
