"""Lists at the command line: the same filters, sorts and documents as over HTTP."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from sys import maxsize
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import click

from entrypoints.cli import output

if TYPE_CHECKING:
    from adapters.jsonapi.documents import DocumentWriter
    from adapters.jsonapi.parameters import CollectionQuery
    from adapters.jsonapi.resource import Resource
    from application.search import Page, Search
    from entrypoints.cli.tables import Layout

as_document = click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON:API document instead of text."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What was chosen of a list, by the options of `options`."""

    filters: tuple[str, ...]
    sort: str | None
    fields: str | None
    columns: str | None
    wide: bool
    limit: int
    all_rows: bool
    as_json: bool

    @property
    def one_page(self) -> bool:
        """Whether a page holds all that is wanted."""
        from adapters.jsonapi.parameters import MAX_PAGE_SIZE

        return not self.all_rows and self.limit <= MAX_PAGE_SIZE

    def query(self, type_: str) -> str:
        """The query that asks the same over HTTP."""
        more = {f"fields[{type_}]": self.fields} if self.fields is not None else {}
        if self.one_page:
            more["page[size]"] = str(self.limit)
        return query_of(self.filters, self.sort, **more)

    def shown_columns(
        self, resource: "Resource", selected: frozenset[str] | None
    ) -> list[str] | None:
        """The columns of the table; None for all. Raises click.UsageError and RequestError.

        `selected` are the attributes that --fields names; None for all.
        """
        if self.columns is None:
            if selected is None:
                return None
            return ["id", *(name for name in resource.attributes if name in selected)]
        if self.fields is not None or self.as_json:
            other = "--json" if self.as_json else "--fields"
            raise click.UsageError(f"--columns cannot be combined with {other}. Use --fields.")
        names = [*dict.fromkeys(self.columns.split(","))]
        check_names("--columns", names, ["id", *resource.attributes])
        return names


def options(resource: "Callable[[], Resource]") -> Callable[[Any], Any]:
    """Adds the options of a command that lists `resource`: its function is given ListOptions.

    The resource is only needed to complete the names of its attributes.
    """

    def readable() -> Iterable[str]:
        return ["id", *resource().attributes]

    def sortable() -> Iterable[str]:
        found = [*resource().sortable]
        return [*found, *(f"-{name}" for name in found)]

    added = (
        filter_option(
            "List only what matches, as filter[ATTR]=VALUE over HTTP. 'ATTR[OP]=VALUE' compares "
            "in another way. Can be repeated: all filters must match.",
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
            help="Show only the id and these attributes, also with --json.",
            shell_complete=completing(lambda: resource().attributes, separator=","),
        ),
        click.option(
            "--columns",
            metavar="ATTR,ATTR",
            help="Show these columns of the table, in this order.",
            shell_complete=completing(readable, separator=","),
        ),
        click.option(
            "--wide", is_flag=True, help="Show all columns of the table, and shorten no text."
        ),
        click.option(
            "--limit",
            type=click.IntRange(1),
            default=25,
            show_default=True,
            help="List at most so many.",
        ),
        click.option("--all", "all_rows", is_flag=True, help="List all of them."),
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
        shell_complete=completing(lambda: resource().filterable),
    )


def completing(
    names: Callable[[], Iterable[str]], *, separator: str | None = None
) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Completes names of attributes; after a separator, another one."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
        before, last = "", incomplete
        if separator is not None:
            head, found, last = incomplete.rpartition(separator)
            before = head + found
        return [f"{before}{name}" for name in names() if name.startswith(last)]

    return complete


def check_names(option: str, names: Sequence[str], known: Iterable[str]) -> None:
    """Raises RequestError for names of attributes that are not known, as over HTTP."""
    from adapters.jsonapi.errors import ErrorObject, RequestError

    known = [*known]
    if unknown := [name for name in names if name not in known]:
        which = "attribute" if len(unknown) == 1 else "attributes"
        quoted = ", ".join(f"'{name}'" for name in unknown)
        detail = f"Unknown {which} {quoted} in {option}. Known: {', '.join(known)}."
        raise RequestError(ErrorObject(status=400, code="unknown_attribute", detail=detail))


def show(
    chosen: ListOptions,
    resource: "Resource",
    question: "CollectionQuery",
    page: "Callable[[Search], Page[Any]]",
    writer: "DocumentWriter",
    *,
    dropped_first: Sequence[str] | None = None,
) -> None:
    """Print the list that `page` gives, as a table or as a document.

    `dropped_first`: see tables.Layout.
    """
    columns = chosen.shown_columns(resource, question.shown.fields)
    query = chosen.query(resource.type)
    if chosen.as_json and chosen.one_page:
        output.document(writer.collection(page(question.search), question, query=query))
        return
    if chosen.as_json:
        found = _found(question, page, None if chosen.all_rows else chosen.limit)
        output.stream(writer.stream(found, question, query=query))
        return

    from entrypoints.cli.tables import Layout

    layout = Layout(columns=columns, wide=chosen.wide, dropped_first=dropped_first)
    if chosen.one_page:
        found_page = page(question.search)
        show_table(resource, found_page.items, layout)
        more = found_page.more
    else:
        limit = None if chosen.all_rows else chosen.limit
        left = _found(question, page, None)
        show_table(resource, left if limit is None else islice(left, min(limit, maxsize)), layout)
        more = limit is not None and next(left, None) is not None
    if more:
        first = f"the first {chosen.limit:,} {resource.type}"
        note(f"Showing {first}. Use --all or --limit N to see more.")


def show_table(resource: "Resource", found: Iterable[Any], layout: "Layout") -> None:
    """Print a table; a note about the columns that it lacks goes to standard error."""
    from entrypoints.cli import tables

    left = iter(found)
    first = next(left, None)
    if first is None:
        output.line(f"No {resource.type} found.")
        return
    dropped = tables.show_list(resource, chain([first], left), layout)
    if dropped:
        note(f"Not shown: {', '.join(dropped)}. Use --wide or --columns to see them.")


def note(line: str) -> None:
    """Print a remark about a table on standard error: it is not part of the result."""
    click.echo(line, err=True)


def _found(
    question: "CollectionQuery", page: "Callable[[Search], Page[Any]]", limit: int | None
) -> Iterator[Any]:
    from application.search import walk

    # islice takes no greater number; there are no more entities.
    return islice(walk(page, question.search), None if limit is None else min(limit, maxsize))


def query_of(filters: tuple[str, ...], sort: str | None, **more: str) -> str:
    """The query that selects the same over HTTP. A space is %20, so no value has lost a plus."""
    pairs = [_filter(text) for text in filters]
    if sort is not None:
        pairs.append(("sort", sort))
    return urlencode([*pairs, *more.items()], errors="surrogateescape", quote_via=quote)


def _filter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"'{text}' is not ATTR=VALUE.", param_hint="--filter")
    if name.startswith("filter["):
        return name, value
    attribute, bracket, op = name.partition("[")
    return f"filter[{attribute}]{bracket}{op}", value
