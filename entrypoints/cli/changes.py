"""Changes, deletes and erases one entity, several, or all that match filters."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING, Any, Final

import click

from application.ports import Unavailable
from domain.english import counted
from entrypoints.cli import lists, output
from entrypoints.cli.confirmation import confirm
from entrypoints.cli.progress import Progress

if TYPE_CHECKING:
    from application.search import Search
    from domain.attributes import EntityChanges
    from entrypoints.cli.services import Services

COUNT_SECONDS: Final = 600.0
"""The deadline of a count: the database may have to read all rows."""
_ERASE_SECONDS: Final = 600.0
"""The deadline of an erasure. A long history takes longer than a request may."""
_SECONDS_BETWEEN_PURGES: Final = 5.0
"""A pause in which other processes can write. They cannot while a purge waits for readers."""


class RemnantsLeft(Unavailable):
    """The values are erased from the tables, but not from the file of SQLite."""

    code = "remnants_left"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The database file still contains erased values: {reason} The service removes them "
            "within a minute or when it starts. You can also repeat the command."
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """The entities that a command is about: either `which`, ids and unique values, or filters.

    `key` is the name of the argument. Raises click.UsageError if both are given, or neither.
    """

    key: str
    which: tuple[str, ...]
    filters: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.which and self.filters:
            raise click.UsageError(f"{self.key} and --filter cannot be combined.")
        if not (self.which or self.filters):
            raise click.UsageError(f"Missing argument '{self.key}...', or --filter.")


def change(
    services: "Services",
    choice: Choice,
    changes: "EntityChanges",
    *,
    seconds: float,
    yes: bool,
    as_json: bool,
) -> None:
    """Changes the entities, and prints them, or their number if they are chosen by filters.

    `seconds` is the deadline for a change of one entity.
    """
    from application.deadlines import deadline

    if choice.filters:
        _change_matching(services, choice, changes, yes=yes, as_json=as_json)
    elif len(choice.which) == 1:
        with deadline(seconds):
            entity_id = services.find(choice.which[0]).id
            entity = services.commands.change(entity_id, changes, services.context)
            show(services, entity, as_json=as_json)
    else:
        ids = services.ids_of(choice.which)
        changed = services.bulk_commands.change(ids, changes, services.context)
        _show_several(services, changed.entities, as_json=as_json)


def _change_matching(
    services: "Services", choice: Choice, changes: "EntityChanges", *, yes: bool, as_json: bool
) -> None:
    if not changes.attributes:
        raise click.UsageError("Name an attribute to change.")
    search, count = _matches(services, choice)
    changed = unchanged = 0
    if count:
        names = ", ".join(changes.attributes)
        confirm(f"This sets {names} of {_rows(services, count)}.", yes=yes)
        with Progress("Changing", end=count) as progress:
            changed, unchanged, _ = services.bulk_commands.change(
                search, changes, services.context, progress.watched
            )
    if as_json:
        output.meta({"changed": changed, "unchanged": unchanged})
    else:
        output.line(f"{changed:,} changed, {unchanged:,} unchanged")


def delete(
    services: "Services", choice: Choice, *, seconds: float, yes: bool, as_json: bool
) -> None:
    """Deletes the entities, and prints the id of a single one, or their number.

    `seconds` is the deadline for the deletion of one entity.
    """
    from application.deadlines import deadline

    done = None
    if choice.filters:
        search, count = _matches(services, choice)
        if count:
            confirm(f"This deletes {_rows(services, count)}. Their history remains.", yes=yes)
            with Progress("Deleting", end=count) as progress:
                count = services.bulk_commands.delete(search, services.context, progress.watched)
    elif len(choice.which) == 1:
        with deadline(seconds):
            entity_id = services.find(choice.which[0]).id
            services.commands.delete(entity_id, services.context)
        count, done = 1, f"{services.noun} {entity_id}"
    else:
        count = services.bulk_commands.delete(services.ids_of(choice.which), services.context)
    if as_json:
        output.meta({"deleted": count})
    else:
        output.line(f"Deleted {done or _rows(services, count)}.")


def erase(
    services: "Services",
    choice: Choice,
    subjects: Sequence[str],
    *,
    seconds: float,
    yes: bool,
    as_json: bool,
) -> None:
    """Deletes the entities and erases their personal values everywhere. Prints like `delete`."""
    from application.deadlines import deadline

    done = None
    targets: Search | list[int]
    if choice.filters:
        targets, count = _matches(services, choice)
        events = "their events"
    else:
        with deadline(COUNT_SECONDS if len(choice.which) > 1 else seconds):
            event_counts = services.events_of(choice.which)
        targets, number, count = [*event_counts], sum(event_counts.values()), len(event_counts)
        events = counted(number, "event")
        if count == 1:
            done = f"{services.noun} {targets[0]}"
    if count:
        person = "person" if count == 1 else "persons"
        confirm(
            f"This deletes {done or _rows(services, count)} and erases the personal values in "
            f"{events}, in those of deleted {services.type.name} of the same {person}, and in "
            "stored responses. It can't be undone.",
            yes=yes,
        )
        with deadline(_ERASE_SECONDS), Progress("Erasing", end=count) as progress:
            count = services.bulk_commands.erase(
                targets, services.context, progress.watched, subjects=subjects
            )
    if as_json:
        output.meta({"erased": count})
    else:
        output.line(f"Erased {done or _rows(services, count)}.")
    if count:
        with deadline(_ERASE_SECONDS):
            _purge(services)


def show(services: "Services", entity: Any, *, as_json: bool) -> None:
    """Prints one entity."""
    if as_json:
        output.document(services.writer.single(entity))
        return
    from entrypoints.cli import tables

    tables.show_one(services.declaration, entity)


def _show_several(services: "Services", entities: Sequence[Any], *, as_json: bool) -> None:
    if as_json:
        output.data([services.writer.resource(entity) for entity in entities])
        return
    from entrypoints.cli import tables

    lists.show_table(services.declaration, entities, tables.Layout())


def _matches(services: "Services", choice: Choice) -> "tuple[Search, int]":
    """The search for the filters, and the number of its matches now."""
    from application.deadlines import deadline

    search = services.search_of(choice.filters)
    with deadline(COUNT_SECONDS):
        return search, services.queries.count(search, services.principal)


def _rows(services: "Services", count: int) -> str:
    """A number of entities in words, such as "2 users"."""
    return counted(count, services.noun, services.type.name)


def _purge(services: "Services") -> None:
    """Purges the store. Until the deadline, tries again if a reader prevents it."""
    from adapters.sql.purge import StillRead
    from application.deadlines import time_left

    while True:
        try:
            services.store.purge()
        except Unavailable as error:
            is_last = (time_left() or 0.0) <= _SECONDS_BETWEEN_PURGES
            if is_last or not isinstance(error, StillRead):
                raise RemnantsLeft(error.explanation) from error
            sleep(_SECONDS_BETWEEN_PURGES)
        else:
            return
