"""application.search as SELECT statements over any table."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Select,
    and_,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from application.search import Condition, Key, Numbered, Op, Order, Page, Search, Slice, Value

T = TypeVar("T")
Columns = Mapping[str, Column[Any]]
Clause = ColumnElement[bool]

_COMPARISONS: Mapping[Op, Callable[[Any, Any], Clause]] = {
    Op.EQ: eq,
    Op.NE: ne,
    Op.LT: lt,
    Op.LE: le,
    Op.GT: gt,
    Op.GE: ge,
}
_LARGEST_INTEGER = 2**63 - 1
_BEYOND_KEYS = 1e30
_LAST_CODE_POINT = "\U0010ffff"
_BEFORE_SURROGATES, _AFTER_SURROGATES = 0xD7FF, 0xE000


class Searchable:
    """A table that can be searched by the names of its columns, one of which is `id`.

    `columns` are what is read of a row, in that order; `folded` are the columns that hold the
    folded forms. Text must be collated by code point.
    """

    def __init__(self, columns: Sequence[Column[Any]], folded: Columns) -> None:
        self._select = select(*columns)
        self._columns: Columns = {column.name: column for column in columns}
        self._folded = folded

    def page(
        self, connection: Connection, search: Search, entity: Callable[[Sequence[Any]], T]
    ) -> Page[T]:
        """The part of the list that the search asks for, read by one statement."""
        search = _without_idle_orders(search)
        fitting = self._select.where(*(self._holds(each) for each in search.conditions))
        if isinstance(search.place, Numbered):
            statement = self._numbered(fitting, search.ordering, search.place)
            return _numbered_page(connection.execute(statement).all(), search.place, entity)
        beyond = _BEYOND.get(connection.dialect.name, _beyond)
        statement = self._sliced(fitting, search.ordering, search.place, beyond)
        return _sliced_page(connection.execute(statement).all(), search.place, entity)

    def _holds(self, condition: Condition) -> Clause:
        column = (self._folded if condition.folded else self._columns)[condition.attribute]
        if condition.op in (Op.EQ, Op.IN):
            return column.in_([each for each in condition.values if _can_be_held(each)])
        return or_(false(), *(_compared(column, condition.op, each) for each in condition.values))

    def _sliced(
        self, fitting: Select[Any], ordering: tuple[Order, ...], place: Slice, beyond: "Beyond"
    ) -> Select[Any]:
        """One row more than asked for, to learn whether there are more."""
        reverse = _reversed(ordering)
        if place.after is not None and place.before is not None:
            fitting = fitting.where(beyond(self._columns, reverse, place.before))
        direction = reverse if place.backward else ordering
        start = place.before if place.backward else place.after
        if start is None:
            return self._first(fitting, direction, place.size + 1)
        if _is_mixed(direction) or (len(direction) > 1 and fitting.whereclause is not None):
            return self._first_of_branches(fitting, direction, start, place.size + 1)
        fitting = fitting.where(beyond(self._columns, direction, start))
        return self._first(fitting, direction, place.size + 1)

    def _first(self, fitting: Select[Any], direction: tuple[Order, ...], count: int) -> Select[Any]:
        return fitting.order_by(*_sorted_by(self._columns, direction)).limit(count)

    def _first_of_branches(
        self, fitting: Select[Any], direction: tuple[Order, ...], start: Key, count: int
    ) -> Select[Any]:
        """The first rows after the key, when it takes several ranges to say what that means.

        Each range is read in the order of its index. In one condition they would be no range where
        the ordering is mixed, and all rows that tie with the key would be passed over; and of a
        comparison of rows PostgreSQL reckons the first column only, and chooses wrong indexes for
        the other conditions.
        """
        branches = (
            self._first(fitting.where(each), direction, count).subquery()
            for each in _deciding(self._columns, direction, start)
        )
        joined = union_all(*map(select, branches)).subquery("joined")
        return select(joined).order_by(*_sorted_by(joined.c, direction)).limit(count)

    def _numbered(
        self, fitting: Select[Any], ordering: tuple[Order, ...], place: Numbered
    ) -> Select[Any]:
        """The total beside each row, and beside nothing where the page has no rows."""
        counted = fitting.with_only_columns(
            func.count().label("total"), maintain_column_froms=True
        ).subquery("counted")
        ordered = fitting.order_by(*_sorted_by(self._columns, ordering))
        page = ordered.limit(place.size).offset(place.offset).subquery("page")
        both = select(counted.c.total, *page.c).select_from(counted.outerjoin(page, true()))
        return both.order_by(*_sorted_by(page.c, ordering))


def _without_idle_orders(search: Search) -> Search:
    """The same search without the orders whose attribute has one value in all that it finds.

    They would only keep the database from seeing that an index has the rows in their order.
    """
    fixed = {each.attribute for each in search.conditions if _is_one_value(each)} - {"id"}
    kept = [number for number, o in enumerate(search.ordering) if o.attribute not in fixed]
    if len(kept) == len(search.ordering):
        return search
    ordering = tuple(search.ordering[number] for number in kept)
    place = search.place
    if isinstance(place, Slice):
        keys = (place.after, place.before)
        after, before = (key and tuple(key[number] for number in kept) for key in keys)
        place = replace(place, after=after, before=before)
    return replace(search, ordering=ordering, place=place)


def _is_one_value(condition: Condition) -> bool:
    return condition.op is Op.EQ and len(condition.values) == 1 and not condition.folded


def _sliced_page(
    rows: Sequence[Sequence[Any]], place: Slice, entity: Callable[[Sequence[Any]], T]
) -> Page[T]:
    items = [entity(row) for row in rows[: place.size]]
    if place.backward:
        items.reverse()
    return Page(tuple(items), more=len(rows) > place.size)


def _numbered_page(
    rows: Sequence[Any], place: Numbered, entity: Callable[[Sequence[Any]], T]
) -> Page[T]:
    total = rows[0].total
    items = tuple(entity(row[1:]) for row in rows if row.id is not None)
    return Page(items, more=total > place.offset + place.size, total=total)


def _compared(column: Column[Any], op: Op, value: Value) -> Clause:
    if op is Op.CONTAINS:
        return _Contains(column, _bound(column, value), _bound(column, _pattern(str(value))))
    if op is Op.STARTS_WITH:
        return _starting_with(column, str(value))
    return _COMPARISONS[op](column, _bound(column, value))


def _can_be_held(value: Value) -> bool:
    """Whether any column can. MariaDB cuts a time off to what the column holds, then finds it."""
    if isinstance(value, datetime):
        return value.microsecond % 1000 == 0
    return not _is_beyond_keys(value)


def _is_beyond_keys(value: Value) -> bool:
    """Whether it is a number that no column can hold; a driver may not even send it."""
    return isinstance(value, int) and not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER


def _bound(column: Column[Any], value: Value) -> ColumnElement[Any]:
    if _is_beyond_keys(value):
        return literal(_BEYOND_KEYS if value > 0 else -_BEYOND_KEYS, Float())  # type: ignore[operator]
    return literal(value, column.type)


def _starting_with(column: Column[Any], prefix: str) -> Clause:
    """As a range: an index serves it, and no character of the prefix has a meaning of its own."""
    after = _successor(prefix)
    from_prefix = column >= literal(prefix, column.type)
    return from_prefix if after is None else and_(from_prefix, column < literal(after, column.type))


def _successor(prefix: str) -> str | None:
    """The first text after all that begin with the prefix; None where there is none."""
    head = prefix.rstrip(_LAST_CODE_POINT)
    if not head:
        return None
    last = ord(head[-1])
    return head[:-1] + chr(_AFTER_SURROGATES if last == _BEFORE_SURROGATES else last + 1)


def _reversed(ordering: tuple[Order, ...]) -> tuple[Order, ...]:
    return tuple(Order(order.attribute, not order.descending) for order in ordering)


def _sorted_by(columns: Any, ordering: tuple[Order, ...]) -> list[ColumnElement[Any]]:
    return [
        columns[order.attribute].desc() if order.descending else columns[order.attribute].asc()
        for order in ordering
    ]


def _beyond(columns: Columns, ordering: tuple[Order, ...], key: Key) -> Clause:
    """The rows that stand after the key."""
    if _is_mixed(ordering):
        return _beyond_spelled_out(columns, ordering, key)
    mine, its = (tuple_(*side) for side in zip(*_sides(columns, ordering, key), strict=True))
    return mine < its if ordering[0].descending else mine > its


def _beyond_spelled_out(columns: Columns, ordering: tuple[Order, ...], key: Key) -> Clause:
    """The same without a comparison of rows, which can't go up and down at once.

    The first that differs decides. The bound of the first column is implied, and said for the
    sake of its index.
    """
    column, value = _sides(columns, ordering, key)[0]
    bound = column <= value if ordering[0].descending else column >= value
    return and_(bound, or_(*_deciding(columns, ordering, key)))


def _deciding(columns: Columns, ordering: tuple[Order, ...], key: Key) -> list[Clause]:
    """The ranges of which the rows after the key consist: one for each column that may decide."""
    sides = _sides(columns, ordering, key)
    return [
        and_(
            *(column == value for column, value in sides[:position]),
            column < value if order.descending else column > value,
        )
        for position, ((column, value), order) in enumerate(zip(sides, ordering, strict=True))
    ]


def _is_mixed(ordering: tuple[Order, ...]) -> bool:
    """Whether it goes up and down at once."""
    return len({order.descending for order in ordering}) > 1


def _sides(
    columns: Columns, ordering: tuple[Order, ...], key: Key
) -> list[tuple[Column[Any], ColumnElement[Any]]]:
    return [
        (columns[order.attribute], _bound(columns[order.attribute], value))
        for order, value in zip(ordering, key, strict=True)
    ]


Beyond = Callable[[Columns, tuple[Order, ...], Key], Clause]
# MariaDB would read the whole index up to the key to compare rows with it.
_BEYOND: Mapping[str, Beyond] = {"mariadb": _beyond_spelled_out}


def _pattern(part: str) -> str:
    """What LIKE wants to find the part anywhere, none of its characters being a wildcard."""
    return "%" + _WILDCARD.sub(r"\\\g<0>", part) + "%"


_WILDCARD = re.compile(r"[\\%_]")


class _Contains(GenericFunction[bool]):
    """Whether a text holds another. The third argument is the other as a pattern for LIKE."""

    type = Boolean()
    inherit_cache = True


@compiles(_Contains)
def _contains(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    """Without LIKE: SQLite's takes "A" for "a"."""
    text, part, _ = element.clauses
    return compiler.process(func.instr(text, part) > 0, **options)


@compiles(_Contains, "postgresql")
def _contains_in_postgresql(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    """With LIKE, which an index of trigrams serves."""
    text, _, pattern = element.clauses
    return compiler.process(text.like(pattern), **options)
