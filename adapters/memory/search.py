"""Evaluates application.search on values in memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cmp_to_key
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeVar

from application.search import (
    AnyOf,
    Condition,
    IsNull,
    Key,
    Not,
    Numbered,
    Op,
    Order,
    Page,
    Related,
    Search,
    Slice,
    Test,
    Value,
    ValueCounts,
    WordSearch,
    key_of,
)
from domain.text import fold

T = TypeVar("T")

_COMPARISONS: Mapping[Op, Callable[[Any, Any], bool]] = {
    Op.EQ: eq,
    Op.IN: eq,
    Op.NE: ne,
    Op.LT: lt,
    Op.LE: le,
    Op.GT: gt,
    Op.GE: ge,
    Op.CONTAINS: lambda stored, part: part in stored,
    Op.STARTS_WITH: str.startswith,
}


FindRelated = Callable[[Any, str], Iterable[Any]]
"""Returns the entities that a relationship of an entity leads to, by its name."""


def no_related(_: object, name: str) -> Iterable[Any]:
    """Raises LookupError, because the type of the entity has no relationships."""
    raise LookupError(f"There is no relationship {name}.")


def page_of(entities: Iterable[T], search: Search, related: FindRelated = no_related) -> Page[T]:
    """Returns the page of the entities that the search selects."""
    matching = _matching(entities, search, related)
    compare = _comparison(search.ordering)
    keyed = [(key_of(entity, search.ordering), entity) for entity in matching]
    rank = cmp_to_key(compare)
    keyed.sort(key=lambda entry: rank(entry[0]))
    if isinstance(search.place, Numbered):
        return _numbered([entity for _, entity in keyed], search.place)
    return _sliced(keyed, search.place, compare)


def value_counts(
    entities: Iterable[object],
    search: Search,
    attribute: str,
    limit: int,
    related: FindRelated = no_related,
) -> ValueCounts:
    """Returns the values of an attribute of the matching entities, with their counts."""
    matching = _matching(entities, search, related)
    counts = Counter(getattr(entity, attribute) for entity in matching)
    compare = _comparison((Order("count", descending=True), Order(attribute)))
    rank = cmp_to_key(compare)
    ordered = sorted(counts.items(), key=lambda item: rank((item[1], item[0])))
    return ValueCounts(tuple(ordered[:limit]), more=len(ordered) > limit)


def _matching(entities: Iterable[T], search: Search, related: FindRelated) -> list[T]:
    return [entity for entity in entities if _all_hold(search.conditions, entity, related)]


def _all_hold(tests: Iterable[Test], entity: object, related: FindRelated) -> bool:
    return all(_holds(test, entity, related) for test in tests)


def _holds(test: Test, entity: object, related: FindRelated) -> bool:
    match test:
        case Condition():
            return _compares(test, entity)
        case WordSearch():
            return all(any(_compares(c, entity) for c in of_word) for of_word in test.by_word())
        case IsNull():
            return getattr(entity, test.attribute) is None
        case Related():
            related_entities = related(entity, test.relationship)
            return any(_all_hold(test.tests, each, no_related) for each in related_entities)
        case Not():
            return not _holds(test.test, entity, related)
        case AnyOf():
            return any(_all_hold(tests, entity, related) for tests in test.alternatives)


def _compares(condition: Condition, entity: object) -> bool:
    stored = getattr(entity, condition.attribute)
    if stored is None:
        return condition.op is Op.NE and bool(condition.values)
    compared = fold(stored) if condition.folded else stored
    compare = _COMPARISONS[condition.op]
    return any(compare(compared, value) for value in condition.values)


def _comparison(ordering: tuple[Order, ...]) -> Callable[[Key, Key], int]:
    """Returns a function that compares two keys: below 0 if the first one sorts first."""

    def compare(one: Key, other: Key) -> int:
        for order, one_value, other_value in zip(ordering, one, other, strict=True):
            if one_value != other_value:
                return -1 if _is_less(one_value, other_value) != order.descending else 1
        return 0

    return compare


def _is_less(one: Value | None, other: Value | None) -> bool:
    """Returns True if the first of two different values is less. Null is less than any value."""
    if one is None or other is None:
        return one is None
    return one < other  # type: ignore[operator]


def _numbered(entities: Sequence[T], place: Numbered) -> Page[T]:
    end = place.offset + place.size
    return Page(tuple(entities[place.offset : end]), len(entities) > end, len(entities))


def _sliced(
    keyed: Sequence[tuple[Key, T]], place: Slice, compare: Callable[[Key, Key], int]
) -> Page[T]:
    inside = [
        entity
        for key, entity in keyed
        if (place.after is None or compare(key, place.after) > 0)
        and (place.before is None or compare(key, place.before) < 0)
    ]
    page = inside[-place.size :] if place.backward else inside[: place.size]
    return Page(tuple(page), len(inside) > place.size, len(keyed) if place.total else None)
