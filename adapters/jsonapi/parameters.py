"""Parse query parameters (jsonapi.org/format/1.1/#query-parameters).

All errors of a query are reported together, each with the name of its parameter. An unknown name is
reported with the valid ones and the nearest of them; an invalid value with the accepted form.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlencode

from adapters.jsonapi.catalog import NO_RELATIONSHIPS, Catalog
from adapters.jsonapi.content_negotiation import CURSOR_PROFILE
from adapters.jsonapi.cursors import Cursors, ListCursors
from adapters.jsonapi.errors import ErrorObject, RequestError
from adapters.jsonapi.filters import (
    SEARCH_PARAMETER,
    FilterParser,
    Pairs,
    filter_names,
    filter_operators,
)
from adapters.jsonapi.include_paths import PARAMETER as INCLUDE
from adapters.jsonapi.include_paths import check_count, parse_include, parse_linked_include
from adapters.jsonapi.query_errors import (
    QueryErrors,
    did_you_mean,
    query_error,
    quote,
    truncate,
)
from adapters.jsonapi.resource import Resource
from adapters.jsonapi.suggestions import MAX_SUGGESTIONS, suggest_parameter
from application.inclusion import Step
from application.relationships import Relationship
from application.search import Key, Numbered, Order, Search, Slice, Test, total_order
from domain.text import storable

DEFAULT_PAGE_SIZE: Final = 25
MAX_PAGE_SIZE: Final = 1000
MAX_OFFSET: Final = 100_000
MAX_SORT_FIELDS: Final = 8
MAX_CACHED: Final = 256
MAX_CACHED_LENGTH: Final = 256

URL_CHARACTERS: Final = "%!$&'()*+,;=:@/?[]~"
URL_SAFE: Final = re.compile(rf"[A-Za-z0-9_.\-{re.escape(URL_CHARACTERS)}]*")
"""A query of nothing but what URLs hold; to find it by quote() takes ten times as long."""

_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9_.\-~!$'()*,:@/?;=&+]|%[0-9A-Fa-f]{2})*")
_UNSUPPORTED_SORT: Final = f"{CURSOR_PROFILE}/unsupported-sort"
_ANY_FILTER: Final = "filter[ATTRIBUTE]"
_ANY_OPERATOR: Final = "filter[ATTRIBUTE][OPERATOR]"
_NO_PARAMETERS: Final = " This URL has no parameters."
_EMPTY: Final = "is empty. Send"

_Operators = Mapping[str, Sequence[str]]
_NO_FILTERS: Final[_Operators] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldSelection:
    """The fields that resources are shown with, and the related resources to include.

    `by_type` has the selected attributes and relationships of a type; a type that is absent is
    shown with all of them. `steps` lead to the included resources. `is_compound`: the client sent
    `include`, so the document has `included` even if it is empty (#fetching-includes).
    `includes_items`: on a relationship URL, the related resources themselves are included.
    """

    by_type: Mapping[str, frozenset[str]] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    is_compound: bool = False
    includes_items: bool = False

    def fields(self, resource_type: str) -> frozenset[str] | None:
        """The selected fields of a type; None for all."""
        return self.by_type.get(resource_type)


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """What a request for a collection asks: which part of which list, and how to show it.

    `link_query` are the parameters that the links to other pages repeat, as a query.
    """

    search: Search
    shown: FieldSelection
    cursors: ListCursors
    link_query: str


def collection(
    query: str,
    resource: Resource,
    cursors: Cursors,
    catalog: Catalog = NO_RELATIONSHIPS,
    *,
    within: tuple[Test, ...] = (),
) -> CollectionQuery:
    """Parse the query of a request for a collection. Raises RequestError (400).

    The collection consists of all resources of a type, or of those for which `within` holds.
    """
    return _QueryParser(query, resource, catalog).collection_query(cursors, within)


def linkage(
    query: str,
    relationship: Relationship,
    cursors: Cursors,
    catalog: Catalog,
    *,
    within: tuple[Test, ...] = (),
) -> CollectionQuery:
    """Parse the query of a request for a to-many relationship URL. Raises RequestError (400).

    It is one for the collection of the related resources, but each path of `include` begins with
    the relationship itself.
    """
    parser = _QueryParser(query, catalog.target(relationship), catalog, relationship)
    return parser.collection_query(cursors, within)


def cached(question: Callable[[str], CollectionQuery]) -> Callable[[str], CollectionQuery]:
    """The same, out of memory for what was asked lately: a query means what its text says.

    Long queries are asked by programs, each once, and would take much room.
    """
    known = lru_cache(MAX_CACHED)(question)
    return lambda query: (known if len(query) <= MAX_CACHED_LENGTH else question)(query)


def single(query: str, resource: Resource, catalog: Catalog = NO_RELATIONSHIPS) -> FieldSelection:
    """Parse the query of a request for one resource. Raises RequestError (400)."""
    return _selection(query, resource, catalog, None)


def single_linkage(query: str, relationship: Relationship, catalog: Catalog) -> FieldSelection:
    """Parse the query of a request for a to-one relationship URL. Raises RequestError (400).

    Each path of `include` begins with the relationship itself.
    """
    return _selection(query, catalog.target(relationship), catalog, relationship)


def _selection(
    query: str, resource: Resource, catalog: Catalog, linked_by: Relationship | None
) -> FieldSelection:
    if not query:
        return FieldSelection()
    parser = _QueryParser(query, resource, catalog, linked_by)
    shown = parser.field_selection(1)
    parser.finish(resource_parameters(resource, catalog))
    return shown


def no_parameters(query: str) -> None:
    """RequestError (400) for any parameter."""
    if query:
        _QueryParser(query, Resource("", {})).finish(())


def flag(query: str, name: str) -> bool:
    """The value of a boolean parameter; false if it is absent.

    Raises RequestError (400) if the value is invalid or the query has another parameter.
    """
    if not query:
        return False
    reading = _QueryParser(query, Resource("", {}))
    value = reading.flag(name)
    reading.finish((name,))
    return value


def is_set(query: str, name: str) -> bool:
    """Whether a boolean parameter is true. A query that `flag` refuses may be either."""
    try:
        return bool(query) and (name, "true") in decoded(query)
    except RequestError:
        return False


def check_parameter_count(query: str, most: int) -> None:
    """RequestError (400) for more parameters than that."""
    if query.count("&") >= most:
        raise _refused("too_many_parameters", f"There are more than {most} query parameters.")


def decoded(query: str) -> Pairs:
    """The names and values of a query string as WSGI hands it over. RequestError (400)."""
    pairs = parse_qsl(
        query.encode("latin-1").decode("utf-8", "surrogateescape"),
        keep_blank_values=True,
        errors="surrogateescape",
    )
    if storable("".join(chain.from_iterable(pairs))):
        raise _unstorable(pairs)
    return tuple(pairs)


def _unstorable(pairs: Iterable[tuple[str, str]]) -> RequestError:
    """The error for the first name or value that cannot be stored."""
    for name, value in pairs:
        if problem := storable(name):
            detail = f"The name of a query parameter {problem.detail}."
            return _refused("malformed_query", detail)
        if problem := storable(value):
            detail = f"{truncate(name)} {problem.detail}."
            return _refused("invalid_parameter", detail, parameter=name)
    raise AssertionError("every name and value can be stored")


def _refused(code: str, detail: str, *, parameter: str | None = None) -> RequestError:
    return RequestError(query_error(code, detail, parameter=parameter))


class _QueryParser:
    """One query being read: what was found wrong so far, and which parameters are left."""

    def __init__(
        self,
        query: str,
        resource: Resource,
        catalog: Catalog = NO_RELATIONSHIPS,
        linked_by: Relationship | None = None,
    ) -> None:
        self._query = query
        self._resource = resource
        self._catalog = catalog
        self._linked_by = linked_by
        self._pairs = decoded(query)
        self._errors = QueryErrors()
        self._left = dict(self._pairs)
        self._refuse_repetitions()

    def _add_error(
        self, parameter: str, detail: str, *, code: str = "invalid_parameter", **more: object
    ) -> None:
        self._errors.add(parameter, detail, code=code, **more)

    def _refuse_repetitions(self) -> None:
        seen: set[str] = set()
        for name, _ in self._pairs:
            if name in seen and not name.endswith("[]"):
                detail = f"{truncate(name)} occurs more than once. Send it once."
                self._add_error(name, detail, code="repeated_parameter")
            seen.add(name)

    def finish(self, valid: Sequence[str], operators: _Operators = _NO_FILTERS) -> None:
        """Raises RequestError for every error found, including parameters that are left.

        `valid` are the names of the URL's parameters, but for the filters of attributes.
        `operators` are those of each attribute that the URL can filter by.
        """
        known = [*valid, *([_ANY_FILTER, _ANY_OPERATOR] if operators else [])]
        for position, name in enumerate(self._left):
            detail = f"Unknown parameter {quote(name)}."
            # Only the first ones are explained, so that neither work nor response multiply.
            if position < MAX_SUGGESTIONS:
                detail += did_you_mean(suggest_parameter(name, valid, operators))
                detail += f" Known: {', '.join(known)}." if known else _NO_PARAMETERS
            self._add_error(name, detail, code="unknown_parameter")
        self._errors.raise_all()

    def flag(self, name: str) -> bool:
        value = self._left.pop(name, "false")
        if value not in ("true", "false"):
            self._add_error(name, f"{name} {'must be' if value else _EMPTY} true or false.")
        return value == "true"

    def collection_query(self, cursors: Cursors, within: tuple[Test, ...]) -> CollectionQuery:
        ordering = total_order(tuple(self._sort()))
        conditions = (*within, *self._filters())
        made = cursors.of(self._resource, conditions, ordering)
        place = self._place(made)
        shown = self.field_selection(place.size)
        if self._left or self._errors:
            operators = filter_operators(self._resource, self._catalog)
            self.finish(collection_parameters(self._resource, self._catalog), operators)
        link_query = self._without_places()
        return CollectionQuery(Search(conditions, ordering, place), shown, made, link_query)

    def _without_places(self) -> str:
        """The query for other pages; what is encoded well is repeated as it came."""
        if not _ENCODED.fullmatch(self._query):
            return urlencode([pair for pair in self._pairs if pair[0] not in _PLACES])
        if _PLACES.isdisjoint(name for name, _ in self._pairs):
            return self._query
        parts = filter(None, self._query.split("&"))
        return "&".join(
            part for part, (name, _) in zip(parts, self._pairs, strict=True) if name not in _PLACES
        )

    def field_selection(self, page_size: int) -> FieldSelection:
        """The fields to show and the resources to include. Adds errors if they are invalid."""
        selected = self._fields()
        value = self._left.pop(INCLUDE, None)
        if value is None:
            return FieldSelection(selected)
        if self._linked_by is not None:
            step = parse_linked_include(value, self._linked_by, self._catalog, self._errors)
            if step is None:
                return FieldSelection(selected, is_compound=True)
            check_count(step.steps, page_size, self._errors, already=page_size)
            return FieldSelection(selected, step.steps, is_compound=True, includes_items=True)
        steps = parse_include(value, self._resource, self._catalog, self._errors)
        check_count(steps, page_size, self._errors)
        return FieldSelection(selected, steps, is_compound=True)

    def _fields(self) -> dict[str, frozenset[str]]:
        selected = {}
        for resource in self._catalog.reachable(self._resource).values():
            parameter = f"fields[{resource.type}]"
            value = self._left.pop(parameter, None)
            if value is not None:
                names = value.split(",") if value else []
                known = {**resource.attributes, **resource.relationships}
                self._names(parameter, names, known)
                selected[resource.type] = frozenset(names)
        return selected

    def _names(
        self, parameter: str, names: list[str], known: Collection[str], **more: object
    ) -> None:
        self._errors.add_unknown(parameter, names, known, **more)

    def _sort(self) -> Iterator[Order]:
        text = self._left.pop("sort", "")
        if not text:
            return
        names = text.split(",")
        if len(names) > MAX_SORT_FIELDS:
            detail = f"sort has {len(names)} attributes; at most {MAX_SORT_FIELDS} are allowed."
            self._add_error("sort", detail, type_link=_UNSUPPORTED_SORT)
        orders = [Order(name.removeprefix("-"), name.startswith("-")) for name in names]
        known = self._resource.sortable
        sorted_by = [order.attribute for order in orders]
        self._names("sort", sorted_by, known, type_link=_UNSUPPORTED_SORT)
        yield from (order for order in orders if order.attribute in known)

    def _filters(self) -> tuple[Test, ...]:
        found = filter_names(self._left, self._resource)
        if not found:
            return ()
        for name in found:
            del self._left[name]
        parser = FilterParser(self._resource, self._catalog, self._query, self._pairs, self._errors)
        return parser.parse(found)

    def _place(self, cursors: ListCursors) -> Slice | Numbered:
        by_cursor = not self._left.keys().isdisjoint(("page[after]", "page[before]"))
        after = self._cursor("page[after]", cursors)
        before = self._cursor("page[before]", cursors)
        # A range is as long as it may be, unless the client says less (the profile's section
        # on combining page[after] and page[before]).
        size = self._size(MAX_PAGE_SIZE if after and before else DEFAULT_PAGE_SIZE)
        total = self._total()
        if "page[number]" not in self._left:
            return Slice(size, after, before, total)
        place = Numbered(size, self._positive_integer("page[number]") or 1)
        if by_cursor:
            self._add_error("page[number]", "page[number] cannot be combined with cursors.")
        if place.offset > MAX_OFFSET:
            self._add_error(
                "page[number]",
                f"Numbered pages end at offset {MAX_OFFSET}; follow links.next, or use "
                "page[after] with a cursor from meta.page.cursor.",
                code="page_too_deep",
            )
        return place

    def _positive_integer(self, parameter: str) -> int | None:
        text = self._left.pop(parameter)
        if not text:
            self._add_error(parameter, f"{parameter} is empty. Send a positive whole number.")
            return None
        # The first digits of a giant show well enough that it is beyond every limit.
        if re.fullmatch(r"[0-9]+", text) and (whole := int(text.lstrip("0")[:18] or "0")) > 0:
            return whole
        self._add_error(parameter, f"{parameter} must be a positive whole number.")
        return None

    def _size(self, default: int) -> int:
        if "page[size]" not in self._left:
            return default
        size = self._positive_integer("page[size]") or default
        if size > MAX_PAGE_SIZE:
            self._add_error(
                "page[size]",
                f"A page has at most {MAX_PAGE_SIZE} items.",
                code="max_size_exceeded",
                type_link=f"{CURSOR_PROFILE}/max-size-exceeded",
                meta={"page": {"maxSize": MAX_PAGE_SIZE}},
            )
        return size

    def _total(self) -> bool:
        """Whether a page by cursor has the total. A numbered page always has it."""
        text = self._left.pop("page[total]", None)
        if text not in (None, "true"):
            problem = "must be" if text else _EMPTY
            detail = f"page[total] {problem} true. For no total, leave it out."
            self._add_error("page[total]", detail)
        return text is not None

    def _cursor(self, parameter: str, cursors: ListCursors) -> Key | None:
        if parameter not in self._left:
            return None
        text = self._left.pop(parameter)
        if not text:
            detail = f"{parameter} is empty. Send a cursor, or leave it out."
            self._add_error(parameter, detail, code="invalid_cursor")
            return None
        key = cursors.read(text)
        # Where the sort or the filters are wrong, no cursor could fit.
        if key is None and not any(_of_the_list(error) for error in self._errors):
            self._add_error(
                parameter,
                "The cursor is damaged, or was made for another sort or filter.",
                code="invalid_cursor",
            )
        return key


def collection_parameters(resource: Resource, catalog: Catalog = NO_RELATIONSHIPS) -> list[str]:
    """The names of a collection's parameters, but for the filters of attributes."""
    search = [SEARCH_PARAMETER] if resource.searched else []
    pages = [f"page[{name}]" for name in ("size", "after", "before", "number", "total")]
    return [*pages, "sort", *search, *resource_parameters(resource, catalog)]


def resource_parameters(resource: Resource, catalog: Catalog = NO_RELATIONSHIPS) -> list[str]:
    """The names of the parameters of a single resource."""
    return [*(f"fields[{name}]" for name in catalog.reachable(resource)), INCLUDE]


def _of_the_list(error: ErrorObject) -> bool:
    return (error.parameter or "").startswith(("sort", "filter"))


_PLACES: Final = frozenset(("page[after]", "page[before]", "page[number]"))
