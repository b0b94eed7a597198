"""Parses query parameters (jsonapi.org/format/1.1/#query-parameters).

All errors of a query are reported together, each with the name of its parameter. The error for an
unknown name lists the valid names and suggests the nearest one. The error for an invalid value
states the accepted form.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlencode

from adapters.jsonapi.catalog import EMPTY_CATALOG, Catalog
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
from adapters.jsonapi.query_errors import QueryErrors, query_error
from adapters.jsonapi.resource import Resource
from adapters.jsonapi.suggestions import MAX_SUGGESTIONS, suggest_parameter
from adapters.jsonapi.unknown_names import MAX_QUOTED, did_you_mean, quote
from application.inclusion import Step
from application.relationships import Relationship
from application.search import Key, Numbered, Order, Search, Slice, Test, total_order
from domain.errors import shortened
from domain.text import storable

DEFAULT_PAGE_SIZE: Final = 25
MAX_PAGE_SIZE: Final = 1000
MAX_OFFSET: Final = 100_000
MAX_SORT_FIELDS: Final = 8
MAX_CACHED: Final = 256
MAX_CACHED_LENGTH: Final = 256

URL_CHARACTERS: Final = "%!$&'()*+,;=:@/?[]~"
URL_SAFE: Final = re.compile(rf"[A-Za-z0-9_.\-{re.escape(URL_CHARACTERS)}]*")
"""Matches a query that has only characters that URLs allow. This check takes a tenth of the time of
quote()."""

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
        """Returns the selected fields of a type, or None for all."""
        return self.by_type.get(resource_type)


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """The parsed query of a collection: the search, the attributes to show and the cursors.

    `link_query` is the query string of the links to other pages, without the parameters of the
    page's position.
    """

    search: Search
    selection: FieldSelection
    cursors: ListCursors
    link_query: str


def collection(
    query: str,
    resource: Resource,
    cursors: Cursors,
    catalog: Catalog = EMPTY_CATALOG,
    *,
    within: tuple[Test, ...] = (),
) -> CollectionQuery:
    """Parses the query of a request for a collection. Raises RequestError (400).

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
    """Parses the query of a request for a to-many relationship URL. Raises RequestError (400).

    The query is that of a collection of the related resources, except that each path of `include`
    begins with the relationship itself.
    """
    parser = _QueryParser(query, catalog.target(relationship), catalog, relationship)
    return parser.collection_query(cursors, within)


def cached(parse: Callable[[str], CollectionQuery]) -> Callable[[str], CollectionQuery]:
    """Returns the function with a cache for short queries.

    Long queries usually come from programs, occur once, and would take much memory.
    """
    cached_parse = lru_cache(MAX_CACHED)(parse)
    return lambda query: (cached_parse if len(query) <= MAX_CACHED_LENGTH else parse)(query)


def single(query: str, resource: Resource, catalog: Catalog = EMPTY_CATALOG) -> FieldSelection:
    """Parses the query of a request for one resource. Raises RequestError (400)."""
    return _selection(query, resource, catalog, None)


def single_linkage(query: str, relationship: Relationship, catalog: Catalog) -> FieldSelection:
    """Parses the query of a request for a to-one relationship URL. Raises RequestError (400).

    Each path of `include` begins with the relationship itself.
    """
    return _selection(query, catalog.target(relationship), catalog, relationship)


def _selection(
    query: str, resource: Resource, catalog: Catalog, linked_by: Relationship | None
) -> FieldSelection:
    if not query:
        return FieldSelection()
    parser = _QueryParser(query, resource, catalog, linked_by)
    selection = parser.field_selection(1)
    parser.finish(resource_parameters(resource, catalog))
    return selection


def no_parameters(query: str) -> None:
    """Raises RequestError (400) if the query has a parameter."""
    if query:
        _QueryParser(query, Resource("", {})).finish(())


def flag(query: str, name: str) -> bool:
    """Returns the value of a boolean parameter; false if it is absent.

    Raises RequestError (400) if the value is invalid or the query has another parameter.
    """
    if not query:
        return False
    parser = _QueryParser(query, Resource("", {}))
    value = parser.flag(name)
    parser.finish((name,))
    return value


def is_set(query: str, name: str) -> bool:
    """Returns True if a boolean parameter is true.

    The result is undefined for a query that `flag` rejects.
    """
    try:
        return bool(query) and (name, "true") in decoded(query)
    except RequestError:
        return False


def check_parameter_count(query: str, maximum: int) -> None:
    """Raises RequestError (400) if the query has more parameters than the maximum."""
    if query.count("&") >= maximum:
        raise _request_error(
            "too_many_parameters", f"There are more than {maximum} query parameters."
        )


