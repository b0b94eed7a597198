"""Searches without their values: a statement is made once for all searches of one shape.

Shapes are tuples: each search makes one, and looks up its statement by it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from adapters.sql.columns import PREFIX_LENGTH, FixedDecimal
from application.search import (
    AnyOf,
    Condition,
    IsNull,
    Key,
    Not,
    Numbered,
    Op,
    Order,
    Related,
    Search,
    Slice,
    Test,
    Value,
    WordSearch,
)

Decimals: TypeAlias = Mapping[str, FixedDecimal]
"""The columns of decimals, by attribute."""

_ALWAYS: Final = AnyOf(((),))
_LARGEST_INTEGER: Final = 2**63 - 1
_BEYOND_KEYS: Final = 1e30
_LAST_CODE_POINT: Final = "\U0010ffff"
_BEFORE_SURROGATES, _AFTER_SURROGATES = 0xD7FF, 0xE000
_WILDCARD: Final = re.compile(r"[\\%_]")


class Placeholder(NamedTuple):
    """The place of a value, by its name among the values of the statement.

    `out_of_range`: the value is a number that no column can hold. `is_null`: the key has null here.
    The statement then says so itself, and there is no value.
    """

    name: str
    out_of_range: bool = False
    is_null: bool = False


_NULL: Final = Placeholder("", is_null=True)
Placeholders = tuple[Placeholder, ...]


class ConditionShape(NamedTuple):
    """A condition: it holds if one of its alternatives does, each of them expand by a few values.

    `indexed`: none of the values has more characters than are indexed of a text of any length.
    """

    attribute: str
    op: Op
    folded: bool
    indexed: bool
    alternatives: tuple[Placeholders, ...]


class WordsShape(NamedTuple):
    """A search for words: for each word, one of its conditions holds."""

    words: tuple[tuple[ConditionShape, ...], ...]


# Each of these has a kind, because tuples of different classes with the same items are equal.
class NullShape(NamedTuple):
    """The attribute is null."""

    attribute: str
    kind: str = "null"


class RelatedShape(NamedTuple):
    """An entity that is related by the relationship passes all tests."""

    relationship: str
    tests: "tuple[TestShape, ...]"
    kind: str = "related"


class NotShape(NamedTuple):
    """The test does not hold."""

    test: "TestShape"
    kind: str = "not"


class AnyOfShape(NamedTuple):
    """All tests of at least one alternative hold."""

    alternatives: "tuple[tuple[TestShape, ...], ...]"
    kind: str = "any of"


TestShape: TypeAlias = (
    ConditionShape | WordsShape | NullShape | RelatedShape | NotShape | AnyOfShape
)


class QueryShape(NamedTuple):
    """What a search asks for, but for the values: conditions, order, and ends of the slice.

    `total`: the statement also selects the number of rows in the whole list. The values "count"
    and "offset" belong to the shape as well.
    """

    conditions: tuple[TestShape, ...]
    ordering: tuple[Order, ...]
    numbered: bool
    total: bool
    after: Placeholders | None = None
    before: Placeholders | None = None


def parametrize(search: Search) -> tuple[QueryShape, dict[str, Any]]:
    """The shape, and the values by the names of their slots."""
    search = _without_redundant_orders(search)
    values: dict[str, Any] = {}

    def slot(value: Value) -> Placeholder:
        name = f"v{len(values)}"
        if beyond := _exceeds_ids(value):
            value = _BEYOND_KEYS if value > 0 else -_BEYOND_KEYS  # type: ignore[operator,assignment]
        values[name] = value
        return Placeholder(name, beyond)

    conditions = _test_shapes(search.conditions, slot)
    place = search.place
    if isinstance(place, Numbered):
        values |= {"count": place.size, "offset": place.offset}
        return QueryShape(conditions, search.ordering, numbered=True, total=True), values

    def slots(key: Key | None) -> Placeholders | None:
        if key is None:
            return None
        return tuple(_NULL if value is None else slot(value) for value in key)

    after, before = slots(place.after), slots(place.before)
    values["count"] = place.size + 1  # one row more, to learn whether there are more
    return QueryShape(conditions, search.ordering, False, place.total, after, before), values


def fit_decimals(
    search: Search, columns: Decimals, related: Mapping[str, Decimals] = MappingProxyType({})
) -> Search:
    """The same search with only such values of decimals as their columns can hold.

    The columns are given by attribute, and those of related tables by relationship. No database
    needs to round a value or to compare it with more digits than the column has: SQLite can't, and
    MariaDB finds the rounded value instead.
    """
    conditions = _all_fitted(search.conditions, columns, related)
    place = search.place
    if isinstance(place, Slice) and any(order.attribute in columns for order in search.ordering):
        after, before = (
            _fitted_key(k, search.ordering, columns) for k in (place.after, place.before)
        )
        place = replace(place, after=after, before=before)
    return replace(search, conditions=conditions, place=place)


def _all_fitted(
    tests: Iterable[Test], columns: Decimals, related: Mapping[str, Decimals]
) -> tuple[Test, ...]:
    return tuple(fitted for test in tests for fitted in _fitted_test(test, columns, related))


def _fitted_test(test: Test, columns: Decimals, related: Mapping[str, Decimals]) -> Sequence[Test]:
    """Tests that hold together if and only if the test holds."""
    match test:
        case Condition() if column := columns.get(test.attribute):
            return _fitted(test, column)
        case Related():
            its = related.get(test.relationship, {})
            return [replace(test, tests=_all_fitted(test.tests, its, {}))]
        case Not():
            fitted = _fitted_test(test.test, columns, related)
            return [Not(fitted[0] if fitted else _ALWAYS)]
        case AnyOf():
            alternatives = (_all_fitted(each, columns, related) for each in test.alternatives)
            return [AnyOf(tuple(alternatives))]
        case _:
            return [test]


def _fitted_key(
    key: Key | None, ordering: tuple[Order, ...], columns: Mapping[str, FixedDecimal]
) -> Key | None:
    """The key itself, unless it is none of a row: then one nearby."""
    if key is None:
        return None
    return tuple(
        value if value is None or column is None else column.floor(value)
        for value, column in zip(
            key, (columns.get(order.attribute) for order in ordering), strict=True
        )
    )


def _fitted(condition: Condition, column: FixedDecimal) -> list[Condition]:
    """Conditions that together match the same rows."""
    op, values = condition.op, condition.values
    if not values or op not in (*_EXACT, Op.NE, *_RANGES):
        return [condition]
    if op in _EXACT:
        return [replace(condition, values=tuple(filter(column.can_hold, values)))]
    if op is Op.NE:
        return [condition] if all(map(column.can_hold, values)) else []
    upward = op in (Op.GT, Op.GE)
    bound: Any = min(values) if upward else max(values)
    if column.can_hold(bound):
        return [replace(condition, values=(bound,))]
    if bound < column.least:  # as every decimal of the column is greater
        return [replace(condition, op=Op.GE if upward else Op.LT, values=(column.least,))]
    return [replace(condition, op=Op.GT if upward else Op.LE, values=(column.floor(bound),))]


def _test_shape(test: Test, slot: Callable[[Value], Placeholder]) -> TestShape:
    match test:
        case Condition():
            return _condition_shape(test, slot)
        case WordSearch():
            return WordsShape(
                tuple(_word_shape(word, test.attributes, slot) for word in test.words)
            )
        case IsNull():
            return NullShape(test.attribute)
        case Related():
            return RelatedShape(test.relationship, _test_shapes(test.tests, slot))
        case Not():
            return NotShape(_test_shape(test.test, slot))
        case AnyOf():
            return AnyOfShape(tuple(_test_shapes(each, slot) for each in test.alternatives))


def _test_shapes(
    tests: Iterable[Test], slot: Callable[[Value], Placeholder]
) -> tuple[TestShape, ...]:
    return tuple(_test_shape(each, slot) for each in tests)


def _word_shape(
    word: str, attributes: tuple[str, ...], slot: Callable[[Value], Placeholder]
) -> tuple[ConditionShape, ...]:
    """The word is sent once, whatever the number of attributes."""
    slots = tuple(map(slot, _substring(word)))
    return tuple(
        ConditionShape(attribute, Op.CONTAINS, True, False, (slots,)) for attribute in attributes
    )


def _condition_shape(condition: Condition, slot: Callable[[Value], Placeholder]) -> ConditionShape:
    expand = _EXPANSIONS.get(condition.op, _exact_value)
    values = filter(_is_storable, condition.values) if condition.op in _EXACT else condition.values
    alternatives = tuple(tuple(map(slot, expand(value))) for value in values)
    indexed = all(
        len(value) <= PREFIX_LENGTH for value in condition.values if isinstance(value, str)
    )
    return ConditionShape(
        condition.attribute, condition.op, condition.folded, indexed, alternatives
    )


def _exact_value(value: Value) -> tuple[Value, ...]:
    return (value,)


def _prefix(value: Value) -> tuple[Value, ...]:
    """The texts from the first to the second: no character of a prefix has a meaning of its own."""
    prefix = str(value)
    after = _successor(prefix)
    return (prefix,) if after is None else (prefix, after)


def _successor(prefix: str) -> str | None:
    """The first text after all that begin with the prefix; None where there is none."""
    head = prefix.rstrip(_LAST_CODE_POINT)
    if not head:
        return None
    last = ord(head[-1])
    return head[:-1] + chr(_AFTER_SURROGATES if last == _BEFORE_SURROGATES else last + 1)


def _substring(value: Value) -> tuple[Value, ...]:
    """The part, and the pattern by which LIKE finds it anywhere, no character being a wildcard."""
    part = str(value)
    return part, "%" + _WILDCARD.sub(r"\\\g<0>", part) + "%"


_EXPANSIONS: Final = {Op.STARTS_WITH: _prefix, Op.CONTAINS: _substring}
_EXACT: Final = (Op.EQ, Op.IN)
_RANGES: Final = (Op.LT, Op.LE, Op.GT, Op.GE)


def _is_storable(value: Value) -> bool:
    """Whether any column can. MariaDB cuts a time off to what the column holds, then finds it."""
    if isinstance(value, datetime):
        return value.microsecond % 1000 == 0
    return not _exceeds_ids(value)


def _exceeds_ids(value: Value) -> bool:
    """Whether it is a number that no column can hold; a driver may not even send it."""
    return isinstance(value, int) and not ~_LARGEST_INTEGER <= value <= _LARGEST_INTEGER


def _without_redundant_orders(search: Search) -> Search:
    """The same search without the orders whose attribute has one value in all that it finds.

    They would only keep the database from seeing that an index has the rows in their order.
    """
    fixed = _one_values(search.conditions)
    fixed.pop("id", None)
    remaining = [number for number, o in enumerate(search.ordering) if o.attribute not in fixed]
    if len(remaining) == len(search.ordering):
        return search
    place = search.place
    if isinstance(place, Slice):
        keys = [key for key in (place.after, place.before) if key is not None]
        if not all(_is_within(key, search.ordering, fixed) for key in keys):
            return search
        after, before = (
            key and tuple(key[number] for number in remaining)
            for key in (place.after, place.before)
        )
        place = replace(place, after=after, before=before)
    return replace(search, ordering=tuple(search.ordering[n] for n in remaining), place=place)


def _is_within(key: Key, ordering: tuple[Order, ...], fixed: Mapping[str, Value]) -> bool:
    """Whether the key has the values that all rows have."""
    return all(
        value == fixed.get(order.attribute, value)
        for order, value in zip(ordering, key, strict=True)
    )


def _is_one_value(condition: Condition) -> bool:
    return condition.op is Op.EQ and len(condition.values) == 1 and not condition.folded


def _one_values(tests: Iterable[Test]) -> dict[str, Value]:
    """By attribute, the only value that the conditions leave."""
    conditions = (each for each in tests if isinstance(each, Condition))
    return {each.attribute: each.values[0] for each in conditions if _is_one_value(each)}
