"""The language of questions: plain values that any store can answer, about any aggregate."""

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
"""The values of an entity under an ordering: where it stands in the list. None is null."""


class Op(Enum):
    """How an attribute is compared.

    NE is the exact complement of EQ, so it matches null. No other comparison matches null.
    """

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
    """One attribute compared with one value, or (IN) with any of several.

    Where `folded` is true the folded form of the attribute is compared, and the values are
    folded already: use Condition.folding.
    """

    attribute: str
    op: Op
    values: tuple[Value, ...]
    folded: bool = False

    @classmethod
    def folding(cls, attribute: str, op: Op, values: tuple[str, ...]) -> "Condition":
        """A comparison in which letter case, width and normal form don't count.

        Raises ValueError if a value is longer than domain.text.MAX_FOLDED_INPUT.
        """
        return cls(attribute, op, tuple(fold(value) for value in values), folded=True)


@dataclass(frozen=True, slots=True)
class WordSearch:
    """Each word is contained in at least one of the attributes. Null contains no word.

    Folded forms are compared, and the words are folded already: use WordSearch.folding.
    """

    attributes: tuple[str, ...]
    words: tuple[str, ...]

    @classmethod
    def folding(cls, attributes: tuple[str, ...], words: Iterable[str]) -> "WordSearch":
        """A search for words in any letter case, width and normal form.

        Raises ValueError if a word is longer than domain.text.MAX_FOLDED_INPUT.
        """
        return cls(attributes, tuple(dict.fromkeys(map(fold, words))))

    def by_word(self) -> Iterator[tuple[Condition, ...]]:
        """For each word, the conditions of which at least one must hold."""
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
"""What holds or does not hold for an entity. There is no third outcome."""


@dataclass(frozen=True, slots=True)
class Order:
    """By an attribute; text by code point, false before true, decimals by value.

    Null sorts before every value: first in ascending order, last in descending order.
    """

    attribute: str
    descending: bool = False


def total_order(orders: tuple[Order, ...]) -> tuple[Order, ...]:
    """The orders without what can't matter, completed by ascending id so that no two rows tie."""
    orders_by_name: dict[str, Order] = {}
    for order in orders:
        orders_by_name.setdefault(order.attribute, order)
        if order.attribute == "id":
            break
    orders_by_name.setdefault("id", Order("id"))
    return tuple(orders_by_name.values())


def tuple_getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Gives the attributes of those names, a tuple of them whatever their number."""
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda entity: (get(entity),)


def key_of(entity: object, ordering: tuple[Order, ...]) -> Key:
    """Where the entity stands in the list."""
    return tuple(getattr(entity, order.attribute) for order in ordering)


@dataclass(frozen=True, slots=True)
class Slice:
    """At most `size` rows between two keys, neither included; None is the end of the list.

    They are the first ones after `after`, or, with `before` alone, the last ones before it.
    `total`: the page also has the number of rows in the whole list.
    """

    size: int
    after: Key | None = None
    before: Key | None = None
    total: bool = False

    @property
    def backward(self) -> bool:
        """Whether it is filled from its end."""
        return self.before is not None and self.after is None


@dataclass(frozen=True, slots=True)
class Numbered:
    """The page of that number, from 1, with `size` rows. It always has the total."""

    size: int
    number: int

    @property
    def offset(self) -> int:
        """How many rows stand before it."""
        return (self.number - 1) * self.size


@dataclass(frozen=True, slots=True)
class Search:
    """Which rows (all conditions hold), in which order, and which part of the list.

    `ordering` is a total order: make it by total_order. Its last attribute is the id.
    """

    conditions: tuple[Test, ...] = ()
    ordering: tuple[Order, ...] = (Order("id"),)
    place: Slice | Numbered = Slice(size=25)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of the list, in its order.

    `more`: the list goes on beyond it, in the direction in which the slice was filled and within
    its bounds. `total` is the number of rows in the whole list, if the place asks for it.
    """

    items: tuple[T, ...]
    more: bool
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """The values of an attribute, null among them, each with the number of entities that have it.

    `more`: there are other values, which are less frequent or stand later.
    """

    items: tuple[tuple[Any, int], ...]
    more: bool


def walk(page: Callable[[Search], Page[T]], search: Search, *, size: int = 1000) -> Iterator[T]:
    """All that the search finds, from the start of the list, a page of `size` at a time.

    Each page is as it stands when it is read: what is added or changed meanwhile may be missed,
    what stays is given once.
    """
    after = None
    more = True
    while more:
        found = page(replace(search, place=Slice(size, after=after)))
        yield from found.items
        more = found.more
        after = key_of(found.items[-1], search.ordering) if more else None
