"""application.search as SELECT statements over any table."""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Float,
    Integer,
    Select,
    and_,
    bindparam,
    false,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from adapters.sql.columns import FixedDecimal, IndexedPrefix, NullsLowest
from adapters.sql.compiled import CompiledStatement, Row
from adapters.sql.connection import RawConnection
from adapters.sql.query_shapes import (
    AnyOfShape,
    ConditionShape,
    Decimals,
    NotShape,
    NullShape,
    Placeholder,
    Placeholders,
    QueryShape,
    RelatedShape,
    TestShape,
    WordsShape,
    fit_decimals,
    parametrize,
)
from application.search import Groups, Numbered, Op, Order, Page, Search, Slice

T = TypeVar("T")
Columns = Mapping[str, Column[Any]]
Texts = Mapping[str, ColumnElement[str]]
Clause = ColumnElement[bool]

_COMPARISONS: Mapping[Op, Callable[[Any, Any], Clause]] = {
    Op.EQ: eq,
    Op.NE: ne,
    Op.LT: lt,
    Op.LE: le,
    Op.GT: gt,
    Op.GE: ge,
}
_COUNT = bindparam("count", type_=Integer())
_OFFSET = bindparam("offset", type_=Integer())
_TRIGRAMS = _BEGINNINGS = "postgresql"
"""The database that may have indexes of parts, and the one that indexes beginnings of texts."""
_MOST_BRANCHES = 8
"""The number of related entities for each of which a statement has a branch of its own."""
_STATEMENTS = 256
"""How many statements are kept: one for each recent shape of search."""


class Overridden:
    """A text that most rows have in one column, and a few in another, which is null elsewhere.

    A part or a beginning of it is looked up in both columns, so that their indexes serve.
    """

    def __init__(self, usual: Column[str], *, by: Column[str]) -> None:
        self.usual = usual
        self.by = by

    @property
    def whole(self) -> ColumnElement[str]:
        """The text of every row."""
        return func.coalesce(self.by, self.usual, type_=self.usual.type)

    def holds(self, condition: Callable[[ColumnElement[str]], Clause]) -> Clause:
        """Whether the condition holds for the text."""
        return or_(and_(self.by.is_(None), condition(self.usual)), condition(self.by))


class RelatedTable(NamedTuple):
    """Where the related entities of a relationship are.

    `ids` are the columns of a table of pairs: of the entity that has the relationship, and of the
    related entity. It is None if a column of the entity refers to the related entity.
    """

    searchable: "Searchable"
    ids: tuple[Column[Any], Column[Any]] | None = None