def decoded(query: str) -> Pairs:
    """Returns the names and values of a WSGI query string.

    Raises RequestError (400) if one of them cannot be stored.
    """
    pairs = parse_qsl(
        query.encode("latin-1").decode("utf-8", "surrogateescape"),
        keep_blank_values=True,
        errors="surrogateescape",
    )
    if storable("".join(chain.from_iterable(pairs))):
        raise _unstorable(pairs)
    return tuple(pairs)


def _unstorable(pairs: Iterable[tuple[str, str]]) -> RequestError:
    """Returns the error for the first name or value that cannot be stored."""
    for name, value in pairs:
        if problem := storable(name):
            detail = f"The name of a query parameter {problem.detail}."
            return _request_error("malformed_query", detail)
        if problem := storable(value):
            detail = f"{shortened(name, MAX_QUOTED)} {problem.detail}."
            return _request_error("invalid_parameter", detail, parameter=name)
    raise AssertionError("every name and value can be stored")


def _request_error(code: str, detail: str, *, parameter: str | None = None) -> RequestError:
    return RequestError(query_error(code, detail, parameter=parameter))


class _QueryParser:
    """Parses one query. Holds the errors found so far and the remaining parameters."""

    def __init__(
        self,
        query: str,
        resource: Resource,
        catalog: Catalog = EMPTY_CATALOG,
        linked_by: Relationship | None = None,
    ) -> None:
        self._query = query
        self._resource = resource
        self._catalog = catalog
        self._linked_by = linked_by
        self._pairs = decoded(query)
        self._errors = QueryErrors()
        self._remaining = dict(self._pairs)
        self._check_repeated()

    def _check_repeated(self) -> None:
        seen: set[str] = set()
        for name, _ in self._pairs:
            if name in seen and not name.endswith("[]"):
                detail = f"{shortened(name, MAX_QUOTED)} occurs more than once. Send it once."
                self._errors.add(name, detail, code="repeated_parameter")
            seen.add(name)

    def finish(self, valid: Sequence[str], operators: _Operators = _NO_FILTERS) -> None:
        """Raises RequestError with all errors, including those for unknown parameters.

        `valid` contains the names of the URL's parameters, except the filters of attributes.
        `operators` maps each filterable attribute to its operators.
        """
        known = [*valid, *([_ANY_FILTER, _ANY_OPERATOR] if operators else [])]
        for position, name in enumerate(self._remaining):
            detail = f"Unknown parameter {quote(name)}."
            # Only the first errors have an explanation, to bound the work and the response.
            if position < MAX_SUGGESTIONS:
                detail += did_you_mean(suggest_parameter(name, valid, operators))
                detail += f" Known: {', '.join(known)}." if known else _NO_PARAMETERS
            self._errors.add(name, detail, code="unknown_parameter")
        self._errors.raise_all()

    def flag(self, name: str) -> bool:
        """Parses a boolean parameter; false if it is absent."""
        value = self._remaining.pop(name, "false")
        if value not in ("true", "false"):
            self._errors.add(name, f"{name} {'must be' if value else _EMPTY} true or false.")
        return value == "true"

    def collection_query(self, cursors: Cursors, within: tuple[Test, ...]) -> CollectionQuery:
        ordering = total_order(tuple(self._sort()))
        conditions = (*within, *self._filters())
        list_cursors = cursors.of(self._resource, conditions, ordering)
        place = self._place(list_cursors)
        selection = self.field_selection(place.size)
        if self._remaining or self._errors:
            operators = filter_operators(self._resource, self._catalog)
            self.finish(collection_parameters(self._resource, self._catalog), operators)
        link_query = self._link_query()
        return CollectionQuery(
            Search(conditions, ordering, place), selection, list_cursors, link_query
        )

    def _link_query(self) -> str:
        """Returns the query without the page's position, unchanged if it is well encoded."""
        if not _ENCODED.fullmatch(self._query):
            return urlencode([pair for pair in self._pairs if pair[0] not in _POSITION_PARAMETERS])
        if _POSITION_PARAMETERS.isdisjoint(name for name, _ in self._pairs):
            return self._query
        parts = filter(None, self._query.split("&"))
        return "&".join(
            part
            for part, (name, _) in zip(parts, self._pairs, strict=True)
            if name not in _POSITION_PARAMETERS
        )

    def field_selection(self, page_size: int) -> FieldSelection:
        """Returns the fields to show and the resources to include. Adds an error if invalid."""
        selected = self._fields()
        value = self._remaining.pop(INCLUDE, None)
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
        selected: dict[str, frozenset[str]] = {}
        if not self._remaining:
            return selected
        for resource in self._catalog.reachable(self._resource).values():
            parameter = f"fields[{resource.type}]"
            value = self._remaining.pop(parameter, None)
            if value is not None:
                names = value.split(",") if value else []
                known = {**resource.attributes, **resource.relationships}
                self._errors.add_unknown(parameter, names, known)
                selected[resource.type] = frozenset(names)
        return selected

    def _sort(self) -> Iterator[Order]:
        text = self._remaining.pop("sort", "")
        if not text:
            return
        names = text.split(",")
        if len(names) > MAX_SORT_FIELDS:
            detail = f"sort has {len(names)} attributes; at most {MAX_SORT_FIELDS} are allowed."
            self._errors.add("sort", detail, type_link=_UNSUPPORTED_SORT)
        orders = [Order(name.removeprefix("-"), name.startswith("-")) for name in names]
        known = self._resource.sortable
        if refused := [order.attribute for order in orders if order.attribute not in known]:
            others = {**self._resource.attributes, **self._resource.relationships}
            self._errors.add_unknown(
                "sort", refused, known, others=others, use="sorted", type_link=_UNSUPPORTED_SORT
            )
        yield from (order for order in orders if order.attribute in known)

    def _filters(self) -> tuple[Test, ...]:
        names = filter_names(self._remaining, self._resource)
        if not names:
            return ()
        for name in names:
            del self._remaining[name]
        parser = FilterParser(self._resource, self._catalog, self._query, self._pairs, self._errors)
        return parser.parse(names)

    def _place(self, cursors: ListCursors) -> Slice | Numbered:
        has_cursor = not self._remaining.keys().isdisjoint(("page[after]", "page[before]"))
        after = self._cursor("page[after]", cursors)
        before = self._cursor("page[before]", cursors)
        # A range has the maximum size by default (the profile's section on combining page[after]
        # and page[before]).
        size = self._size(MAX_PAGE_SIZE if after and before else DEFAULT_PAGE_SIZE)
        total = self._total()
        if "page[number]" not in self._remaining:
            return Slice(size, after, before, total)
        place = Numbered(size, self._positive_integer("page[number]") or 1)
        if has_cursor:
            self._errors.add("page[number]", "page[number] cannot be combined with cursors.")
        if place.offset > MAX_OFFSET:
            self._errors.add(
                "page[number]",
                f"Numbered pages end at offset {MAX_OFFSET}. Follow links.next, or send "
                "page[after] with a cursor from meta.page.cursor.",
                code="page_too_deep",
            )
        return place

    def _positive_integer(self, parameter: str) -> int | None:
        text = self._remaining.pop(parameter)
        if not text:
            self._errors.add(parameter, f"{parameter} is empty. Send a positive whole number.")
            return None
        # 18 digits suffice, because every limit is smaller.
        if re.fullmatch(r"[0-9]+", text) and (number := int(text.lstrip("0")[:18] or "0")) > 0:
            return number
        self._errors.add(parameter, f"{parameter} must be a positive whole number.")
        return None

    def _size(self, default: int) -> int:
        if "page[size]" not in self._remaining:
            return default
        size = self._positive_integer("page[size]") or default
        if size > MAX_PAGE_SIZE:
            self._errors.add(
                "page[size]",
                f"A page has at most {MAX_PAGE_SIZE} items.",
                code="max_size_exceeded",
                type_link=f"{CURSOR_PROFILE}/max-size-exceeded",
                meta={"page": {"maxSize": MAX_PAGE_SIZE}},
            )
        return size

    def _total(self) -> bool:
        """Returns True if the query requests the total. A numbered page always has the total."""
        text = self._remaining.pop("page[total]", None)
        if text not in (None, "true"):
            problem = "must be" if text else _EMPTY
            detail = f"page[total] {problem} true. For no total, leave it out."
            self._errors.add("page[total]", detail)
        return text is not None

    def _cursor(self, parameter: str, cursors: ListCursors) -> Key | None:
        if parameter not in self._remaining:
            return None
        text = self._remaining.pop(parameter)
        if not text:
            detail = f"{parameter} is empty. Send a cursor, or leave it out."
            self._errors.add(parameter, detail, code="invalid_cursor")
            return None
        key = cursors.read(text)
        # If the sort or a filter is invalid, no cursor could be valid.
        if key is None and not any(_is_about_list(error) for error in self._errors):
            self._errors.add(
                parameter,
                "The cursor is damaged, or is for another sort or filter.",
                code="invalid_cursor",
            )
        return key


def collection_parameters(resource: Resource, catalog: Catalog) -> list[str]:
    """Returns the names of a collection's parameters, except the filters of attributes."""
    search = [SEARCH_PARAMETER] if resource.searched else []
    pages = [f"page[{name}]" for name in ("size", "after", "before", "number", "total")]
    return [*pages, "sort", *search, *resource_parameters(resource, catalog)]


def resource_parameters(resource: Resource, catalog: Catalog) -> list[str]:
    """Returns the names of the parameters of a single resource."""
    return [*(f"fields[{name}]" for name in catalog.reachable(resource)), INCLUDE]


def _is_about_list(error: ErrorObject) -> bool:
    return (error.parameter or "").startswith(("sort", "filter"))


_POSITION_PARAMETERS: Final = frozenset(("page[after]", "page[before]", "page[number]"))
