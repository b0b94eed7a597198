"""Lists on the command line, with the same filters, sort orders and documents as the API."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from sys import maxsize
from typing import TYPE_CHECKING, Any, Final

import click

from entrypoints.cli import output
from entrypoints.cli.queries import query_of

if TYPE_CHECKING:
    from adapters.jsonapi.documents import DocumentWriter
    from adapters.jsonapi.parameters import CollectionQuery
    from adapters.jsonapi.resource import Resource
    from application.search import Page, Search
    from entrypoints.cli.tables import Layout

_DEFAULT_LIMIT: Final = 25

as_document = click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON:API document instead of text."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """The values of the options that `options` adds."""

    filters: tuple[str, ...]
    sort: str | None
    fields: str | None
    columns: str | None
    wide: bool
    limit: int | None
    all_rows: bool
    as_json: bool

    def __post_init__(self) -> None:
        """Raises click.UsageError if the list is limited and has all matches."""
        if self.all_rows and self.limit is not None:
            raise click.UsageError("--limit cannot be combined with --all.")

    @property
    def max_rows(self) -> int | None:
        """The number of entities to list at most; None for all."""
        return None if self.all_rows else self.limit or _DEFAULT_LIMIT

    @property
    def one_page(self) -> bool:
        """True if the result fits on one page."""
        from adapters.jsonapi.parameters import MAX_PAGE_SIZE

        return self.max_rows is not None and self.max_rows <= MAX_PAGE_SIZE

    def query(self, type_: str) -> str:
        """The same query for the API."""
        others = {f"fields[{type_}]": self.fields} if self.fields is not None else {}
        if self.one_page:
            others["page[size]"] = str(self.max_rows)
        return query_of(self.filters, self.sort, **others)

    def shown_columns(
        self, resource: "Resource", selected: frozenset[str] | None
    ) -> list[str] | None:
        """The columns of the table; None for all.

        `selected` are the attributes that --fields names; None for all. Raises click.UsageError if
        the options cannot be combined, and RequestError if a column is unknown.
        """
        if self.columns is None:
            if selected is None:
                return None
            return [name for name in _columns(resource) if name == "id" or name in selected]
        if self.fields is not None or self.as_json:
            other = "--json" if self.as_json else "--fields"
            raise click.UsageError(f"--columns cannot be combined with {other}. Use --fields.")
        names = [*dict.fromkeys(self.columns.split(","))]
        check_names("--columns", names, _columns(resource))
        return names


def _columns(resource: "Resource") -> list[str]:
    """Returns the names of all columns of a table."""
    return ["id", *resource.attributes, *resource.references]


def options(resource: "Callable[[], Resource]") -> Callable[[Any], Any]:
    """Adds the options of a command that lists `resource`. They are the fields of ListOptions.

    The resource is only needed to complete the names of its attributes.
    """

    def readable() -> Iterable[str]:
        return _columns(resource())

    def selectable() -> Iterable[str]:
        return [*resource().attributes, *resource().relationships]

    def sortable() -> Iterable[str]:
        names = [*resource().sortable]
        return [*names, *(f"-{name}" for name in names)]

    added = (
        filter_option(
            "List only matches, like filter[ATTR]=VALUE over HTTP. 'ATTR[OP]=VALUE' compares with "
            "another operator. Can be repeated: all filters must match.",
            resource,
        ),
        click.option(
            "--sort",
            metavar="ATTR,-ATTR",
            help="Sort by these attributes. A - before a name sorts in descending order.",
            shell_complete=completing(sortable, separator=","),
        ),
        click.option(
            "--fields",
            metavar="ATTR,ATTR",
            help="Show only the id and these attributes. Also applies to --json.",
            shell_complete=completing(selectable, separator=","),
        ),
        click.option(
            "--columns",
            metavar="ATTR,ATTR",
            help="Show these columns of the table, in this order.",
            shell_complete=completing(readable, separator=","),
        ),
        click.option(
            "--wide", is_flag=True, help="Show all columns of the table, without shortening texts."
        ),
        click.option(
            "--limit",
            type=click.IntRange(1),
            help=f"List at most this many.  [default: {_DEFAULT_LIMIT}]",
        ),
        click.option("--all", "all_rows", is_flag=True, help="List all matches."),
        as_document,
    )

    def add(command: Any) -> Any:
        for option in reversed(added):
            command = option(command)
        return command

    return add


def filter_option(text: str, resource: "Callable[[], Resource]") -> Callable[[Any], Any]:
    """The option --filter, which can be repeated."""
    return click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="ATTR=VALUE",
        help=text,
        shell_complete=lambda _, __, incomplete: _complete_filter(resource(), incomplete),
    )


_OPENING: Final = re.compile(r"(?:or\[[a-z0-9.]+\]\[)?(?:not(\[|\]\[))?")
"""The prefix of the name of a filter: an alternative, a negation, or both."""


def _complete_filter(resource: "Resource", incomplete: str) -> list[str]:
    """Returns the filters that begin with the text, by attributes and by relationships."""
    from adapters.jsonapi.suggestions import SEARCH
    from entrypoints.cli.services import catalog

    all_resources = catalog()
    names = [*resource.filterable]
    for name, relationship in all_resources.relationships_of(resource).items():
        target = all_resources.target(relationship)
        names += [name, *(f"{name}.{each}" for each in target.filterable)]
    if resource.searched:
        names.append(SEARCH)
    opening = _OPENING.match(incomplete)
    before = opening[0] if opening else ""
    end = "]" if before else ""
    last = incomplete.removeprefix(before)
    return [f"{before}{name}{end}" for name in names if name.startswith(last)]


def completing(
    names: Callable[[], Iterable[str]], *, separator: str | None = None
) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Returns a function that completes names of attributes, also after a separator."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
        before, last = "", incomplete
        if separator is not None:
            head, last_separator, last = incomplete.rpartition(separator)
            before = head + last_separator
        return [f"{before}{name}" for name in names() if name.startswith(last)]

    return complete


def check_names(option: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Raises RequestError, as over HTTP, if an attribute is unknown."""
    from adapters.jsonapi.errors import ErrorObject, RequestError
    from adapters.jsonapi.unknown_names import unknown_attributes

    known = [*known]
    if unknown := [name for name in dict.fromkeys(names) if name not in known]:
        detail = unknown_attributes(unknown, known, f" in {option}")
        raise RequestError(ErrorObject(status=400, code="unknown_attribute", detail=detail))


