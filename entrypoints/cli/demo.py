"""roster demo."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from domain.english import counted
from domain.errors import Conflict
from entrypoints.cli import output
from entrypoints.cli.actor import actor_option
from entrypoints.cli.progress import Progress
from entrypoints.cli.services import open_services

if TYPE_CHECKING:
    from application.imports import Record, RejectedRecord
    from entrypoints.cli.services import Services

_MAX_COUNT = 1_000_000
_USERS = "users"
_GROUPS = "groups"


class NotEmpty(Conflict):
    """The directory has users or groups: invented ones could not be distinguished from them."""

    code = "not_empty"

    def __init__(self, name: str) -> None:
        super().__init__(f"The directory already has {name}; roster demo requires an empty one.")


@click.command()
@click.argument("count", metavar="N", type=click.IntRange(1, _MAX_COUNT))
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Random seed: another number invents other users and groups.",
)
@actor_option
def demo(count: int, seed: int) -> None:
    """Fill an empty database with N invented users.

    The users are members of invented groups.

    \b
    roster demo 1000
    """
    from application.groups import MEMBERSHIPS
    from application.imports import ImportOptions
    from entrypoints.cli.fake_groups import fake_groups, fake_memberships
    from entrypoints.cli.fake_people import fake_people

    options = ImportOptions()
    with open_services(_USERS) as users:
        groups = users.by_type(_GROUPS)
        for each in (users, groups):
            _require_empty(each)
        with Progress("Inventing users", end=count) as progress:
            records = progress.watched(_records(fake_people(count, seed)))
            created = users.imports(records, users.context, options, _impossible).created
        invented = [*fake_groups(fake_people(count, seed), seed)]
        groups.imports(_records(invented), groups.context, options, _impossible)
        with Progress("Adding them to groups") as progress:
            names = [each["name"] for each in invented]
            pairs = fake_memberships(fake_people(count, seed), names, seed)
            add = users.relationships.imports(MEMBERSHIPS)
            records = progress.watched(_records(pairs))
            memberships = add(records, users.context, options, _impossible).created
    output.line(
        f"{counted(created, 'user')}, {counted(len(invented), 'group')} and "
        f"{counted(memberships, 'membership')} created"
    )


def _require_empty(services: "Services") -> None:
    """Raises NotEmpty if the directory has an entity of the type."""
    from application.search import Search, Slice

    if services.queries.page(Search(place=Slice(1)), services.principal).items:
        raise NotEmpty(services.type.name)


def _records(values: Iterable[dict[str, Any]]) -> "Iterator[Record]":
    from application.imports import Record

    for number, attributes in enumerate(values, start=1):
        yield Record(number, attributes)


def _impossible(bad: "RejectedRecord") -> None:
    """Invented users and groups are always valid."""
    raise AssertionError(bad)
