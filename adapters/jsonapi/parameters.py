"""Parse query parameters (jsonapi.org/format/1.1/#query-parameters).

All errors of a query are reported together, each with the name of its parameter. An unknown name is
reported with the valid ones and the nearest of them; an invalid value with the accepted form.
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
"""The most characters of a filter value. They are counted before it is folded or matched, because
that work grows faster than the length."""
MAX_CACHED: Final = 256
MAX_CACHED_LENGTH: Final = 256

URL_CHARACTERS: Final = "%!$&'()*+,;=:@/?[]~"
URL_SAFE: Final = re.compile(rf"[A-Za-z0-9_.\-{re.escape(URL_CHARACTERS)}]*")
"""A query of nothing but what URLs hold; to find it by quote() takes ten times as long."""

_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9_.\-~!$'()*,:@/?;=&+]|%[0-9A-Fa-f]{2})*")
_FILTER = re.compile(r"filter\[([^][]*)\](?:\[([^][]*)\])?")
_UNSUPPORTED_SORT: Final = f"{CURSOR_PROFILE}/unsupported-sort"
_OPS: Final = {op.value: op for op in Op}
_LONGEST_QUOTED: Final = 100
_MOST_QUOTED: Final = 10
_LONGEST_PARAMETER: Final = 250
"""Clients look for `source.parameter` by its exact name; none that exists is longer."""

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
    """How resources are shown: by which attributes, None for all.

    `included`: whether the client spoke of related resources; the answer then does too, even if
    there are none (#fetching-includes).
    """

    fields: frozenset[str] | None = None
    included: bool = False


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
    query: str, resource: Resource, cursors: Cursors, *, within: tuple[Test, ...] = ()
) -> CollectionQuery:
    """What the query of a request for a collection asks. RequestError (400).

    The collection is all resources of a type, or those of them for which `within` holds.
    """
    return _QueryParser(query, resource).collection_query(cursors, within)


def cached(question: Callable[[str], CollectionQuery]) -> Callable[[str], CollectionQuery]:
    """The same, out of memory for what was asked lately: a query means what its text says.

    Long queries are asked by programs, each once, and would take much room.
    """
    known = lru_cache(MAX_CACHED)(question)
    return lambda query: (known if len(query) <= MAX_CACHED_LENGTH else question)(query)


def single(query: str, resource: Resource) -> FieldSelection:
    """How to show one resource. RequestError (400)."""
    if not query:
        return FieldSelection()
    reading = _QueryParser(query, resource)
    shown = reading.field_selection()
    reading.finish(resource_parameters(resource))
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
            detail = f"{_truncate(name)} {problem.detail}."
            return _refused("invalid_parameter", detail, parameter=name)
    raise AssertionError("every name and value can be stored")


def _refused(code: str, detail: str, *, parameter: str | None = None) -> RequestError:
    named = parameter and _truncate(parameter, _LONGEST_PARAMETER)
    return RequestError(ErrorObject(status=400, code=code, detail=detail, parameter=named))


def _truncate(text: str, longest: int = _LONGEST_QUOTED) -> str:
    """What a client sent, as an error repeats it."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def _quote(text: str) -> str:
    return f"'{_truncate(text)}'"


def _quote_all(names: list[str]) -> str:
    """The first of the names, quoted."""
    listed = ", ".join(map(_quote, names[:_MOST_QUOTED]))
    more = len(names) - _MOST_QUOTED
    return f"{listed} and {more} more" if more > 0 else listed


class _QueryParser:
    """One query being read: what was found wrong so far, and which parameters are left."""

    def __init__(self, query: str, resource: Resource) -> None:
        self._query = query
        self._resource = resource
        self._pairs = decoded(query)
        self._errors: list[ErrorObject] = []
        self._left = dict(self._pairs)
        self._refuse_repetitions()

    def _add_error(
        self, parameter: str, detail: str, *, code: str = "invalid_parameter", **more: object
    ) -> None:
        named = _truncate(parameter, _LONGEST_PARAMETER)
        self._errors.append(
            ErrorObject(status=400, code=code, detail=detail, parameter=named, **more)  # type: ignore[arg-type]
        )

    def _refuse_repetitions(self) -> None:
        seen: set[str] = set()
        for name, _ in self._pairs:
            if name in seen and not name.endswith("[]"):
                detail = f"{_truncate(name)} occurs more than once. Send it once."
                self._add_error(name, detail, code="repeated_parameter")
            seen.add(name)

    def finish(self, valid: Sequence[str], operators: _Operators = _NO_FILTERS) -> None:
        """Raises RequestError for every error found, including parameters that are left.

        `valid` are the names of the URL's parameters, but for the filters of attributes.
        `operators` are those of each attribute that the URL can filter by.
        """
        known = [*valid, *([_ANY_FILTER, _ANY_OPERATOR] if operators else [])]
        for position, name in enumerate(self._left):
            detail = f"Unknown parameter {_quote(name)}."
            # Only the first ones are explained, so that neither work nor response multiply.
            if position < MAX_SUGGESTIONS:
                detail += _did_you_mean(suggest_parameter(name, valid, operators))
                detail += f" Known: {', '.join(known)}." if known else _NO_PARAMETERS
            self._add_error(name, detail, code="unknown_parameter")
        if self._errors:
            raise RequestError(*self._errors)

    def flag(self, name: str) -> bool:
        value = self._left.pop(name, "false")
        if value not in ("true", "false"):
            self._add_error(name, f"{name} {'must be' if value else _EMPTY} true or false.")
        return value == "true"

    def collection_query(self, cursors: Cursors, within: tuple[Test, ...]) -> CollectionQuery:
        shown = self.field_selection()
        ordering = total_order(tuple(self._sort()))
        conditions = (*within, *self._filters())
        made = cursors.of(self._resource, conditions, ordering)
        place = self._place(made)
        self._finish_collection()
        link_query = self._without_places()
        return CollectionQuery(Search(conditions, ordering, place), shown, made, link_query)

    def _finish_collection(self) -> None:
        if self._left or self._errors:
            filterable = self._resource.filterable.items()
            operators = {name: attribute.operators for name, attribute in filterable}
            self.finish(collection_parameters(self._resource), operators)

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

    def field_selection(self) -> FieldSelection:
        return FieldSelection(self._fields(), self._include())

    def _fields(self) -> frozenset[str] | None:
        parameter = f"fields[{self._resource.type}]"
        value = self._left.pop(parameter, None)
        if value is None:
            return None
        names = value.split(",") if value else []
        self._names(parameter, names, self._resource.attributes)
        return frozenset(names)

    def _include(self) -> bool:
        path = self._left.pop("include", None)
        if path:
            detail = f"Unknown relationship {_quote(path)}. No relationship exists yet."
            self._add_error("include", detail, code="unknown_relationship")
        return path is not None

    def _names(
        self, parameter: str, names: list[str], known: Collection[str], **more: object
    ) -> None:
        # One error for all of them, so that the response does not outgrow the request.
        if unknown := [name for name in dict.fromkeys(names) if name not in known]:
            which = "attribute" if len(unknown) == 1 else "attributes"
            similar = (suggest_attribute(name, known) for name in unknown[:MAX_SUGGESTIONS])
            detail = f"Unknown {which} {_quote_all(unknown)}.{_did_you_mean(*similar)}"
            detail += f" Known: {', '.join(known)}."
            self._add_error(parameter, detail, code="unknown_attribute", **more)

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

    def _filters(self) -> Iterator[Test]:
        found = {name: match for name in self._left if (match := _FILTER.fullmatch(name))}
        if not self._resource.searched:  # then it is a parameter like any other unknown one
            found.pop(_SEARCH, None)
        for name in found:
            del self._left[name]
        names = [*found]
        if len(names) > MAX_FILTERS:
            detail = f"There are {len(names)} filters; at most {MAX_FILTERS} are allowed."
            self._add_error(names[MAX_FILTERS], detail)
            return
        values = 0
        for name, match in found.items():
            filtered = self._filtered(name, *match.groups())
            if filtered is None:
                continue
            values += filtered.count
            if values > MAX_FILTER_VALUES:
                detail = f"The filters have more than {MAX_FILTER_VALUES} values."
                self._add_error(name, f"{detail} Send several requests.")
                return
            if test := self._test(name, filtered):
                yield test

    def _filtered(self, name: str, of: str, by: str | None) -> "_Filtered | _Searched | None":
        texts = [value for other, value in self._pairs if other == name]
        if of == SEARCH and self._resource.searched:
            return self._searched(name, by, texts[0])
        attribute = self._resource.filterable.get(of)
        if attribute is None:
            searched = [SEARCH] if self._resource.searched else []
            self._names(name, [of], [*self._resource.filterable, *searched])
            return None
        op = _OPS.get(by) if by else Op.IN
        if op is None or not attribute.field.allows(op):
            known = attribute.operators
            detail = f"{attribute.name} cannot be filtered by {_quote(by or '')}."
            detail += _did_you_mean(suggest_operator(by or "", known))
            self._add_error(name, f"{detail} Known: {', '.join(known)}.")
            return None
        if op is Op.IN and by != "":
            return _Filtered(attribute, op, texts[:1], separated=True)
        return _Filtered(attribute, op, texts if op is Op.IN else texts[:1])

    def _searched(self, name: str, by: str | None, text: str) -> "_Searched | None":
        if by is None:
            return _Searched(text)
        self._add_error(name, f"{_SEARCH} takes no operator. Send {_SEARCH}=WORDS.")
        return None

    def _test(self, name: str, filtered: "_Filtered | _Searched") -> Test | None:
        if isinstance(filtered, _Searched):
            return self._word_search(name, filtered.text)
        return self._condition(name, filtered)

    def _word_search(self, name: str, text: str) -> WordSearch | None:
        if len(text) > MAX_VALUE_LENGTH:
            self._add_error(name, _TOO_LONG)
            return None
        words = text.split()
        if 0 < len(words) <= MAX_WORDS:
            return WordSearch.folding(self._resource.searched, words)
        found = f"has {len(words)} words" if words else "is empty"
        detail = f"{name} {found}. Send 1 to {MAX_WORDS} words, separated by spaces."
        self._add_error(name, detail)
        return None

    def _condition(self, name: str, filtered: "_Filtered") -> Condition | None:
        attribute, op = filtered.attribute, filtered.op
        texts = filtered.texts[0].split(",") if filtered.separated else filtered.texts
        if len(max(texts, key=len)) > MAX_VALUE_LENGTH:
            self._add_error(name, _TOO_LONG)
            return None
        values = []
        for text in texts:
            value = attribute.read(text, op)
            if isinstance(value, Problem):
                plus = "+" in self._query
                self._add_error(name, _invalid_value(attribute, op, text, value, plus=plus))
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


@dataclass(frozen=True, slots=True)
class _Searched:
    """A search for the words of a text. It counts as one value."""

    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class _Filtered:
    """A filter whose attribute and operator exist, and the texts of its values.

    `separated`: commas separate values in the only text.
    """

    attribute: Attribute
    op: Op
    texts: list[str]
    separated: bool = False

    @property
    def count(self) -> int:
        """How many values it has. They are not split yet: the list may be as long as the query."""
        return 1 + self.texts[0].count(",") if self.separated else len(self.texts)


def _invalid_value(attribute: Attribute, op: Op, text: str, problem: Problem, *, plus: bool) -> str:
    """Why an attribute cannot have a value, and what is accepted.

    `plus`: the query has a +, which means a space.
    """
    sent = _quote(text) if text else "An empty value"
    detail = f"{sent} is not a valid {attribute.name}. It {problem.detail}."
    if plus and " " in text:
        encoded = attribute.read(text.replace(" ", "+"), op)
        if not isinstance(encoded, Problem):
            detail += " A + in a query means a space; write %2B."
    return detail


def _did_you_mean(*names: str | None) -> str:
    """A question that names the suggestions; empty if there is none."""
    found = [_quote(name) for name in names if name]
    return f" Did you mean {', '.join(found)}?" if found else ""


def collection_parameters(resource: Resource) -> list[str]:
    """The names of a collection's parameters, but for the filters of attributes."""
    search = [_SEARCH] if resource.searched else []
    pages = [f"page[{name}]" for name in ("size", "after", "before", "number", "total")]
    return [*pages, "sort", *search, *resource_parameters(resource)]


def resource_parameters(resource: Resource) -> list[str]:
    """The names of the parameters of a single resource."""
    return [f"fields[{resource.type}]", "include"]


def _of_the_list(error: ErrorObject) -> bool:
    return (error.parameter or "").startswith(("sort", "filter"))


_PLACES: Final = frozenset(("page[after]", "page[before]", "page[number]"))
