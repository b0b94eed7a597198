"""Searches: conditions, order and part of a list, as plain values that every store understands."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from domain.text import fold

T = TypeVar("T")

Value: TypeAlias = str | int | bool | Decimal | date | datetime | UUID
"""A value that an attribute is compared with. It is never null."""

Key: TypeAlias = tuple[Value | None, ...]
"""The key of a row in a list: the values by which the list is sorted. None is null."""


class Op(Enum):
    """The operator of a condition.

    NE is the exact complement of EQ, so it matches null. No other operator matches null.
    """

    __hash__ = object.__hash__  # members are keys in every search, and Enum's own hash is slow

    EQ = "eq"
    NE = "ne"
    IN = "in"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"


@dataclass(frozen=True, slots=True)
class Condition:
    """Compares an attribute with a value. IN compares it with any of several values.

    If `folded` is true, compares the folded form of the attribute; the values must be folded.
    Condition.folding folds them.
    """

    attribute: str
    op: Op
    values: tuple[Value, ...]
    folded: bool = False

    @classmethod
    def folding(cls, attribute: str, op: Op, values: tuple[str, ...]) -> "Condition":
        """Returns a comparison that ignores case and Unicode compatibility forms.

        Raises ValueError if a value is longer than domain.text.MAX_FOLDED_INPUT.
        """
        return cls(attribute, op, tuple(fold(value) for value in values), folded=True)


@dataclass(frozen=True, slots=True)
class WordSearch:
    """Matches if each word is contained in at least one of the attributes. Null contains no word.

    Compares folded forms; the words must be folded. WordSearch.folding folds them.
    """

    attributes: tuple[str, ...]
    words: tuple[str, ...]

    @classmethod
    def folding(cls, attributes: tuple[str, ...], words: Iterable[str]) -> "WordSearch":
        """Returns a search that ignores case and Unicode compatibility forms.

        Raises ValueError if a word is longer than domain.text.MAX_FOLDED_INPUT.
        """
        return cls(attributes, tuple(dict.fromkeys(map(fold, words))))

    def by_word(self) -> Iterator[tuple[Condition, ...]]:
        """Yields, for each word, the conditions of which at least one must match."""
        for word in self.words:
            yield tuple(
                Condition(attribute, Op.CONTAINS, (word,), folded=True)
                for attribute in self.attributes
            )


@dataclass(frozen=True, slots=True)
class IsNull:
    """The attribute is null. An entity without related entity has null as its reference."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Related:
    """At least one entity that is related by the relationship passes all tests.

    Without tests, it holds if there is a related entity. The tests are about the related entity and
    follow no further relationship.
    """

    relationship: str
    tests: "tuple[Test, ...]" = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The test does not hold."""

    test: "Test"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one alternative holds. An alternative holds if all of its tests do."""

    alternatives: "tuple[tuple[Test, ...], ...]"


Test: TypeAlias = Condition | WordSearch | IsNull | Related | Not | AnyOf
"""A condition that either holds or does not hold for an entity. It is never unknown."""


@dataclass(frozen=True, slots=True)
class Order:
    """Sorts by an attribute: text by code point, false before true, decimals by value.

    Null sorts before every value: first in ascending order, last in descending order.
    """

    attribute: str
    descending: bool = False


def total_order(orders: tuple[Order, ...]) -> tuple[Order, ...]:
    """Returns the orders without redundant ones, and with the id last, so that no two rows tie."""
    orders_by_name: dict[str, Order] = {}
    for order in orders:
        orders_by_name.setdefault(order.attribute, order)
        if order.attribute == "id":
            break
    orders_by_name.setdefault("id", Order("id"))
    return tuple(orders_by_name.values())


def tuple_getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Returns a function that gets the attributes of those names as a tuple.

    operator.attrgetter returns a tuple only for two or more names.
    """
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda entity: (get(entity),)


def key_of(entity: object, ordering: tuple[Order, ...]) -> Key:
    """Returns the key of the entity in a list of this ordering."""
    return tuple(getattr(entity, order.attribute) for order in ordering)


@dataclass(frozen=True, slots=True)
class Slice:
    """At most `size` rows after the key `after` and before the key `before`, exclusive.

    None is the start or the end of the list. With only `before`, the slice has the last rows before
    that key. Otherwise it has the first rows of its range. With `total`, the page includes the
    number of rows in the list.
    """

    size: int
    after: Key | None = None
    before: Key | None = None
    total: bool = False

    @property
    def backward(self) -> bool:
        """True if the slice has the last rows before a key."""
        return self.before is not None and self.after is None


@dataclass(frozen=True, slots=True)
class Numbered:
    """The page with that number, from 1, of `size` rows. It always includes the total."""

    size: int
    number: int

    @property
    def offset(self) -> int:
        """The number of rows before the page."""
        return (self.number - 1) * self.size


@dataclass(frozen=True, slots=True)
class Search:
    """A search: the conditions that all rows match, their order, and the part of the list.

    `ordering` must be a total order; total_order returns one. Its last attribute is the id.
    """

    conditions: tuple[Test, ...] = ()
    ordering: tuple[Order, ...] = (Order("id"),)
    place: Slice | Numbered = Slice(size=25)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list.

    `more` is true if further rows follow within the bounds of the slice. For a backward slice, it
    is true if further rows precede the slice. `total` is the number of rows in the list, if the
    search requests it.
    """

    items: tuple[T, ...]
    more: bool
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """The values of an attribute, including null, each with the number of entities that have it.

    `more` is true if values were omitted because of the limit.
    """

    items: tuple[tuple[Any, int], ...]
    more: bool


def restricted(search: Search, conditions: tuple[Test, ...]) -> Search:
    """Returns the search for the rows that also match `conditions`, which it may have already."""
    together = dict.fromkeys((*conditions, *search.conditions))
    return replace(search, conditions=tuple(together))


def walk(page: Callable[[Search], Page[T]], search: Search, *, size: int = 1000) -> Iterator[T]:
    """Yields all rows that the search finds, and reads `size` rows at a time.

    Each page shows the data at the time when it is read. Rows that are added or changed meanwhile
    may be missed. An unchanged row is yielded exactly once.
    """
    after = None
    more = True
    while more:
        current = page(replace(search, place=Slice(size, after=after)))
        yield from current.items
        more = current.more
        after = key_of(current.items[-1], search.ordering) if more else None
