"""Parses query parameters (jsonapi.org/format/1.1/#query-parameters).

All errors of a query are reported together, each with the name of its parameter. The error for an
unknown name lists the valid names and suggests the nearest one. The error for an invalid value
states the accepted form.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlencode

from adapters.jsonapi.content_negotiation import CURSOR_PROFILE
from adapters.jsonapi.cursors import Cursors, ListCursors
from adapters.jsonapi.errors import ErrorObject, RequestError
from adapters.jsonapi.kinds import EQUALITY, TEXT_SEARCH
from adapters.jsonapi.resource import Attribute, Resource
from adapters.jsonapi.suggestions import (
    MAX_SUGGESTIONS,
    SEARCH,
    suggest_attribute,
    suggest_operator,
    suggest_parameter,
)
from application.search import (
    Condition,
    Key,
    Numbered,
    Op,
    Order,
    Search,
    Slice,
    Test,
    WordSearch,
    total_order,
)
from domain.errors import Problem
from domain.text import MAX_FOLDED_INPUT, storable

DEFAULT_PAGE_SIZE: Final = 25
MAX_PAGE_SIZE: Final = 1000
MAX_OFFSET: Final = 100_000
MAX_SORT_FIELDS: Final = 8
MAX_FILTERS: Final = 20
MAX_FILTER_VALUES: Final = 500
MAX_WORDS: Final = 8
"""The most words that a search looks for."""
MAX_VALUE_LENGTH: Final = MAX_FOLDED_INPUT
"""The most characters of a filter value. The limit is checked before folding and matching, whose
cost grows faster than the length."""
MAX_CACHED: Final = 256
MAX_CACHED_LENGTH: Final = 256

URL_CHARACTERS: Final = "%!$&'()*+,;=:@/?[]~"
URL_SAFE: Final = re.compile(rf"[A-Za-z0-9_.\-{re.escape(URL_CHARACTERS)}]*")
"""A query that has only characters that URLs allow. This check takes a tenth of the time of
quote()."""

_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9_.\-~!$'()*,:@/?;=&+]|%[0-9A-Fa-f]{2})*")
_FILTER = re.compile(r"filter\[([^][]*)\](?:\[([^][]*)\])?")
_UNSUPPORTED_SORT: Final = f"{CURSOR_PROFILE}/unsupported-sort"
_OPS: Final = {op.value: op for op in Op}
_MAX_QUOTED_LENGTH: Final = 100
_MAX_QUOTED_NAMES: Final = 10
_MAX_PARAMETER_LENGTH: Final = 250
"""Clients find `source.parameter` by its exact name. No valid parameter has a longer name."""

_SEARCH: Final = f"filter[{SEARCH}]"
_ANY_FILTER: Final = "filter[ATTRIBUTE]"
_ANY_OPERATOR: Final = "filter[ATTRIBUTE][OPERATOR]"
_NO_PARAMETERS: Final = " This URL has no parameters."
_EMPTY: Final = "is empty. Send"
_TOO_LONG: Final = f"A filter value has at most {MAX_VALUE_LENGTH} characters."

Pairs = tuple[tuple[str, str], ...]
_Operators = Mapping[str, Sequence[str]]
_NO_FILTERS: Final[_Operators] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldSelection:
    """The attributes of the resources in a response; None for all.

    `included`: the query has the parameter include, so the response must have the member included,
    even if it is empty (#fetching-includes).
    """

    fields: frozenset[str] | None = None
    included: bool = False


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """The parsed query of a collection: the search, the attributes to show and the cursors.

    `link_query` is the query string of the links to other pages, without the parameters of the
    page's position.
    """

    search: Search
    shown: FieldSelection
    cursors: ListCursors
    link_query: str


def collection(
    query: str, resource: Resource, cursors: Cursors, *, within: tuple[Test, ...] = ()
) -> CollectionQuery:
    """Parses the query of a collection. Raises RequestError (400) if it is invalid.

    The collection consists of the resources of the type for which all tests in `within` hold.
    """
    return _QueryParser(query, resource).collection_query(cursors, within)


def cached(parse: Callable[[str], CollectionQuery]) -> Callable[[str], CollectionQuery]:
    """Returns the function with a cache for short queries.

    Long queries usually come from programs, occur once, and would take much memory.
    """
    cached_parse = lru_cache(MAX_CACHED)(parse)
    return lambda query: (cached_parse if len(query) <= MAX_CACHED_LENGTH else parse)(query)


def single(query: str, resource: Resource) -> FieldSelection:
    """Parses the query of a single resource. Raises RequestError (400) if it is invalid."""
    if not query:
        return FieldSelection()
    parser = _QueryParser(query, resource)
    selection = parser.field_selection()
    parser.finish(resource_parameters(resource))
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
    """Returns True if a boolean parameter is true. For a query that `flag` rejects, either."""
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
            detail = f"{_truncate(name)} {problem.detail}."
            return _request_error("invalid_parameter", detail, parameter=name)
    raise AssertionError("every name and value can be stored")


def _request_error(code: str, detail: str, *, parameter: str | None = None) -> RequestError:
    source = parameter and _truncate(parameter, _MAX_PARAMETER_LENGTH)
    return RequestError(ErrorObject(status=400, code=code, detail=detail, parameter=source))


def _truncate(text: str, max_length: int = _MAX_QUOTED_LENGTH) -> str:
    """Returns the text, or its beginning if it is too long to be quoted."""
    return text if len(text) <= max_length else f"{text[:max_length]}…"


def _quote(text: str) -> str:
    return f"'{_truncate(text)}'"


def _quote_all(names: list[str]) -> str:
    """Quotes the first names and counts the others."""
    quoted = ", ".join(map(_quote, names[:_MAX_QUOTED_NAMES]))
    omitted = len(names) - _MAX_QUOTED_NAMES
    return f"{quoted} and {omitted} more" if omitted > 0 else quoted


class _QueryParser:
    """Parses one query. Holds the errors found so far and the remaining parameters."""

    def __init__(self, query: str, resource: Resource) -> None:
        self._query = query
        self._resource = resource
        self._pairs = decoded(query)
        self._errors: list[ErrorObject] = []
        self._remaining = dict(self._pairs)
        self._check_repeated()

    def _add_error(
        self, parameter: str, detail: str, *, code: str = "invalid_parameter", **fields: object
    ) -> None:
        source = _truncate(parameter, _MAX_PARAMETER_LENGTH)
        self._errors.append(
            ErrorObject(status=400, code=code, detail=detail, parameter=source, **fields)  # type: ignore[arg-type]
        )

    def _check_repeated(self) -> None:
        seen: set[str] = set()
        for name, _ in self._pairs:
            if name in seen and not name.endswith("[]"):
                detail = f"{_truncate(name)} occurs more than once. Send it once."
                self._add_error(name, detail, code="repeated_parameter")
            seen.add(name)

    def finish(self, valid: Sequence[str], operators: _Operators = _NO_FILTERS) -> None:
        """Raises RequestError with all errors, including those for unknown parameters.

        `valid` contains the names of the URL's parameters, except the filters of attributes.
        `operators` maps each filterable attribute to its operators.
        """
        known = [*valid, *([_ANY_FILTER, _ANY_OPERATOR] if operators else [])]
        for position, name in enumerate(self._remaining):
            detail = f"Unknown parameter {_quote(name)}."
            # Only the first errors have an explanation, to bound the work and the response.
            if position < MAX_SUGGESTIONS:
                detail += _did_you_mean(suggest_parameter(name, valid, operators))
                detail += f" Known: {', '.join(known)}." if known else _NO_PARAMETERS
            self._add_error(name, detail, code="unknown_parameter")
        if self._errors:
            raise RequestError(*self._errors)

    def flag(self, name: str) -> bool:
        """Parses a boolean parameter; false if it is absent."""
        value = self._remaining.pop(name, "false")
        if value not in ("true", "false"):
            self._add_error(name, f"{name} {'must be' if value else _EMPTY} true or false.")
        return value == "true"

    def collection_query(self, cursors: Cursors, within: tuple[Test, ...]) -> CollectionQuery:
        """Parses the query of a collection. Raises RequestError with all errors."""
        selection = self.field_selection()
        ordering = total_order(tuple(self._sort()))
        conditions = (*within, *self._filters())
        list_cursors = cursors.of(self._resource, conditions, ordering)
        search = Search(conditions, ordering, self._place(list_cursors))
        self._finish_collection()
        return CollectionQuery(search, selection, list_cursors, self._link_query())

    def _finish_collection(self) -> None:
        if self._remaining or self._errors:
            filterable = self._resource.filterable.items()
            operators = {name: attribute.operators for name, attribute in filterable}
            self.finish(collection_parameters(self._resource), operators)

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

    def field_selection(self) -> FieldSelection:
        """Parses the parameters fields and include."""
        return FieldSelection(self._fields(), self._include())

    def _fields(self) -> frozenset[str] | None:
        parameter = f"fields[{self._resource.type}]"
        value = self._remaining.pop(parameter, None)
        if value is None:
            return None
        names = value.split(",") if value else []
        self._check_names(parameter, names, self._resource.attributes)
        return frozenset(names)

    def _include(self) -> bool:
        path = self._remaining.pop("include", None)
        if path:
            detail = f"Unknown relationship {_quote(path)}. No relationship exists yet."
            self._add_error("include", detail, code="unknown_relationship")
        return path is not None

    def _check_names(
        self, parameter: str, names: list[str], known: Collection[str], **fields: object
    ) -> None:
        # One error for all unknown names, so that the response is not larger than the request.
        if unknown := [name for name in dict.fromkeys(names) if name not in known]:
            noun = "attribute" if len(unknown) == 1 else "attributes"
            similar = (suggest_attribute(name, known) for name in unknown[:MAX_SUGGESTIONS])
            detail = f"Unknown {noun} {_quote_all(unknown)}.{_did_you_mean(*similar)}"
            detail += f" Known: {', '.join(known)}."
            self._add_error(parameter, detail, code="unknown_attribute", **fields)

    def _sort(self) -> Iterator[Order]:
        text = self._remaining.pop("sort", "")
        if not text:
            return
        names = text.split(",")
        if len(names) > MAX_SORT_FIELDS:
            detail = f"sort has {len(names)} attributes; at most {MAX_SORT_FIELDS} are allowed."
            self._add_error("sort", detail, type_link=_UNSUPPORTED_SORT)
        orders = [Order(name.removeprefix("-"), name.startswith("-")) for name in names]
        known = self._resource.sortable
        sorted_by = [order.attribute for order in orders]
        self._check_names("sort", sorted_by, known, type_link=_UNSUPPORTED_SORT)
        yield from (order for order in orders if order.attribute in known)

    def _filters(self) -> Iterator[Test]:
        matches = {name: match for name in self._remaining if (match := _FILTER.fullmatch(name))}
        if not self._resource.searched:  # The error is that of an unknown parameter.
            matches.pop(_SEARCH, None)
        for name in matches:
            del self._remaining[name]
        names = [*matches]
        if len(names) > MAX_FILTERS:
            detail = f"There are {len(names)} filters; at most {MAX_FILTERS} are allowed."
            self._add_error(names[MAX_FILTERS], detail)
            return
        value_count = 0
        for name, match in matches.items():
            parsed = self._parse_filter(name, *match.groups())
            if parsed is None:
                continue
            value_count += parsed.count
            if value_count > MAX_FILTER_VALUES:
                detail = f"The filters have more than {MAX_FILTER_VALUES} values."
                self._add_error(name, f"{detail} Send several requests.")
                return
            if test := self._test(name, parsed):
                yield test

    def _parse_filter(
        self, name: str, attribute_name: str, operator: str | None
    ) -> "_Filter | _Words | None":
        texts = [value for other, value in self._pairs if other == name]
        if attribute_name == SEARCH and self._resource.searched:
            return self._parse_words(name, operator, texts[0])
        attribute = self._resource.filterable.get(attribute_name)
        if attribute is None:
            search = [SEARCH] if self._resource.searched else []
            self._check_names(name, [attribute_name], [*self._resource.filterable, *search])
            return None
        op = _OPS.get(operator) if operator else Op.IN
        if op is None or not attribute.field.allows(op):
            known = attribute.operators
            detail = f"{attribute.name} cannot be filtered by {_quote(operator or '')}."
            detail += _did_you_mean(suggest_operator(operator or "", known))
            self._add_error(name, f"{detail} Known: {', '.join(known)}.")
            return None
        if op is Op.IN and operator != "":
            return _Filter(attribute, op, texts[:1], is_separated=True)
        return _Filter(attribute, op, texts if op is Op.IN else texts[:1])

    def _parse_words(self, name: str, operator: str | None, text: str) -> "_Words | None":
        if operator is None:
            return _Words(text)
        self._add_error(name, f"{_SEARCH} takes no operator. Send {_SEARCH}=WORDS.")
        return None

    def _test(self, name: str, parsed: "_Filter | _Words") -> Test | None:
        if isinstance(parsed, _Words):
            return self._word_search(name, parsed.text)
        return self._condition(name, parsed)

    def _word_search(self, name: str, text: str) -> WordSearch | None:
        if len(text) > MAX_VALUE_LENGTH:
            self._add_error(name, _TOO_LONG)
            return None
        words = text.split()
        if 0 < len(words) <= MAX_WORDS:
            return WordSearch.folding(self._resource.searched, words)
        problem = f"has {len(words)} words" if words else "is empty"
        detail = f"{name} {problem}. Send 1 to {MAX_WORDS} words, separated by spaces."
        self._add_error(name, detail)
        return None

    def _condition(self, name: str, parsed: "_Filter") -> Condition | None:
        attribute, op = parsed.attribute, parsed.op
        texts = parsed.texts[0].split(",") if parsed.is_separated else parsed.texts
        if len(max(texts, key=len)) > MAX_VALUE_LENGTH:
            self._add_error(name, _TOO_LONG)
            return None
        values = []
        for text in texts:
            value = attribute.parse(text, op)
            if isinstance(value, Problem):
                has_plus = "+" in self._query
                detail = _invalid_value(attribute, op, text, value, has_plus=has_plus)
                self._add_error(name, detail)
                return None
            values.append(value)
        if op is Op.IN and len(values) == 1:
            op = Op.EQ
        field = attribute.field
        if op in EQUALITY and field.key:
            keys = tuple(field.key.of(str(value)) for value in values)
            return Condition(field.key.attribute, op, keys)
        if op in TEXT_SEARCH or (field.folded and op in EQUALITY):
            return Condition.folding(attribute.name, op, tuple(map(str, values)))
        return Condition(attribute.name, op, tuple(values))

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
            self._add_error("page[number]", "page[number] cannot be combined with cursors.")
        if place.offset > MAX_OFFSET:
            self._add_error(
                "page[number]",
                f"Numbered pages end at offset {MAX_OFFSET}. Follow links.next, or send "
                "page[after] with a cursor from meta.page.cursor.",
                code="page_too_deep",
            )
        return place

    def _positive_integer(self, parameter: str) -> int | None:
        text = self._remaining.pop(parameter)
        if not text:
            self._add_error(parameter, f"{parameter} is empty. Send a positive whole number.")
            return None
        # 18 digits suffice, because every limit is smaller.
        if re.fullmatch(r"[0-9]+", text) and (number := int(text.lstrip("0")[:18] or "0")) > 0:
            return number
        self._add_error(parameter, f"{parameter} must be a positive whole number.")
        return None

    def _size(self, default: int) -> int:
        if "page[size]" not in self._remaining:
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
        """Returns True if the query requests the total. A numbered page always has the total."""
        text = self._remaining.pop("page[total]", None)
        if text not in (None, "true"):
            problem = "must be" if text else _EMPTY
            detail = f"page[total] {problem} true. For no total, leave it out."
            self._add_error("page[total]", detail)
        return text is not None

    def _cursor(self, parameter: str, cursors: ListCursors) -> Key | None:
        if parameter not in self._remaining:
            return None
        text = self._remaining.pop(parameter)
        if not text:
            detail = f"{parameter} is empty. Send a cursor, or leave it out."
            self._add_error(parameter, detail, code="invalid_cursor")
            return None
        key = cursors.read(text)
        # If the sort or a filter is invalid, no cursor could be valid.
        if key is None and not any(_is_about_list(error) for error in self._errors):
            self._add_error(
                parameter,
                "The cursor is damaged, or is for another sort or filter.",
                code="invalid_cursor",
            )
        return key


@dataclass(frozen=True, slots=True)
class _Words:
    """A search for the words of a text. It counts as one value."""

    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Filter:
    """A filter with a valid attribute and operator, and the texts of its values.

    `is_separated`: the only text contains the values, separated by commas.
    """

    attribute: Attribute
    op: Op
    texts: list[str]
    is_separated: bool = False

    @property
    def count(self) -> int:
        """The number of values, counted without splitting, because there may be very many."""
        return 1 + self.texts[0].count(",") if self.is_separated else len(self.texts)


def _invalid_value(
    attribute: Attribute, op: Op, text: str, problem: Problem, *, has_plus: bool
) -> str:
    """Returns the detail of the error for an invalid filter value.

    `has_plus`: the query has a +, which is an encoded space.
    """
    value = _quote(text) if text else "An empty value"
    detail = f"{value} is not a valid {attribute.name}. It {problem.detail}."
    if has_plus and " " in text:
        encoded = attribute.parse(text.replace(" ", "+"), op)
        if not isinstance(encoded, Problem):
            detail += " A + in a query means a space; write %2B."
    return detail


def _did_you_mean(*names: str | None) -> str:
    """Returns a question with the suggestions; the empty string if there are none."""
    quoted = [_quote(name) for name in names if name]
    return f" Did you mean {', '.join(quoted)}?" if quoted else ""


def collection_parameters(resource: Resource) -> list[str]:
    """Returns the names of a collection's parameters, except the filters of attributes."""
    search = [_SEARCH] if resource.searched else []
    pages = [f"page[{name}]" for name in ("size", "after", "before", "number", "total")]
    return [*pages, "sort", *search, *resource_parameters(resource)]


def resource_parameters(resource: Resource) -> list[str]:
    """Returns the names of the parameters of a single resource."""
    return [f"fields[{resource.type}]", "include"]


def _is_about_list(error: ErrorObject) -> bool:
    return (error.parameter or "").startswith(("sort", "filter"))


_POSITION_PARAMETERS: Final = frozenset(("page[after]", "page[before]", "page[number]"))
