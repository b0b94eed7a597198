"""Query parameters -> what they ask for (jsonapi.org/format/1.1/#query-parameters).

Every problem of a query is reported at once, each with the name of its parameter.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, urlencode

from adapters.jsonapi.cursors import Cursors, ListCursors
from adapters.jsonapi.media import CURSOR_PROFILE
from adapters.jsonapi.problems import ErrorObject, Refused
from adapters.jsonapi.resource import EQUALITY, Attribute, Resource
from application.search import Condition, Key, Numbered, Op, Order, Search, Slice, total_order
from domain.text import storable

DEFAULT_SIZE: Final = 25
LARGEST_SIZE: Final = 1000
DEEPEST_OFFSET: Final = 100_000
MOST_SORT_FIELDS: Final = 8
MOST_FILTERS: Final = 20
MOST_VALUES: Final = 500
REMEMBERED: Final = 256
LONGEST_REMEMBERED: Final = 256

OF_URLS: Final = "%!$&'()*+,;=:@/?[]~"
SOUND: Final = re.compile(rf"[A-Za-z0-9_.\-{re.escape(OF_URLS)}]*")
"""A query of nothing but what URLs hold; to find it by quote() takes ten times as long."""

_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9_.\-~!$'()*,:@/?;=&+]|%[0-9A-Fa-f]{2})*")
_FILTER = re.compile(r"filter\[([^][]*)\](?:\[([^][]*)\])?")
_UNSUPPORTED_SORT: Final = f"{CURSOR_PROFILE}/unsupported-sort"
_OPS: Final = {op.value: op for op in Op}

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """How resources are shown: by which attributes, None for all.

    `included`: whether the client spoke of related resources; the answer then does too, even if
    there are none (#fetching-includes).
    """

    fields: frozenset[str] | None = None
    included: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What a request for a collection asks: which part of which list, and how to show it.

    `kept` are the parameters that the links to other pages repeat, as a query.
    """

    search: Search
    shown: Shown
    cursors: ListCursors
    kept: str


def collection(
    query: str, resource: Resource, cursors: Cursors, *, within: tuple[Condition, ...] = ()
) -> Question:
    """What the query of a request for a collection asks. Refused (400).

    The collection is all resources of a type, or those of them for which `within` holds.
    """
    return _Reading(query, resource).question(cursors, within)


def remembered(question: Callable[[str], Question]) -> Callable[[str], Question]:
    """The same, out of memory for what was asked lately: a query means what its text says.

    Long queries are asked by programs, each once, and would take much room.
    """
    known = lru_cache(REMEMBERED)(question)
    return lambda query: (known if len(query) <= LONGEST_REMEMBERED else question)(query)


def single(query: str, resource: Resource) -> Shown:
    """How to show one resource. Refused (400)."""
    if not query:
        return Shown()
    reading = _Reading(query, resource)
    shown = reading.shown()
    reading.finish()
    return shown


def none(query: str) -> None:
    """Refused (400) for any parameter."""
    if query:
        _Reading(query, Resource("", {})).finish()


def flag(query: str, name: str) -> bool:
    """The value of a boolean parameter, false if it is absent. Refused (400), also for others."""
    if not query:
        return False
    reading = _Reading(query, Resource("", {}))
    value = reading.flag(name)
    reading.finish()
    return value


def is_set(query: str, name: str) -> bool:
    """Whether a boolean parameter is true. A query that `flag` refuses may be either."""
    try:
        return bool(query) and (name, "true") in decoded(query)
    except Refused:
        return False


def bounded(query: str, most: int) -> None:
    """Refused (400) for more parameters than that."""
    if query.count("&") >= most:
        raise _refused("too_many_parameters", f"There are more than {most} query parameters.")


def decoded(query: str) -> Pairs:
    """The names and values of a query string as WSGI hands it over. Refused (400)."""
    pairs = parse_qsl(
        query.encode("latin-1").decode("utf-8", "surrogateescape"),
        keep_blank_values=True,
        errors="surrogateescape",
    )
    for name, value in pairs:
        if problem := storable(name):
            raise _refused("malformed_query", f"The name of a query parameter {problem.detail}.")
        if problem := storable(value):
            raise _refused("invalid_parameter", f"{name} {problem.detail}.", parameter=name)
    return tuple(pairs)


def _refused(code: str, detail: str, *, parameter: str | None = None) -> Refused:
    return Refused(ErrorObject(status=400, code=code, detail=detail, parameter=parameter))


class _Reading:
    """One query being read: what was found wrong so far, and which parameters are left."""

    def __init__(self, query: str, resource: Resource) -> None:
        self._query = query
        self._resource = resource
        self._pairs = decoded(query)
        self._errors: list[ErrorObject] = []
        self._left = dict(self._pairs)
        self._refuse_repetitions()

    def _wrong(
        self, parameter: str, detail: str, *, code: str = "invalid_parameter", **more: object
    ) -> None:
        self._errors.append(
            ErrorObject(status=400, code=code, detail=detail, parameter=parameter, **more)  # type: ignore[arg-type]
        )

    def _refuse_repetitions(self) -> None:
        seen: set[str] = set()
        for name, _ in self._pairs:
            if name in seen and not name.endswith("[]"):
                self._wrong(name, f"{name} is given twice.", code="repeated_parameter")
            seen.add(name)

    def finish(self) -> None:
        """Refused for all that was wrong, parameters that nobody asked for among it."""
        for name in self._left:
            self._wrong(name, f"{name} is no parameter of this request.", code="unknown_parameter")
        if self._errors:
            raise Refused(*self._errors)

    def flag(self, name: str) -> bool:
        value = self._left.pop(name, "false")
        if value not in ("true", "false"):
            self._wrong(name, f"{name} must be true or false.")
        return value == "true"

    def question(self, cursors: Cursors, within: tuple[Condition, ...]) -> Question:
        shown = self.shown()
        ordering = total_order(tuple(self._sort()))
        conditions = (*within, *self._filters())
        made = cursors.of(self._resource, conditions, ordering)
        place = self._place(made)
        self.finish()
        kept = self._without_places()
        return Question(Search(conditions, ordering, place), shown, made, kept)

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

    def shown(self) -> Shown:
        return Shown(self._fields(), self._include())

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
            self._wrong("include", f"There is no relationship {path}.", code="unknown_relationship")
        return path is not None

    def _names(
        self, parameter: str, names: list[str], known: Collection[str], **more: object
    ) -> None:
        # One problem that names them all: the answer is not to outgrow the question.
        if unknown := [name for name in dict.fromkeys(names) if name not in known]:
            listed = ", ".join(f"'{name}'" for name in unknown)
            detail = f"There is no attribute {listed} here."
            self._wrong(parameter, detail, code="unknown_attribute", **more)

    def _sort(self) -> Iterator[Order]:
        if "sort" not in self._left:
            return
        names = self._left.pop("sort").split(",")
        if len(names) > MOST_SORT_FIELDS:
            detail = f"Sort by at most {MOST_SORT_FIELDS} attributes."
            self._wrong("sort", detail, type_link=_UNSUPPORTED_SORT)
        orders = [Order(name.removeprefix("-"), name.startswith("-")) for name in names]
        known = self._resource.sortable
        sorted_by = [order.attribute for order in orders]
        self._names("sort", sorted_by, known, type_link=_UNSUPPORTED_SORT)
        yield from (order for order in orders if order.attribute in known)

    def _filters(self) -> Iterator[Condition]:
        found = {name: match for name in self._left if (match := _FILTER.fullmatch(name))}
        names = [*found]
        if len(names) > MOST_FILTERS:
            self._wrong(names[MOST_FILTERS], f"There may be at most {MOST_FILTERS} filters.")
        values = 0
        for name, match in found.items():
            del self._left[name]
            if condition := self._filter(name, *match.groups()):
                values += len(condition.values)
                yield condition
        if values > MOST_VALUES:
            self._wrong(names[-1], f"The filters may have at most {MOST_VALUES} values.")

    def _filter(self, name: str, of: str, by: str | None) -> Condition | None:
        attribute = self._resource.sortable.get(of)
        if attribute is None:
            self._wrong(name, f"There is no attribute '{of}' here.", code="unknown_attribute")
            return None
        given = [value for other, value in self._pairs if other == name]
        op = _OPS.get(by) if by else Op.IN
        if op is None or not attribute.allows(op):
            self._wrong(name, f"{attribute.name} can't be filtered by '{by}'.")
            return None
        texts = given[0].split(",") if op is Op.IN and by != "" else given
        return self._condition(name, attribute, op, texts)

    def _condition(
        self, name: str, attribute: Attribute, op: Op, texts: list[str]
    ) -> Condition | None:
        values = tuple(value for text in texts if (value := attribute.read(text, op)) is not None)
        if len(values) < len(texts):
            self._wrong(name, f"{attribute.name} never has such a value.")
            return None
        if op is Op.IN and len(values) == 1:
            op = Op.EQ
        if op in (Op.CONTAINS, Op.STARTS_WITH) or (attribute.folded and op in EQUALITY):
            return Condition.folding(attribute.name, op, tuple(map(str, values)))
        return Condition(attribute.name, op, values)

    def _place(self, cursors: ListCursors) -> Slice | Numbered:
        by_cursor = not self._left.keys().isdisjoint(("page[after]", "page[before]"))
        after = self._cursor("page[after]", cursors)
        before = self._cursor("page[before]", cursors)
        # A range is as long as it may be, unless the client says less (the profile's section
        # on combining page[after] and page[before]).
        size = self._size(LARGEST_SIZE if after and before else DEFAULT_SIZE)
        if "page[number]" not in self._left:
            return Slice(size, after, before)
        place = Numbered(size, self._whole("page[number]") or 1)
        if by_cursor:
            self._wrong("page[number]", "page[number] does not go together with cursors.")
        if place.offset > DEEPEST_OFFSET:
            self._wrong(
                "page[number]",
                f"Numbered pages end at offset {DEEPEST_OFFSET}; follow links.next, or use "
                "page[after] with a cursor from meta.page.cursor.",
                code="page_too_deep",
            )
        return place

    def _whole(self, parameter: str) -> int | None:
        text = self._left.pop(parameter)
        # The first digits of a giant show well enough that it is beyond every limit.
        if re.fullmatch(r"[0-9]+", text) and (whole := int(text.lstrip("0")[:18] or "0")) > 0:
            return whole
        self._wrong(parameter, f"{parameter} must be a positive whole number.")
        return None

    def _size(self, default: int) -> int:
        if "page[size]" not in self._left:
            return default
        size = self._whole("page[size]") or default
        if size > LARGEST_SIZE:
            self._wrong(
                "page[size]",
                f"A page has at most {LARGEST_SIZE} items.",
                code="max_size_exceeded",
                type_link=f"{CURSOR_PROFILE}/max-size-exceeded",
                meta={"page": {"maxSize": LARGEST_SIZE}},
            )
        return size

    def _cursor(self, parameter: str, cursors: ListCursors) -> Key | None:
        if parameter not in self._left:
            return None
        key = cursors.read(self._left.pop(parameter))
        # Where the sort or the filters are wrong, no cursor could fit.
        if key is None and not any(_of_the_list(error) for error in self._errors):
            self._wrong(
                parameter,
                "The cursor is damaged, or was made for another sort or filter.",
                code="invalid_cursor",
            )
        return key


def _of_the_list(error: ErrorObject) -> bool:
    return (error.parameter or "").startswith(("sort", "filter"))


_PLACES: Final = frozenset(("page[after]", "page[before]", "page[number]"))