class Searchable:
    """A table that can be searched by the names of its columns, one of which is `id`.

    `columns` are what is read of a row, in that order. Conditions may also name the `keys`, which
    are not read. `folded` are the columns that hold the folded forms, `beginnings` what is indexed
    of those of any length. No two rows have the same value in a `unique` column. Text must be
    collated by code point.

    Nullable columns sort null before every value; to have an index serve that order, define it with
    adapters.sql.columns.NullsLowest.
    """

    def __init__(
        self,
        columns: Sequence[Column[Any]],
        folded: Mapping[str, Column[Any] | Overridden],
        beginnings: Texts = MappingProxyType({}),
        keys: Columns = MappingProxyType({}),
        unique: Collection[Column[Any]] = (),
    ) -> None:
        self._select = select(*columns)
        self._related: Mapping[str, RelatedTable] = {}
        self._keys = keys
        self._columns: Columns = {column.name: column for column in columns}
        self._id = [*self._columns].index("id")
        self._folded = folded
        self._beginnings = beginnings
        self._compared: Columns = {**self._columns, **keys}
        self._unique = frozenset(unique)
        self._decimals: Decimals = {
            name: column.type
            for name, column in self._compared.items()
            if isinstance(column.type, FixedDecimal)
        }
        self._related_decimals: Mapping[str, Decimals] = {}
        self._statement = lru_cache(_STATEMENTS)(self._made)
        self._grouping = lru_cache(_STATEMENTS)(self._grouped)

    def with_related(self, related: Mapping[str, RelatedTable]) -> "Searchable":
        """The same table with searches that follow these relationships, by their names."""
        if not related:
            return self
        found = copy(self)
        found._related = related
        found._related_decimals = {
            name: each.searchable._decimals
            for name, each in related.items()
            if each.searchable._decimals
        }
        found._statement = lru_cache(_STATEMENTS)(found._made)
        found._grouping = lru_cache(_STATEMENTS)(found._grouped)
        return found

    def _aliased(self) -> "Searchable":
        """The same table under another name, for a part of a statement about others."""
        columns = self._id_column.table.alias().c

        def other(column: Column[Any]) -> Column[Any]:
            return columns[column.name]

        return Searchable(
            [other(each) for each in self._columns.values()],
            folded={
                name: Overridden(other(text.usual), by=other(text.by))
                if isinstance(text, Overridden)
                else other(text)
                for name, text in self._folded.items()
            },
            beginnings={
                name: IndexedPrefix(columns[text.whole.name])
                for name, text in self._beginnings.items()
                if isinstance(text, IndexedPrefix) and isinstance(text.whole, Column)
            },
            keys={name: other(each) for name, each in self._keys.items()},
            unique=[other(each) for each in self._unique],
        )

    @property
    def _id_column(self) -> Column[Any]:
        return self._columns["id"]

    def page(
        self,
        connection: RawConnection,
        search: Search,
        entity: Callable[[Row], T],
        *,
        for_update: bool = False,
    ) -> Page[T]:
        """The part of the list that the search asks for, read by one statement.

        With `for_update`, the rows are locked, and those that stop matching before that are left
        out: for a slice in the order of the ids, in a transaction.
        """
        if self._decimals or self._related_decimals:
            search = fit_decimals(search, self._decimals, self._related_decimals)
        shape, values = parametrize(search)
        statement = self._statement(shape, connection.dialect.name, for_update)
        rows = statement.rows(connection, values)
        total = None
        if shape.total:
            total = rows[0][0]
            rows = [row[1:] for row in rows if row[1 + self._id] is not None]
        if isinstance(search.place, Numbered):
            return _numbered_page(rows, search.place, entity, total or 0)
        return _sliced_page(rows, search.place, entity, total)

    def count_by(
        self, connection: RawConnection, search: Search, attribute: str, limit: int
    ) -> Groups:
        """The values of a column in the rows that match, with their numbers; see Reader."""
        search = replace(search, ordering=(), place=Slice(limit))
        if self._decimals or self._related_decimals:
            search = fit_decimals(search, self._decimals, self._related_decimals)
        shape, values = parametrize(search)
        statement = self._grouping(shape, connection.dialect.name, attribute)
        rows = statement.rows(connection, values)
        return Groups(tuple((row[0], row[1]) for row in rows[:limit]), more=len(rows) > limit)

    def _grouped(self, shape: QueryShape, database: str, attribute: str) -> CompiledStatement:
        column, count = self._columns[attribute], func.count().label("entities")
        counted = select(column, count).where(
            *(self._holds(each, database) for each in shape.conditions)
        )
        ordered = counted.group_by(column).order_by(
            count.desc(), _in_order(column, Order(attribute))
        )
        return CompiledStatement(ordered.limit(_COUNT))

    def _made(self, shape: QueryShape, database: str, for_update: bool) -> CompiledStatement:
        shape = _flattened(shape)
        fitting = self._select.where(*(self._holds(each, database) for each in shape.conditions))
        if for_update:
            fitting = fitting.with_for_update()
        page = None
        if self._related and not for_update:  # the rows of a union cannot be locked
            page = self._page_by_key(shape, database)
        if page is None:
            page = self._page_of_rows(fitting, shape, database)
        if shape.total:
            counted = self._pairs_to_count(shape, database)
            page = self._with_total(
                fitting if counted is None else counted, page, _direction(shape)
            )
        return CompiledStatement(page)

    def _page_of_rows(self, fitting: Select[Any], shape: QueryShape, database: str) -> Select[Any]:
        if shape.numbered:
            return self._first(fitting, shape.ordering).offset(_OFFSET)
        return self._sliced(fitting, shape, _BEYOND.get(database, _after_key))

    def _page_by_key(self, shape: QueryShape, database: str) -> Select[Any] | None:
        """A page whose keys are read first, by indexes that the database would not use itself.

        Returns None for a search that the database plans well.
        """
        if any(map(self._finds_one, shape.conditions)):
            return None
        if self._pairs_of_one(shape) is not None:
            return self._page_of_pairs(shape, database)
        if shape.numbered or not (found := self._alternatives(shape)):
            return None
        branches = [select(self._page_of_keys(each, database).subquery()) for each in found]
        direction = _direction(shape)
        keys = union(*branches).subquery("found")
        first = select(keys).order_by(*_sorted_by(keys.c, direction)).limit(_COUNT)
        return self._with_keys(first, direction)

    def _with_keys(self, keys: Select[Any], direction: tuple[Order, ...]) -> Select[Any]:
        """The rows that have the ids in the keys, in the order of the keys."""
        first = keys.subquery("first")
        joined = first.join(self._id_column.table, self._id_column == first.c.id)
        return self._select.select_from(joined).order_by(*_sorted_by(first.c, direction))

    def _page_of_keys(self, shape: QueryShape, database: str) -> Select[Any]:
        """What a page is sorted by, including the ids, without the rest of its rows."""
        if self._pairs_of_one(shape) is not None:
            return self._page_of_pairs(shape, database, keys_only=True)
        keys = select(*(self._columns[order.attribute] for order in shape.ordering))
        fitting = keys.where(*(self._holds(each, database) for each in shape.conditions))
        return self._sliced(fitting, shape, _BEYOND.get(database, _after_key))

    def _pairs_of_one(self, shape: QueryShape) -> RelatedShape | None:
        """The first test for one related entity, if the list is sorted by id only.

        The pairs of that entity are then in the order of the list.
        """
        if len(shape.ordering) > 1 or any(map(self._finds_one, shape.conditions)):
            return None
        tests = (each for each in shape.conditions if isinstance(each, RelatedShape))
        return next(filter(self._has_one_related, tests), None)

    def _has_one_related(self, test: RelatedShape) -> bool:
        related = self._related[test.relationship]
        return related.ids is not None and any(map(related.searchable._finds_one, test.tests))

    def _page_of_pairs(
        self, shape: QueryShape, database: str, *, keys_only: bool = False
    ) -> Select[Any]:
        """A page of the entities that are related to one, read in the order of its pairs."""
        test = self._pairs_of_one(shape)
        assert test is not None
        keys, entity_id = self._pairs(test, database)
        columns, direction = {"id": entity_id}, _direction(shape)
        beyond = _BEYOND.get(database, _after_key)
        others = [self._holds(each, database) for each in shape.conditions if each is not test]
        if others:
            joined = entity_id.table.join(self._id_column.table, self._id_column == entity_id)
            # Where the page begins is also said of the other column, for plans that start there.
            ends = [
                beyond(self._columns, order, key)
                for order, key in (
                    (shape.ordering, shape.after),
                    (_reversed(shape.ordering), shape.before),
                )
                if key is not None
            ]
            selected = keys if keys_only else keys.with_only_columns(*self._columns.values())
            keys = selected.select_from(joined).where(*others, *ends)
        if shape.numbered:
            page = self._first(keys, direction, columns).offset(_OFFSET)
        else:
            page = self._sliced(keys, shape, beyond, columns)
        return page if others or keys_only else self._with_keys(page, direction)

    def _pairs(self, test: RelatedShape, database: str) -> tuple[Select[Any], Column[Any]]:
        """The ids of the entities with the related entities of a test, and their column."""
        related = self._related[test.relationship]
        assert related.ids is not None
        entity_id, related_id = _aliases(related.ids)
        matching = _matching_ids(related_id, test.tests, related.searchable, database)
        return select(entity_id.label("id")).where(*matching), entity_id

    def _pairs_to_count(self, shape: QueryShape, database: str) -> Select[Any] | None:
        """The pairs that are as many as the entities that the search finds."""
        if len(shape.conditions) == 1:
            (test,) = shape.conditions
            if isinstance(test, RelatedShape) and self._has_one_related(test):
                return self._pairs(test, database)[0]
        return None

    def _alternatives(self, shape: QueryShape) -> list[QueryShape]:
        """Searches that together find what the search finds, each of them by an index.

        Returns an empty list if there are none.
        """
        for test in shape.conditions:
            if isinstance(test, AnyOfShape):
                alternatives = test.alternatives
            elif len(shape.ordering) == 1 and isinstance(test, RelatedShape):
                alternatives = self._each_related(test)
            else:
                continue
            if alternatives and all(any(map(_has_index, each)) for each in alternatives):
                others = tuple(each for each in shape.conditions if each is not test)
                return [
                    shape._replace(conditions=(*each, *others), total=False)
                    for each in alternatives
                ]
        return []

    def _each_related(self, test: RelatedShape) -> tuple[tuple[TestShape, ...], ...]:
        """A test for each of a few related entities, if the test is for any of these."""
        if len(test.tests) != 1 or not _are_ids(test.tests):
            return ()
        (ids,) = test.tests
        assert isinstance(ids, ConditionShape)
        if self._related[test.relationship].ids is None or len(ids.alternatives) > _MOST_BRANCHES:
            return ()
        return tuple(
            (test._replace(tests=(ids._replace(op=Op.EQ, alternatives=(each,)),)),)
            for each in ids.alternatives
        )

    def _holds(self, test: TestShape, database: str, *, alone: bool = True) -> Clause:
        """Whether the test holds; unknown instead of false where a column is null.

        `alone`: no other test can hold instead, so that rows may be found by the related entities.
        """
        match test:
            case ConditionShape():
                return self._compares(test, database)
            case WordsShape():
                return and_(
                    *(
                        or_(*(self._compares(each, database) for each in word))
                        for word in test.words
                    )
                )
            case NullShape():
                return self._compared[test.attribute].is_(None)
            case RelatedShape():
                return self._is_related(test, database, alone=alone)
            case NotShape():
                return self._fails(test.test, database)
            case AnyOfShape():
                return or_(
                    false(),
                    *(self._all_hold(each, database) for each in test.alternatives),
                )

    def _all_hold(self, tests: tuple[TestShape, ...], database: str) -> Clause:
        return and_(true(), *(self._holds(each, database, alone=False) for each in tests))

    def _fails(self, test: TestShape, database: str) -> Clause:
        """Whether the test does not hold: true also where the database finds it unknown."""
        held = self._holds(test, database, alone=False)
        is_known = isinstance(test, NullShape) or (
            isinstance(test, RelatedShape) and self._related[test.relationship].ids is not None
        )
        return not_(held) if is_known else held.is_not(true())

    def _is_related(self, test: RelatedShape, database: str, *, alone: bool) -> Clause:
        related = self._related[test.relationship]
        if related.ids is None:
            return self._refers(test, database, alone=alone)
        source, target = _aliases(related.ids)
        matching = _matching_ids(target, test.tests, related.searchable, database)
        if alone:
            return self._id_column.in_(select(source).where(*matching))
        return select(source).where(source == self._id_column, *matching).exists()

    def _refers(self, test: RelatedShape, database: str, *, alone: bool) -> Clause:
        column = self._compared[test.relationship]
        related = self._related[test.relationship].searchable
        if not test.tests:
            return column.is_not(None)
        if alone or _are_ids(test.tests):
            return and_(*_matching_ids(column, test.tests, related, database))
        others = related._aliased()
        held = (others._holds(each, database, alone=False) for each in test.tests)
        return select(others._id_column).where(others._id_column == column, *held).exists()

    def _compares(self, condition: ConditionShape, database: str) -> Clause:
        text = self._folded[condition.attribute] if condition.folded else None
        indexed = condition.op is Op.STARTS_WITH or (
            condition.op is Op.CONTAINS and database == _TRIGRAMS
        )
        if isinstance(text, Overridden) and indexed:
            return text.holds(lambda column: _any_holds(column, condition))
        column = self._column_of(condition)
        held = _any_holds(column, condition)
        if condition.op is Op.NE and condition.alternatives and self._is_nullable(condition):
            held = or_(held, column.is_(None))
        beginning = self._beginnings.get(condition.attribute) if condition.folded else None
        if beginning is None or database != _BEGINNINGS or condition.op not in (Op.EQ, Op.IN):
            return held
        # Its index has only beginnings, which must be compared for it to be used.
        return and_(_begins_as_any(beginning, condition), held)

    def _column_of(self, condition: ConditionShape) -> ColumnElement[Any]:
        if not condition.folded:
            return self._compared[condition.attribute]
        text = self._folded[condition.attribute]
        if (
            condition.op is Op.STARTS_WITH
            and condition.indexed
            and condition.attribute in self._beginnings
        ):
            return self._beginnings[condition.attribute]
        return text.whole if isinstance(text, Overridden) else text

    def _is_nullable(self, condition: ConditionShape) -> bool:
        column = (self._folded if condition.folded else self._compared)[condition.attribute]
        return bool((column.usual if isinstance(column, Overridden) else column).nullable)

    def _finds_one(self, condition: TestShape) -> bool:
        """At most."""
        if not isinstance(condition, ConditionShape):
            return False
        is_one = condition.op is Op.EQ and len(condition.alternatives) == 1
        return is_one and self._column_of(condition) in self._unique

    def _sliced(
        self,
        fitting: Select[Any],
        shape: QueryShape,
        beyond: "Beyond",
        columns: Columns | None = None,
    ) -> Select[Any]:
        """The slice of the rows. `columns` sort them, if not those of the table."""
        columns = columns or self._columns
        if shape.after is not None and shape.before is not None:
            fitting = fitting.where(beyond(columns, _reversed(shape.ordering), shape.before))
        direction = _direction(shape)
        start = shape.before if shape.after is None else shape.after
        if start is None:
            # One row has no order, and PostgreSQL plans what has none in less time.
            one = any(map(self._finds_one, shape.conditions))
            return fitting if one else self._first(fitting, direction, columns)
        if (
            _is_mixed(direction)
            or _has_nullable(columns, direction)
            or (len(direction) > 1 and fitting.whereclause is not None)
        ):
            return self._first_of_branches(fitting, direction, start)
        return self._first(fitting.where(beyond(columns, direction, start)), direction, columns)

    def _first(
        self,
        fitting: Select[Any],
        direction: tuple[Order, ...],
        columns: Columns | None = None,
    ) -> Select[Any]:
        return fitting.order_by(*_sorted_by(columns or self._columns, direction)).limit(_COUNT)

    def _first_of_branches(
        self, fitting: Select[Any], direction: tuple[Order, ...], start: Placeholders
    ) -> Select[Any]:
        """The first rows after the key, when it takes several ranges to say what that means.

        Each range is read in the order of its index. In one condition they would be no range where
        the ordering is mixed, and all rows that tie with the key would be passed over; and of a
        comparison of rows PostgreSQL reckons the first column only, and chooses wrong indexes for
        the other conditions. A comparison of rows matches no row in which a column is null.
        """
        branches = [
            self._first(fitting.where(each.clause), each.sorted_by(direction)).subquery()
            for each in _keyset_branches(self._columns, direction, start)
        ]
        joined = union_all(*map(select, branches)).subquery("joined")
        return select(joined).order_by(*_sorted_by(joined.c, direction)).limit(_COUNT)

    def _with_total(
        self, fitting: Select[Any], page: Select[Any], direction: tuple[Order, ...]
    ) -> Select[Any]:
        """The rows of a page, each after the total. If there are none, one row of nulls."""
        counted = fitting.with_only_columns(
            func.count().label("total"), maintain_column_froms=True
        ).subquery("counted")
        found = page.subquery("page")
        both = select(counted.c.total, *found.c).select_from(counted.outerjoin(found, true()))
        return both.order_by(*_sorted_by(found.c, direction))


