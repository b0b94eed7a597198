"""Counts the entities that match, in total or by the values of an attribute."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from entrypoints.cli import lists, output
from entrypoints.cli.changes import COUNT_SECONDS

if TYPE_CHECKING:
    from adapters.jsonapi.resource import Resource
    from entrypoints.cli.services import Services

_LIMIT: Final = 1000
_MAX_LIMIT: Final = 100_000
_NULL: Final = "null"
"""The text for null. An empty cell would look like an empty text."""


def options(resource: "Callable[[], Resource]") -> Callable[[Any], Any]:
    """Adds the options of a command that counts by an attribute of the resource."""
    by = click.option(
        "--by",
        metavar="ATTR",
        help="Count each value of this attribute.",
        shell_complete=lists.completing(lambda: resource().sortable),
    )
    limit = click.option(
        "--limit",
        type=click.IntRange(1, _MAX_LIMIT),
        default=_LIMIT,
        show_default=True,
        help="With --by: show at most this many values.",
    )
    return lambda command: by(limit(command))


def show(
    services: "Services", by: str | None, *, filters: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """Prints the number of matches, or the number for each value.

    Raises RequestError if a name or a filter is invalid.
    """
    from application.deadlines import deadline

    declared = services.declaration
    if by is not None:
        lists.check_names("--by", [by], declared.sortable)
    search = services.search_of(filters)
    with deadline(COUNT_SECONDS):
        if by is None:
            _show_count(services.queries.count(search, services.principal), as_json=as_json)
            return
        counts = services.queries.count_by(search, by, services.principal, limit=limit)
    field = declared.sortable[by].field
    if as_json:
        values = field.serialize_column([value for value, _ in counts.items])
        numbers = (number for _, number in counts.items)
        groups = [{"value": v, "count": n} for v, n in zip(values, numbers, strict=True)]
        output.meta({"by": by, "groups": groups, "more": counts.more})
        return

    from entrypoints.cli import tables

    rows = ((_NULL if v is None else field.to_display(v), str(n)) for v, n in counts.items)
    tables.show_texts((by, "count"), rows)
    if counts.more:
        values = "value" if limit == 1 else f"{limit:,} values"
        lists.note(f"Showing the first {values} of {by}. Use --limit N to see more.")


def _show_count(count: int, *, as_json: bool) -> None:
    if as_json:
        output.meta({"count": count})
    else:
        output.line(str(count))
