"""Translates `application.search.Search` into SELECT statements over any table."""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
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
_HAS_TRIGRAM_INDEXES = _HAS_PREFIX_INDEXES = "postgresql"
"""The database that may have trigram indexes for substrings, and that indexes prefixes of text."""
_MAX_BRANCHES = 8
"""The number of related entities for each of which a statement has a branch of its own."""
_MAX_STATEMENTS = 256
"""The number of cached statements, one for each recent shape of a search."""


class Overridden:
    """A text in the column `usual`, unless the column `by` overrides it with a non-null value.

    A search for a substring or a prefix compares both columns, so that it can use their indexes.
    """

    def __init__(self, usual: Column[str], *, by: Column[str]) -> None:
        self.usual = usual
        self.by = by

    @property
    def expression(self) -> ColumnElement[str]:
        """The text of any row, as an SQL expression."""
        return func.coalesce(self.by, self.usual, type_=self.usual.type)

    def matches(self, condition: Callable[[ColumnElement[str]], Clause]) -> Clause:
        """Returns a clause that is true if the text satisfies the condition."""
        return or_(and_(self.by.is_(None), condition(self.usual)), condition(self.by))


class RelatedTable(NamedTuple):
    """Where the related entities of a relationship are.

    `ids` are the columns of a table of pairs: of the entity that has the relationship, and of the
    related entity. It is None if a column of the entity refers to the related entity.
    """

    searchable: "Searchable"
    ids: tuple[Column[Any], Column[Any]] | None = None