def _numbered_page(
    rows: Sequence[Row], place: Numbered, entity: Callable[[Row], T], total: int
) -> Page[T]:
    return Page(tuple(map(entity, rows)), more=total > place.offset + place.size, total=total)


def _sliced_page(
    rows: Sequence[Row], place: Slice, entity: Callable[[Row], T], total: int | None
) -> Page[T]:
    items = list(map(entity, rows[: place.size]))
    if place.backward:
        items.reverse()
    return Page(tuple(items), more=len(rows) > place.size, total=total)


def _flattened(shape: QueryShape) -> QueryShape:
    """The same search without alternatives where there is only one."""
    conditions: list[TestShape] = []
    for each in shape.conditions:
        if isinstance(each, AnyOfShape) and len(each.alternatives) == 1:
            conditions += each.alternatives[0]
        else:
            conditions.append(each)
    return shape._replace(conditions=tuple(conditions))


def _has_index(test: TestShape) -> bool:
    """Whether an index may find the rows for which the test holds."""
    if isinstance(test, ConditionShape):
        return test.op not in (Op.NE, Op.CONTAINS)
    return isinstance(test, RelatedShape | NullShape)


def _aliases(columns: tuple[Column[Any], Column[Any]]) -> tuple[Column[Any], Column[Any]]:
    """Columns of one table under another name, for a part of a statement."""
    others = columns[0].table.alias().c
    return others[columns[0].name], others[columns[1].name]


