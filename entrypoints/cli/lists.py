"""Lists at the command line: the same filters, sorts and documents as over HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
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

as_document = click.option("--json", "as_json", is_flag=True, help="A JSON:API document.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What was chosen of a list, by the options of `options`."""

    filters: tuple[str, ...]
    sort: str | None
    fields: str | None
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


def options(command: Any) -> Any:
    """The options of a command that lists; its function is given Asked."""
    for option in (
        as_document,
        click.option("--all", "all_rows", is_flag=True, help="All of them."),
        click.option(
            "--limit", type=click.IntRange(1), default=25, show_default=True, help="How many."
        ),
        click.option("--fields", metavar="ATTR,ATTR", help="Show these only."),
        click.option("--sort", metavar="ATTR,-ATTR", help="By these; - for descending."),
        click.option(
            "--filter",
            "filters",
            multiple=True,
            metavar="ATTR=VALUE",
            help="As filter[ATTR]=VALUE over HTTP, or 'ATTR[OP]=VALUE'; all of several must hold.",
        ),
    ):
        command = option(command)
    return command


def show(
    chosen: ListOptions,
    resource: "Resource",
    question: "CollectionQuery",
    page: "Callable[[Search], Page[Any]]",
    writer: "DocumentWriter",
) -> None:
    """Print the list that `page` gives, as a table or as a document."""
    query = chosen.query(resource.type)
    if chosen.as_json and chosen.one_page:
        output.document(writer.collection(page(question.search), question, query=query))
        return
    found = _found(question, page, None if chosen.all_rows else chosen.limit)
    if chosen.as_json:
        output.stream(writer.stream(found, question, query=query))
    else:
        output.table(resource, found, question.shown.fields)


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
