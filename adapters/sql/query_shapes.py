"""The shapes of searches: searches without their values.

All searches of one shape share a compiled statement. Each search creates its shape and looks it up.
So a shape is a tuple, which is fast at both.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from adapters.sql.columns import PREFIX_LENGTH, FixedDecimal
from adapters.sql.placeholders import NULL, Placeholder, Placeholders
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
_MAX_INTEGER: Final = 2**63 - 1
_ABOVE_ALL_INTEGERS: Final = 1e30
_LAST_CODE_POINT: Final = "\U0010ffff"
_BEFORE_SURROGATES, _AFTER_SURROGATES = 0xD7FF, 0xE000
_WILDCARD: Final = re.compile(r"[\\%_]")


MakePlaceholder = Callable[[Value], Placeholder]


class ConditionShape(NamedTuple):
    """A condition, which is true if one of its alternatives is. Each alternative has a few values.

    `indexed`: every value has at most PREFIX_LENGTH characters, so an index of prefixes contains
    all of it.
    """

    attribute: str
    op: Op
    folded: bool
    indexed: bool
    alternatives: tuple[Placeholders, ...]


class WordsShape(NamedTuple):
    """A search for words, which is true if for each word one of its conditions is."""

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
    """The conditions, the ordering and the bounds of a search, without the values.

    `total`: the statement also selects the number of all matching rows. Each statement also has the
    parameter COUNT, and OFFSET for a numbered page.

    `distinct`: the attribute before the id has different values in all rows. The id then decides
    only whether the row with the value of a bound is after it.
    """

    conditions: tuple[TestShape, ...]
    ordering: tuple[Order, ...]
    numbered: bool
    total: bool
    after: Placeholders | None = None
    before: Placeholders | None = None
    distinct: bool = False

    @property
    def is_sorted_by_id(self) -> bool:
        """True if the list is sorted by the id alone."""
        return [order.attribute for order in self.ordering] == ["id"]


def parametrize(search: Search, distinct: Container[str] = ()) -> tuple[QueryShape, dict[str, Any]]:
    """Returns the shape of the search, and the values by the names of their placeholders.

    `distinct` has the attributes whose values are different in all rows.
    """
    search = _without_redundant_orders(search, distinct)
    is_distinct = len(search.ordering) > 1 and search.ordering[-2].attribute in distinct
    values: dict[str, Any] = {}

    def placeholder(value: Value) -> Placeholder:
        name = f"v{len(values)}"
        if out_of_range := _is_out_of_range(value):
            value = _ABOVE_ALL_INTEGERS if value > 0 else -_ABOVE_ALL_INTEGERS  # type: ignore[operator,assignment]
        values[name] = value
        return Placeholder(name, out_of_range)

    conditions = _test_shapes(search.conditions, placeholder)
    place = search.place
    if isinstance(place, Numbered):
        values |= {"count": place.size, "offset": place.offset}
        shape = QueryShape(conditions, search.ordering, True, True, distinct=is_distinct)
        return shape, values

    def key_placeholders(key: Key | None) -> Placeholders | None:
        if key is None:
            return None
        return tuple(NULL if value is None else placeholder(value) for value in key)

    after, before = key_placeholders(place.after), key_placeholders(place.before)
    values["count"] = place.size + 1  # an extra row shows whether there are more
    shape = QueryShape(conditions, search.ordering, False, place.total, after, before, is_distinct)
    return shape, values


def fit_decimals(
    search: Search, columns: Decimals, related: Mapping[str, Decimals] = MappingProxyType({})
) -> Search:
    """Returns an equivalent search whose decimals can all be stored in their columns.

    `columns` are the column types by attribute, and `related` those of related tables by
    relationship. So no database compares a value that has more digits than the column. SQLite
    cannot do that, and MariaDB would match the rounded value.
    """
    conditions = _all_fitted(search.conditions, columns, related)
    place = search.place
    if isinstance(place, Slice) and any(order.attribute in columns for order in search.ordering):
        after, before = (
            _fit_key(key, search.ordering, columns) for key in (place.after, place.before)
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
            return _fit_condition(test, column)
        case Related():
            decimals = related.get(test.relationship, {})
            return [replace(test, tests=_all_fitted(test.tests, decimals, {}))]
        case Not():
            fitted = _fitted_test(test.test, columns, related)
            return [Not(fitted[0] if fitted else _ALWAYS)]
        case AnyOf():
            alternatives = (_all_fitted(each, columns, related) for each in test.alternatives)
            return [AnyOf(tuple(alternatives))]
        case _:
            return [test]


def _fit_key(
    key: Key | None, ordering: tuple[Order, ...], columns: Mapping[str, FixedDecimal]
) -> Key | None:
    """Rounds the decimals of a key down to storable values. The key of a row does not change."""
    if key is None:
        return None
    return tuple(
        value if value is None or column is None else column.floor(value)
        for value, column in zip(
            key, (columns.get(order.attribute) for order in ordering), strict=True
        )
    )


def _fit_condition(condition: Condition, column: FixedDecimal) -> list[Condition]:
    """Returns conditions that together match the same rows, with storable values."""
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
    if bound < column.minimum:  # below every value of the column
        return [replace(condition, op=Op.GE if upward else Op.LT, values=(column.minimum,))]
    return [replace(condition, op=Op.GT if upward else Op.LE, values=(column.floor(bound),))]


def _test_shape(test: Test, placeholder: MakePlaceholder) -> TestShape:
    match test:
        case Condition():
            return _condition_shape(test, placeholder)
        case WordSearch():
            words = (_word_shape(word, test.attributes, placeholder) for word in test.words)
            return WordsShape(tuple(words))
        case IsNull():
            return NullShape(test.attribute)
        case Related():
            return RelatedShape(test.relationship, _test_shapes(test.tests, placeholder))
        case Not():
            return NotShape(_test_shape(test.test, placeholder))
        case AnyOf():
            alternatives = (_test_shapes(each, placeholder) for each in test.alternatives)
            return AnyOfShape(tuple(alternatives))


def _test_shapes(tests: Iterable[Test], placeholder: MakePlaceholder) -> tuple[TestShape, ...]:
    return tuple(_test_shape(each, placeholder) for each in tests)


def _word_shape(
    word: str, attributes: tuple[str, ...], placeholder: MakePlaceholder
) -> tuple[ConditionShape, ...]:
    """Creates the conditions of a word. All attributes share its placeholders."""
    placeholders = tuple(map(placeholder, _substring(word)))
    return tuple(
        ConditionShape(attribute, Op.CONTAINS, True, False, (placeholders,))
        for attribute in attributes
    )


def _condition_shape(condition: Condition, placeholder: MakePlaceholder) -> ConditionShape:
    expand = _EXPANSIONS.get(condition.op, _exact_value)
    values = filter(_is_storable, condition.values) if condition.op in _EXACT else condition.values
    alternatives = tuple(tuple(map(placeholder, expand(value))) for value in values)
    indexed = all(
        len(value) <= PREFIX_LENGTH for value in condition.values if isinstance(value, str)
    )
    return ConditionShape(
        condition.attribute, condition.op, condition.folded, indexed, alternatives
    )


def _exact_value(value: Value) -> tuple[Value, ...]:
    return (value,)


def _prefix(value: Value) -> tuple[Value, ...]:
    """Returns the range of texts with this prefix: its start, and its end if it has one."""
    prefix = str(value)
    end = _successor(prefix)
    return (prefix,) if end is None else (prefix, end)


def _successor(prefix: str) -> str | None:
    """Returns the smallest text that is after all texts with the prefix, or None."""
    stem = prefix.rstrip(_LAST_CODE_POINT)
    if not stem:
        return None
    last = ord(stem[-1])
    return stem[:-1] + chr(_AFTER_SURROGATES if last == _BEFORE_SURROGATES else last + 1)


def _substring(value: Value) -> tuple[Value, ...]:
    """Returns the substring, and a LIKE pattern for it in which all wildcards are escaped."""
    substring = str(value)
    return substring, "%" + _WILDCARD.sub(r"\\\g<0>", substring) + "%"


_EXPANSIONS: Final = {Op.STARTS_WITH: _prefix, Op.CONTAINS: _substring}
_EXACT: Final = (Op.EQ, Op.IN)
_RANGES: Final = (Op.LT, Op.LE, Op.GT, Op.GE)


def _is_storable(value: Value) -> bool:
    """Returns False if no column can store the value.

    MariaDB truncates a timestamp to milliseconds before it compares it, and would match that.
    """
    if isinstance(value, datetime):
        return value.microsecond % 1000 == 0
    return not _is_out_of_range(value)


def _is_out_of_range(value: Value) -> bool:
    """Returns True for an integer beyond 64 bits, which some drivers cannot send."""
    return isinstance(value, int) and not ~_MAX_INTEGER <= value <= _MAX_INTEGER


def _without_redundant_orders(search: Search, distinct: Container[str]) -> Search:
    """Returns the search without sort attributes that do not affect the order, except the id.

    They have the same value in every matching row, or follow an attribute whose values are
    different in all rows. With them, the database may not recognize that an index has the rows in
    the right order. The id remains, because a bound need not be the key of a row.
    """
    fixed = _fixed_values(search.conditions)
    fixed.pop("id", None)
    remaining = []
    is_decided = False
    for position, order in enumerate(search.ordering):
        if order.attribute == "id" or not (is_decided or order.attribute in fixed):
            remaining.append(position)
            is_decided = order.attribute in distinct
    if len(remaining) == len(search.ordering):
        return search
    place = search.place
    if isinstance(place, Slice):
        keys = [key for key in (place.after, place.before) if key is not None]
        if not all(_has_fixed_values(key, search.ordering, fixed) for key in keys):
            return search
        after, before = (
            key and tuple(key[position] for position in remaining)
            for key in (place.after, place.before)
        )
        place = replace(place, after=after, before=before)
    ordering = tuple(search.ordering[position] for position in remaining)
    return replace(search, ordering=ordering, place=place)


def _has_fixed_values(key: Key, ordering: tuple[Order, ...], fixed: Mapping[str, Value]) -> bool:
    """Returns True if the key has the fixed value of each fixed attribute."""
    return all(
        value == fixed.get(order.attribute, value)
        for order, value in zip(ordering, key, strict=True)
    )


def _fixes_value(condition: Condition) -> bool:
    return condition.op is Op.EQ and len(condition.values) == 1 and not condition.folded


def _fixed_values(tests: Iterable[Test]) -> dict[str, Value]:
    """The attributes that have the same value in every matching row, with that value."""
    conditions = (test for test in tests if isinstance(test, Condition))
    return {
        condition.attribute: condition.values[0]
        for condition in conditions
        if _fixes_value(condition)
    }