def _are_ids(tests: tuple[TestShape, ...]) -> bool:
    """Whether all tests compare the id, so that a reference to it can be compared instead."""
    return all(
        isinstance(each, ConditionShape) and each.attribute == "id" and each.op in (Op.EQ, Op.IN)
        for each in tests
    )


def _matching_ids(
    column: Column[Any], tests: tuple[TestShape, ...], related: Searchable, database: str
) -> list[Clause]:
    """That a reference is one to an entity that passes all tests."""
    if _are_ids(tests):
        return [_any_holds(column, each) for each in tests if isinstance(each, ConditionShape)]
    others = related._aliased()
    held = [others._holds(each, database) for each in tests]
    ids = select(others._id_column).where(*held)
    if any(map(others._finds_one, tests)):
        return [column == ids.scalar_subquery()]
    return [column.in_(ids)]


def _any_holds(column: ColumnElement[Any], condition: ConditionShape) -> Clause:
    if condition.op in (Op.EQ, Op.IN) and condition.alternatives:
        return column.in_([_bound(column, slot) for (slot,) in condition.alternatives])
    return or_(false(), *(_compared(column, condition.op, each) for each in condition.alternatives))


def _begins_as_any(beginning: ColumnElement[str], condition: ConditionShape) -> Clause:
    if not condition.alternatives:
        return false()
    return beginning.in_(
        [IndexedPrefix(_bound(beginning, slot)) for (slot,) in condition.alternatives]
    )