class Searchable:
    """A table that can be searched by the names of its columns. One of the columns is `id`.

    `columns` are the selected columns, in order. `keys` are columns that conditions may name but
    that are not selected. `folded` maps an attribute to the column with its folded form. `prefixes`
    maps an attribute to the indexed prefix of its folded form, if that has no maximum length.
    `unique` are the columns that have a unique constraint. Text must be collated by code point.

    Nullable columns sort null before every value. An index for that order must be defined with
    adapters.sql.columns.NullsLowest.
    """

    def __init__(
        self,
        columns: Sequence[Column[Any]],
        folded: Mapping[str, Column[Any] | Overridden],
        prefixes: Texts = MappingProxyType({}),
        keys: Columns = MappingProxyType({}),
        unique: Collection[Column[Any]] = (),
    ) -> None:
        self._select = select(*columns)
        self._related: Mapping[str, RelatedTable] = {}
        self._keys = keys
        self._columns: Columns = {column.name: column for column in columns}
        self._id = [*self._columns].index("id")
        self._folded = folded
        self._prefixes = prefixes
        self._comparable: Columns = {**self._columns, **keys}
        self._unique = frozenset(unique)
        self._decimals: Decimals = {
            name: column.type
            for name, column in self._comparable.items()
            if isinstance(column.type, FixedDecimal)
        }
        self._related_decimals: Mapping[str, Decimals] = {}
        self._page_statement = lru_cache(_MAX_STATEMENTS)(self._make_page_statement)
        self._group_statement = lru_cache(_MAX_STATEMENTS)(self._make_group_statement)

    def with_related(self, related: Mapping[str, RelatedTable]) -> "Searchable":
        """Returns the same table, with searches that follow these relationships by name."""
        if not related:
            return self
        found = copy(self)
        found._related = related
        found._related_decimals = {
            name: each.searchable._decimals
            for name, each in related.items()
            if each.searchable._decimals
        }
        found._page_statement = lru_cache(_MAX_STATEMENTS)(found._make_page_statement)
        found._group_statement = lru_cache(_MAX_STATEMENTS)(found._make_group_statement)
        return found

    def _aliased(self) -> "Searchable":
        """Returns the same table under another name, for a subquery about other entities."""
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
            prefixes={
                name: IndexedPrefix(columns[text.text.name])
                for name, text in self._prefixes.items()
                if isinstance(text, IndexedPrefix) and isinstance(text.text, Column)
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
        to_entity: Callable[[Row], T],
        *,
        for_update: bool = False,
    ) -> Page[T]:
        """Read the page of the search with one statement.

        With `for_update`, the rows are locked, and rows that no longer match are left out. This
        requires a transaction, and a slice that is sorted by id.
        """
        if self._decimals or self._related_decimals:
            search = fit_decimals(search, self._decimals, self._related_decimals)
        shape, values = parametrize(search)
        statement = self._page_statement(shape, connection.dialect.name, for_update)
        rows = statement.rows(connection, values)
        total = None
        if shape.total:
            total = rows[0][0]
            rows = [row[1:] for row in rows if row[1 + self._id] is not None]
        if isinstance(search.place, Numbered):
            return _numbered_page(rows, search.place, to_entity, total or 0)
        return _sliced_page(rows, search.place, to_entity, total)

    def count_by(
        self, connection: RawConnection, search: Search, attribute: str, limit: int
    ) -> Groups:
        """Count the matching rows by the value of a column. See application.ports.Reader."""
        search = replace(search, ordering=(), place=Slice(limit))
        if self._decimals or self._related_decimals:
            search = fit_decimals(search, self._decimals, self._related_decimals)
        shape, values = parametrize(search)
        statement = self._group_statement(shape, connection.dialect.name, attribute)
        rows = statement.rows(connection, values)
        return Groups(tuple((row[0], row[1]) for row in rows[:limit]), more=len(rows) > limit)

    def _make_group_statement(
        self, shape: QueryShape, database: str, attribute: str
    ) -> CompiledStatement:
        column, count = self._columns[attribute], func.count().label("entities")
        counted = select(column, count).where(
            *(self._clause(test, database) for test in shape.conditions)
        )
        ordered = counted.group_by(column).order_by(
            count.desc(), _order_clause(column, Order(attribute))
        )
        return CompiledStatement(ordered.limit(_COUNT))

    def _make_page_statement(
        self, shape: QueryShape, database: str, for_update: bool
    ) -> CompiledStatement:
        shape = _flattened(shape)
        matching = self._select.where(*(self._clause(each, database) for each in shape.conditions))
        if for_update:
            matching = matching.with_for_update()
        page = None
        if self._related and not for_update:  # the rows of a union cannot be locked
            page = self._page_by_key(shape, database)
        if page is None:
            page = self._page_of_rows(matching, shape, database)
        if shape.total:
            counted = self._pairs_to_count(shape, database)
            page = self._with_total(
                matching if counted is None else counted, page, _read_order(shape)
            )
        return CompiledStatement(page)

    def _page_of_rows(self, matching: Select[Any], shape: QueryShape, database: str) -> Select[Any]:
        if shape.numbered:
            return self._first(matching, shape.ordering).offset(_OFFSET)
        return self._slice(matching, shape, _AFTER_KEY.get(database, _after_key))

    def _page_by_key(self, shape: QueryShape, database: str) -> Select[Any] | None:
        """Selects a page whose keys are read first, by indexes that the database would not use.

        Returns None for a search that the database plans well.
        """
        if any(map(self._matches_at_most_one, shape.conditions)):
            return None
        if self._pairs_of_one(shape) is not None:
            return self._page_of_pairs(shape, database)
        if shape.numbered or not (found := self._alternatives(shape)):
            return None
        branches = [select(self._page_of_keys(each, database).subquery()) for each in found]
        direction = _read_order(shape)
        keys = union(*branches).subquery("found")
        first = select(keys).order_by(*_order_by(keys.c, direction)).limit(_COUNT)
        return self._with_keys(first, direction)

    def _with_keys(self, keys: Select[Any], direction: tuple[Order, ...]) -> Select[Any]:
        """Selects the rows that have the ids in the keys, in the order of the keys."""
        first = keys.subquery("first")
        joined = first.join(self._id_column.table, self._id_column == first.c.id)
        return self._select.select_from(joined).order_by(*_order_by(first.c, direction))

    def _page_of_keys(self, shape: QueryShape, database: str) -> Select[Any]:
        """Selects only the columns by which a page is sorted, including the ids."""
        if self._pairs_of_one(shape) is not None:
            return self._page_of_pairs(shape, database, keys_only=True)
        keys = select(*(self._columns[order.attribute] for order in shape.ordering))
        matching = keys.where(*(self._clause(each, database) for each in shape.conditions))
        return self._slice(matching, shape, _AFTER_KEY.get(database, _after_key))

    def _pairs_of_one(self, shape: QueryShape) -> RelatedShape | None:
        """Returns the first test for one related entity, if the list is sorted by id only.

        The pairs of that entity are then in the order of the list.
        """
        if len(shape.ordering) > 1 or any(map(self._matches_at_most_one, shape.conditions)):
            return None
        tests = (each for each in shape.conditions if isinstance(each, RelatedShape))
        return next(filter(self._has_one_related, tests), None)

    def _has_one_related(self, test: RelatedShape) -> bool:
        related = self._related[test.relationship]
        return related.ids is not None and any(
            map(related.searchable._matches_at_most_one, test.tests)
        )

    def _page_of_pairs(
        self, shape: QueryShape, database: str, *, keys_only: bool = False
    ) -> Select[Any]:
        """Selects a page of the entities that are related to one, in the order of its pairs."""
        test = self._pairs_of_one(shape)
        assert test is not None
        keys, entity_id = self._pairs(test, database)
        columns, direction = {"id": entity_id}, _read_order(shape)
        after_key = _AFTER_KEY.get(database, _after_key)
        others = [self._clause(each, database) for each in shape.conditions if each is not test]
        if others:
            joined = entity_id.table.join(self._id_column.table, self._id_column == entity_id)
            # The other column has the same bounds, for plans that start there.
            ends = [
                after_key(self._columns, order, key)
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
            page = self._slice(keys, shape, after_key, columns)
        return page if others or keys_only else self._with_keys(page, direction)

    def _pairs(self, test: RelatedShape, database: str) -> tuple[Select[Any], Column[Any]]:
        """Selects the ids of the entities with the related entities of a test.

        The second value is the column of the ids.
        """
        related = self._related[test.relationship]
        assert related.ids is not None
        entity_id, related_id = _aliases(related.ids)
        matching = _matching_ids(related_id, test.tests, related.searchable, database)
        return select(entity_id.label("id")).where(*matching), entity_id

    def _pairs_to_count(self, shape: QueryShape, database: str) -> Select[Any] | None:
        """Selects pairs whose number is the number of entities that the search finds."""
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
        """Returns one test for each of a few related entities, if the test accepts any of them."""
        if len(test.tests) != 1 or not _are_ids(test.tests):
            return ()
        (ids,) = test.tests
        assert isinstance(ids, ConditionShape)
        if self._related[test.relationship].ids is None or len(ids.alternatives) > _MAX_BRANCHES:
            return ()
        return tuple(
            (test._replace(tests=(ids._replace(op=Op.EQ, alternatives=(each,)),)),)
            for each in ids.alternatives
        )

    def _clause(self, test: TestShape, database: str, *, alone: bool = True) -> Clause:
        """Returns the condition that the test holds. It may be unknown instead of false for null.

        `alone`: no other test can hold instead, so that rows may be found by the related entities.
        """
        match test:
            case ConditionShape():
                return self._condition_clause(test, database)
            case WordsShape():
                return and_(
                    *(
                        or_(*(self._condition_clause(each, database) for each in word))
                        for word in test.words
                    )
                )
            case NullShape():
                return self._comparable[test.attribute].is_(None)
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
        return and_(true(), *(self._clause(each, database, alone=False) for each in tests))

    def _fails(self, test: TestShape, database: str) -> Clause:
        """Returns the condition that the test does not hold, which includes an unknown result."""
        held = self._clause(test, database, alone=False)
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
        column = self._comparable[test.relationship]
        related = self._related[test.relationship].searchable
        if not test.tests:
            return column.is_not(None)
        if alone or _are_ids(test.tests):
            return and_(*_matching_ids(column, test.tests, related, database))
        others = related._aliased()
        held = (others._clause(each, database, alone=False) for each in test.tests)
        return select(others._id_column).where(others._id_column == column, *held).exists()

    def _condition_clause(self, condition: ConditionShape, database: str) -> Clause:
        text = self._folded[condition.attribute] if condition.folded else None
        is_indexed = condition.op is Op.STARTS_WITH or (
            condition.op is Op.CONTAINS and database == _HAS_TRIGRAM_INDEXES
        )
        if isinstance(text, Overridden) and is_indexed:
            return text.matches(lambda column: _any_alternative(column, condition))
        column = self._column_of(condition)
        clause = _any_alternative(column, condition)
        if condition.op is Op.NE and condition.alternatives and self._is_nullable(condition):
            clause = or_(clause, column.is_(None))
        prefix = self._prefixes.get(condition.attribute) if condition.folded else None
        is_exact = condition.op in (Op.EQ, Op.IN)
        if prefix is None or database != _HAS_PREFIX_INDEXES or not is_exact:
            return clause
        # The index contains only prefixes. PostgreSQL uses it only if the statement compares them.
        return and_(_any_prefix(prefix, condition), clause)

    def _column_of(self, condition: ConditionShape) -> ColumnElement[Any]:
        if not condition.folded:
            return self._comparable[condition.attribute]
        text = self._folded[condition.attribute]
        if (
            condition.op is Op.STARTS_WITH
            and condition.indexed
            and condition.attribute in self._prefixes
        ):
            return self._prefixes[condition.attribute]
        return text.expression if isinstance(text, Overridden) else text

    def _is_nullable(self, condition: ConditionShape) -> bool:
        column = (self._folded if condition.folded else self._comparable)[condition.attribute]
        return bool((column.usual if isinstance(column, Overridden) else column).nullable)

    def _matches_at_most_one(self, test: TestShape) -> bool:
        """At most."""
        if not isinstance(test, ConditionShape):
            return False
        is_one_value = test.op is Op.EQ and len(test.alternatives) == 1
        return is_one_value and self._column_of(test) in self._unique

    def _slice(
        self,
        matching: Select[Any],
        shape: QueryShape,
        after_key: "AfterKey",
        columns: Columns | None = None,
    ) -> Select[Any]:
        """Selects the slice of the rows. `columns` sort them instead of the table's columns."""
        columns = columns or self._columns
        if shape.after is not None and shape.before is not None:
            matching = matching.where(after_key(columns, _reversed(shape.ordering), shape.before))
        direction = _read_order(shape)
        start = shape.before if shape.after is None else shape.after
        if start is None:
            # A single row needs no order. PostgreSQL plans a statement faster without ORDER BY.
            is_single = any(map(self._matches_at_most_one, shape.conditions))
            return matching if is_single else self._first(matching, direction, columns)
        if (
            _is_mixed(direction)
            or _has_nullable(columns, direction)
            or (len(direction) > 1 and matching.whereclause is not None)
        ):
            return self._first_of_branches(matching, direction, start)
        return self._first(matching.where(after_key(columns, direction, start)), direction, columns)

    def _first(
        self,
        matching: Select[Any],
        direction: tuple[Order, ...],
        columns: Columns | None = None,
    ) -> Select[Any]:
        return matching.order_by(*_order_by(columns or self._columns, direction)).limit(_COUNT)

    def _first_of_branches(
        self, matching: Select[Any], ordering: tuple[Order, ...], start: Placeholders
    ) -> Select[Any]:
        """Select the first rows after the key from several ranges, each in the order of an index.

        A single condition has these disadvantages:

        - With a mixed ordering it is not a range, so that the database reads and skips all rows
          whose first column equals the key's.
        - PostgreSQL estimates a row comparison by its first column only, and then chooses wrong
          indexes for the other conditions.
        - A row comparison matches no row in which a compared column is null.
        """
        branches = [
            self._first(matching.where(branch.clause), branch.sorted_by(ordering)).subquery()
            for branch in _keyset_branches(self._columns, ordering, start)
        ]
        joined = union_all(*map(select, branches)).subquery("joined")
        return select(joined).order_by(*_order_by(joined.c, ordering)).limit(_COUNT)

    def _with_total(
        self, matching: Select[Any], page: Select[Any], ordering: tuple[Order, ...]
    ) -> Select[Any]:
        """Add the total to the front of each row of a page.

        An empty page becomes one row with the total and nulls.
        """
        counted = matching.with_only_columns(
            func.count().label("total"), maintain_column_froms=True
        ).subquery("counted")
        rows = page.subquery("page")
        both = select(counted.c.total, *rows.c).select_from(counted.outerjoin(rows, true()))
        return both.order_by(*_order_by(rows.c, ordering))


def _numbered_page(
    rows: Sequence[Row], place: Numbered, to_entity: Callable[[Row], T], total: int
) -> Page[T]:
    return Page(tuple(map(to_entity, rows)), more=total > place.offset + place.size, total=total)


def _sliced_page(
    rows: Sequence[Row], place: Slice, to_entity: Callable[[Row], T], total: int | None
) -> Page[T]:
    items = list(map(to_entity, rows[: place.size]))
    if place.backward:
        items.reverse()
    return Page(tuple(items), more=len(rows) > place.size, total=total)


def _flattened(shape: QueryShape) -> QueryShape:
    """Returns the same search, with each single alternative as ordinary tests."""
    conditions: list[TestShape] = []
    for each in shape.conditions:
        if isinstance(each, AnyOfShape) and len(each.alternatives) == 1:
            conditions += each.alternatives[0]
        else:
            conditions.append(each)
    return shape._replace(conditions=tuple(conditions))


def _has_index(test: TestShape) -> bool:
    """Returns True if an index may find the rows for which the test holds."""
    if isinstance(test, ConditionShape):
        return test.op not in (Op.NE, Op.CONTAINS)
    return isinstance(test, RelatedShape | NullShape)


def _aliases(columns: tuple[Column[Any], Column[Any]]) -> tuple[Column[Any], Column[Any]]:
    """Columns of one table under another name, for a part of a statement."""
    others = columns[0].table.alias().c
    return others[columns[0].name], others[columns[1].name]


def _are_ids(tests: tuple[TestShape, ...]) -> bool:
    """Returns True if all tests compare the id, so that a reference can be compared instead."""
    return all(
        isinstance(each, ConditionShape) and each.attribute == "id" and each.op in (Op.EQ, Op.IN)
        for each in tests
    )


def _matching_ids(
    column: Column[Any], tests: tuple[TestShape, ...], related: Searchable, database: str
) -> list[Clause]:
    """That a reference is one to an entity that passes all tests."""
    if _are_ids(tests):
        return [
            _any_alternative(column, each) for each in tests if isinstance(each, ConditionShape)
        ]
    others = related._aliased()
    held = [others._clause(each, database) for each in tests]
    ids = select(others._id_column).where(*held)
    if any(map(others._matches_at_most_one, tests)):
        return [column == ids.scalar_subquery()]
    return [column.in_(ids)]


def _any_alternative(column: ColumnElement[Any], condition: ConditionShape) -> Clause:
    if condition.op in (Op.EQ, Op.IN) and condition.alternatives:
        return column.in_([_parameter(column, value) for (value,) in condition.alternatives])
    clauses = (_compare(column, condition.op, values) for values in condition.alternatives)
    return or_(false(), *clauses)


def _any_prefix(prefix: ColumnElement[str], condition: ConditionShape) -> Clause:
    if not condition.alternatives:
        return false()
    return prefix.in_(
        [IndexedPrefix(_parameter(prefix, value)) for (value,) in condition.alternatives]
    )


def _compare(column: ColumnElement[Any], op: Op, placeholders: Placeholders) -> Clause:
    values = [_parameter(column, placeholder) for placeholder in placeholders]
    if op is Op.CONTAINS:
        return _Contains(column, *values)
    if op is Op.STARTS_WITH:  # as a range, which can use an index
        return and_(
            *(compare(column, value) for compare, value in zip((ge, lt), values, strict=False))
        )
    return _COMPARISONS[op](column, *values)


def _parameter(column: ColumnElement[Any], placeholder: Placeholder) -> ColumnElement[Any]:
    return bindparam(placeholder.name, type_=Float() if placeholder.out_of_range else column.type)


def _read_order(shape: QueryShape) -> tuple[Order, ...]:
    """The order in which the rows are read, which is reversed for a slice before a key."""
    backward = shape.before is not None and shape.after is None
    return _reversed(shape.ordering) if backward else shape.ordering


def _reversed(ordering: tuple[Order, ...]) -> tuple[Order, ...]:
    return tuple(Order(order.attribute, not order.descending) for order in ordering)


def _order_by(columns: Any, ordering: tuple[Order, ...]) -> list[ColumnElement[Any]]:
    return [_order_clause(columns[order.attribute], order) for order in ordering]


def _order_clause(column: Column[Any], order: Order) -> ColumnElement[Any]:
    if column.nullable:
        return NullsLowest(column, descending=order.descending)
    return column.desc() if order.descending else column.asc()


def _after_key(columns: Columns, ordering: tuple[Order, ...], key: Placeholders) -> Clause:
    """Returns a clause that matches the rows after the key."""
    if _is_mixed(ordering) or _has_nullable(columns, ordering):
        return _after_key_by_column(columns, ordering, key)
    names = [order.attribute for order in ordering]
    row = tuple_(*(columns[name] for name in names))
    values = (_parameter(columns[name], value) for name, value in zip(names, key, strict=True))
    key_row = tuple_(*values)
    return row < key_row if ordering[0].descending else row > key_row


def _after_key_by_column(
    columns: Columns, ordering: tuple[Order, ...], key: Placeholders
) -> Clause:
    """Returns the clause of `_after_key` without a row comparison.

    A row comparison cannot express a mixed ordering. The bound of the first column is redundant:
    it allows the database to use that column's index.
    """
    bound = _not_before(columns[ordering[0].attribute], ordering[0], key[0])
    branches = _keyset_branches(columns, ordering, key)
    return and_(*bound, or_(*(branch.clause for branch in branches)))


class _Branch(NamedTuple):
    """A range of rows, and the columns that are null in all of them."""

    clause: Clause
    null: frozenset[str]

    def sorted_by(self, ordering: tuple[Order, ...]) -> tuple[Order, ...]:
        """The ordering without the columns that are null, so that more indexes provide it."""
        return tuple(order for order in ordering if order.attribute not in self.null)


def _keyset_branches(
    columns: Columns, ordering: tuple[Order, ...], key: Placeholders
) -> list[_Branch]:
    """Split the rows after the key into ranges, one for each first column that may differ.

    A descending nullable column whose value in the key is not null has two: lower values and null.
    """
    branches: list[_Branch] = []
    equal: list[Clause] = []
    null: frozenset[str] = frozenset()
    for order, placeholder in zip(ordering, key, strict=True):
        column = columns[order.attribute]
        if placeholder.is_null:
            if not order.descending:
                branches.append(_Branch(and_(*equal, column.is_not(None)), null))
            equal.append(column.is_(None))
            null |= {order.attribute}
            continue
        value = _parameter(column, placeholder)
        is_after = column < value if order.descending else column > value
        branches.append(_Branch(and_(*equal, is_after), null))
        if order.descending and column.nullable:
            branches.append(_Branch(and_(*equal, column.is_(None)), null | {order.attribute}))
        equal.append(column == value)
    return branches


def _not_before(column: Column[Any], order: Order, placeholder: Placeholder) -> list[Clause]:
    """Returns a clause that excludes values before the key's, or no clause if it would be true."""
    if placeholder.is_null:
        return [column.is_(None)] if order.descending else []
    value = _parameter(column, placeholder)
    if not order.descending:
        return [column >= value]
    return [or_(column <= value, column.is_(None)) if column.nullable else column <= value]


def _is_mixed(ordering: tuple[Order, ...]) -> bool:
    """Returns True if the ordering has both ascending and descending columns."""
    return len({order.descending for order in ordering}) > 1


def _has_nullable(columns: Columns, ordering: tuple[Order, ...]) -> bool:
    """Returns True if a column of the ordering may be null."""
    return any(columns[order.attribute].nullable for order in ordering)


AfterKey = Callable[[Columns, tuple[Order, ...], Placeholders], Clause]
# For a row comparison, MariaDB would read the whole index up to the key.
_AFTER_KEY: Mapping[str, AfterKey] = {"mariadb": _after_key_by_column}


class _Contains(GenericFunction[Any]):
    """True if a text contains a substring. The arguments are both, and a LIKE pattern for it."""

    # For Boolean, SQLAlchemy would append "= 1". MariaDB would then merge the conditions of two
    # words that are equal in the connection's collation, such as "a" and "ä".
    type = Integer()
    inherit_cache = True


@compiles(_Contains)
def _contains(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    """Compile to `instr`, because LIKE ignores the case of ASCII letters on SQLite."""
    text, substring, _ = element.clauses
    return compiler.process(func.instr(text, substring) > 0, **options)


@compiles(_Contains, "postgresql")
def _contains_in_postgresql(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    """Compile to LIKE, which can use a trigram index."""
    text, _, pattern = element.clauses
    return compiler.process(text.like(pattern), **options)