def show(
    chosen: ListOptions,
    resource: "Resource",
    collection_query: "CollectionQuery",
    page: "Callable[[Search], Page[Any]]",
    writer: "DocumentWriter",
    *,
    url: str | None = None,
    dropped_first: Sequence[str] | None = None,
) -> None:
    """Prints the entities that `page` returns, as a table or as a document.

    `url` is that of the document, if it is not the URL of the collection. `dropped_first`: see
    tables.Layout.
    """
    columns = chosen.shown_columns(resource, collection_query.selection.fields(resource.type))
    search, query = collection_query.search, chosen.query(resource.type)
    if chosen.as_json and chosen.one_page:
        output.document(writer.collection(page(search), collection_query, query=query, url=url))
        return
    if chosen.as_json:
        entities = _walk(search, page, chosen.max_rows)
        output.stream(writer.stream(entities, collection_query, query=query, url=url))
        return

    from entrypoints.cli.tables import Layout

    layout = Layout(columns=columns, wide=chosen.wide, dropped_first=dropped_first)
    if chosen.one_page:
        only_page = page(search)
        show_table(resource, only_page.items, layout)
        more = only_page.more
    else:
        limit = chosen.max_rows
        entities = _walk(search, page, None)
        first_ones = entities if limit is None else islice(entities, min(limit, maxsize))
        show_table(resource, first_ones, layout)
        more = limit is not None and next(entities, None) is not None
    if more:
        several = f"the first {chosen.max_rows:,} {resource.type}"
        shown = "only the first one" if chosen.max_rows == 1 else several
        note(f"Showing {shown}. Use --all or --limit N to see more.")


def show_table(resource: "Resource", entities: Iterable[Any], layout: "Layout") -> None:
    """Prints a table. A note about dropped columns goes to standard error."""
    from entrypoints.cli import tables

    remaining = iter(entities)
    first = next(remaining, None)
    if first is None:
        output.line(f"No {resource.type} found.")
        return
    dropped = tables.show_list(resource, chain([first], remaining), layout)
    if dropped:
        note(f"Not shown: {', '.join(dropped)}. Use --wide or --columns to see them.")


def note(line: str) -> None:
    """Prints a note about a table on standard error, because it is not part of the result."""
    click.echo(line, err=True)


def _walk(
    search: "Search", page: "Callable[[Search], Page[Any]]", limit: int | None
) -> Iterator[Any]:
    from application.search import walk

    # islice accepts at most maxsize, and there are fewer entities.
    return islice(walk(page, search), None if limit is None else min(limit, maxsize))