def _compared(column: ColumnElement[Any], op: Op, slots: Placeholders) -> Clause:
    values = [_bound(column, slot) for slot in slots]
    if op is Op.CONTAINS:
        return _Contains(column, *values)
    if op is Op.STARTS_WITH:  # as a range, which an index serves
        return and_(
            *(compare(column, value) for compare, value in zip((ge, lt), values, strict=False))
        )
    return _COMPARISONS[op](column, *values)


def _bound(column: ColumnElement[Any], slot: Placeholder) -> ColumnElement[Any]:
    return bindparam(slot.name, type_=Float() if slot.out_of_range else column.type)


def _direction(shape: QueryShape) -> tuple[Order, ...]:
    """The order in which the rows are read: the reverse if the slice is filled from its end."""
    backward = shape.before is not None and shape.after is None
    return _reversed(shape.ordering) if backward else shape.ordering


def _reversed(ordering: tuple[Order, ...]) -> tuple[Order, ...]:
    return tuple(Order(order.attribute, not order.descending) for order in ordering)


def _sorted_by(columns: Any, ordering: tuple[Order, ...]) -> list[ColumnElement[Any]]:
    return [_in_order(columns[order.attribute], order) for order in ordering]


def _in_order(column: Column[Any], order: Order) -> ColumnElement[Any]:
    if column.nullable:
        return NullsLowest(column, descending=order.descending)
    return column.desc() if order.descending else column.asc()


