"""roster demo."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from domain.errors import Conflict
from entrypoints.cli.actor import actor_option
from entrypoints.cli.progress import Progress
from entrypoints.cli.services import open_services

if TYPE_CHECKING:
    from application.record_import import Record, RejectedRecord

_MAX_COUNT = 1_000_000
_USERS = "users"


class NotEmpty(Conflict):
    """The directory has users: invented users could not be distinguished from them."""

    code = "not_empty"

    def __init__(self) -> None:
        super().__init__("The directory already has users; roster demo requires an empty one.")


@click.command()
@click.argument("count", metavar="N", type=click.IntRange(1, _MAX_COUNT))
@click.option(
    "--seed", default=0, show_default=True, help="Random seed: another number invents other users."
)
@actor_option
def demo(count: int, seed: int) -> None:
    """Fill an empty directory with N invented users.

    \b
    roster demo 1000
    """
    from application.record_import import ImportOptions
    from application.search import Search, Slice

    with Progress("Inventing", end=count) as progress, open_services(_USERS) as services:
        if services.queries.page(Search(place=Slice(1)), services.principal).items:
            raise NotEmpty
        watched = progress.watched(_records(count, seed))
        summary = services.imports(watched, services.context, ImportOptions(), _impossible)
    click.echo(f"{summary.created} created")


def _records(count: int, seed: int) -> "Iterator[Record]":
    from application.record_import import Record
    from entrypoints.cli.fake_people import fake_people

    for number, attributes in enumerate(fake_people(count, seed), start=1):
        yield Record(number, attributes)


def _impossible(bad: "RejectedRecord") -> None:
    """Invented users are always valid."""
    raise AssertionError(bad)
