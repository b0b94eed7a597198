"""Searches without their values: a statement is made once for all searches of one shape.

Shapes are tuples: each search makes one, and looks up its statement by it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from adapters.sql.columns import PREFIX_LENGTH
from application.search import Condition, Key, Numbered, Op, Order, Search, Slice, Value

_LARGEST_INTEGER: Final = 2**63 - 1
_BEYOND_KEYS: Final = 1e30
_LAST_CODE_POINT: Final = "\U0010ffff"
_BEFORE_SURROGATES, _AFTER_SURROGATES = 0xD7FF, 0xE000
_WILDCARD: Final = re.compile(r"[\\%_]")


class Placeholder(NamedTuple):
    """The place of a value, by its name among the values of the statement.

    `beyond`: for a number that no column can hold.
    """

    name: str
    out_of_range: bool = False


Placeholders = tuple[Placeholder, ...]


class ConditionShape(NamedTuple):
    """A condition: it holds if one of its alternatives does, each of them told by a few values.

    `indexed`: none of the values has more characters than are indexed of a text of any length.
    """

    attribute: str
    op: Op
    folded: bool
    indexed: bool
    alternatives: tuple[Placeholders, ...]


class QueryShape(NamedTuple):
    """What a search asks for, but for the values: conditions, order, and ends of the slice.

    The values "count" and "offset" belong to it, too.
    """

    conditions: tuple[ConditionShape, ...]
    ordering: tuple[Order, ...]
    numbered: bool
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

    conditions = tuple(_condition_shape(each, slot) for each in search.conditions)
    place = search.place
    if isinstance(place, Numbered):
        values |= {"count": place.size, "offset": place.offset}
        return QueryShape(conditions, search.ordering, numbered=True), values
    after = None if place.after is None else tuple(map(slot, place.after))
    before = None if place.before is None else tuple(map(slot, place.before))
    values["count"] = place.size + 1  # one row more, to learn whether there are more
    return QueryShape(conditions, search.ordering, False, after, before), values


def _condition_shape(condition: Condition, slot: Callable[[Value], Placeholder]) -> ConditionShape:
    told = _EXPANSIONS.get(condition.op, _exact_value)
    kept = filter(_is_storable, condition.values) if condition.op in _EXACT else condition.values
    alternatives = tuple(tuple(map(slot, told(value))) for value in kept)
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


def _is_storable(value: Value) -> bool:
    """Whether any column can. MariaDB cuts a time off to what the column holds, then finds it."""
    if isinstance(value, datetime):
        return value.microsecond % 1000 == 0
    return not _exceeds_ids(value)


def _exceeds_ids(value: Value) -> bool:
    """Whether it is a number that no column can hold; a driver may not even send it."""
    return isinstance(value, int) and not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER


def _without_redundant_orders(search: Search) -> Search:
    """The same search without the orders whose attribute has one value in all that it finds.

    They would only keep the database from seeing that an index has the rows in their order.
    """
    fixed = {each.attribute: each.values[0] for each in search.conditions if _is_one_value(each)}
    fixed.pop("id", None)
    kept = [number for number, o in enumerate(search.ordering) if o.attribute not in fixed]
    if len(kept) == len(search.ordering):
        return search
    place = search.place
    if isinstance(place, Slice):
        keys = [key for key in (place.after, place.before) if key is not None]
        if not all(_is_within(key, search.ordering, fixed) for key in keys):
            return search
        after, before = (
            key and tuple(key[number] for number in kept) for key in (place.after, place.before)
        )
        place = replace(place, after=after, before=before)
    return replace(search, ordering=tuple(search.ordering[n] for n in kept), place=place)


def _is_within(key: Key, ordering: tuple[Order, ...], fixed: Mapping[str, Value]) -> bool:
    """Whether the key has the values that all rows have."""
    return all(
        value == fixed.get(order.attribute, value)
        for order, value in zip(ordering, key, strict=True)
    )


def _is_one_value(condition: Condition) -> bool:
    return condition.op is Op.EQ and len(condition.values) == 1 and not condition.folded