def _after_key(columns: Columns, ordering: tuple[Order, ...], key: Placeholders) -> Clause:
    """The rows that stand after the key."""
    if _is_mixed(ordering) or _has_nullable(columns, ordering):
        return _beyond_spelled_out(columns, ordering, key)
    mine, its = (tuple_(*side) for side in zip(*_sides(columns, ordering, key), strict=True))
    return mine < its if ordering[0].descending else mine > its


def _beyond_spelled_out(columns: Columns, ordering: tuple[Order, ...], key: Placeholders) -> Clause:
    """The same without a comparison of rows, which can't go up and down at once.

    The first that differs decides. The bound of the first column is implied, and said for the
    sake of its index.
    """
    bound = _not_before(columns[ordering[0].attribute], ordering[0], key[0])
    branches = _keyset_branches(columns, ordering, key)
    return and_(*bound, or_(*(each.clause for each in branches)))


class _Branch(NamedTuple):
    """A range of rows, and the columns that are null in all of them."""

    clause: Clause
    null: frozenset[str]

    def sorted_by(self, ordering: tuple[Order, ...]) -> tuple[Order, ...]:
        """The ordering without these columns, so that any index with the rows in order serves."""
        return tuple(order for order in ordering if order.attribute not in self.null)


def _keyset_branches(
    columns: Columns, ordering: tuple[Order, ...], key: Placeholders
) -> list[_Branch]:
    """The ranges of which the rows after the key consist: for each column that may decide, one.

    A descending nullable column has two where its value is not null: lower values, and null.
    """
    branches: list[_Branch] = []
    equal: list[Clause] = []
    null: frozenset[str] = frozenset()
    for order, slot in zip(ordering, key, strict=True):
        column = columns[order.attribute]
        if slot.is_null:
            if not order.descending:
                branches.append(_Branch(and_(*equal, column.is_not(None)), null))
            equal.append(column.is_(None))
            null |= {order.attribute}
            continue
        value = _bound(column, slot)
        decides = column < value if order.descending else column > value
        branches.append(_Branch(and_(*equal, decides), null))
        if order.descending and column.nullable:
            branches.append(_Branch(and_(*equal, column.is_(None)), null | {order.attribute}))
        equal.append(column == value)
    return branches


def _not_before(column: Column[Any], order: Order, slot: Placeholder) -> list[Clause]:
    """That a column does not stand before its place in the key; empty if that is always so."""
    if slot.is_null:
        return [column.is_(None)] if order.descending else []
    value = _bound(column, slot)
    if not order.descending:
        return [column >= value]
    return [or_(column <= value, column.is_(None)) if column.nullable else column <= value]


def _is_mixed(ordering: tuple[Order, ...]) -> bool:
    """Whether it goes up and down at once."""
    return len({order.descending for order in ordering}) > 1


def _has_nullable(columns: Columns, ordering: tuple[Order, ...]) -> bool:
    """Whether a column of the ordering may be null."""
    return any(columns[order.attribute].nullable for order in ordering)


def _sides(
    columns: Columns, ordering: tuple[Order, ...], key: Placeholders
) -> list[tuple[Column[Any], ColumnElement[Any]]]:
    return [
        (columns[order.attribute], _bound(columns[order.attribute], slot))
        for order, slot in zip(ordering, key, strict=True)
    ]


Beyond = Callable[[Columns, tuple[Order, ...], Placeholders], Clause]
# MariaDB would read the whole index up to the key to compare rows with it.
_BEYOND: Mapping[str, Beyond] = {"mariadb": _beyond_spelled_out}


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
