"""Runs searches over any table. Each shape of a search has a statement, which is cached."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, TypeVar

from sqlalchemy import Select, func, select, true

from adapters.sql.compiled import CompiledStatement, Row
from adapters.sql.conditions import Conditions
from adapters.sql.connection import RawConnection
from adapters.sql.fixed_values import Attributes, fixed_attributes, with_ranges
from adapters.sql.pages_by_key import PagesByKey
from adapters.sql.placeholders import COUNT, OFFSET
from adapters.sql.query_shapes import (
    QueryShape,
    fit_decimals,
    parametrize,
)
from adapters.sql.searchable import Searchable
from adapters.sql.slices import order_by, order_clause, read_order, select_first, select_slice
from application.search import Numbered, Order, Page, Search, Slice, ValueCounts

T = TypeVar("T")

_MAX_STATEMENTS: Final = 256
"""The number of cached statements, one for each recent shape of a search."""


class SearchStatements:
    """The statements of the searches over a table."""

    def __init__(self, table: Searchable) -> None:
        self._table = table
        self._id = [*table.columns].index("id")
        self._decimals = table.decimals
        self._related_decimals = {
            name: decimals
            for name, each in table.related.items()
            if (decimals := each.searchable.decimals)
        }
        self._page_statement = lru_cache(_MAX_STATEMENTS)(self._make_page_statement)
        self._group_statement = lru_cache(_MAX_STATEMENTS)(self._make_group_statement)

    def page(
        self,
        connection: RawConnection,
        search: Search,
        to_entity: Callable[[Row], T],
        *,
        for_update: bool = False,
    ) -> Page[T]:
        """Reads the page of the search with one statement.

        With `for_update`, the rows are locked, and rows that no longer match are left out. This
        requires a transaction, and a slice that is sorted by id.
        """
        if self._decimals or self._related_decimals:
            search = fit_decimals(search, self._decimals, self._related_decimals)
        shape, values = parametrize(search, self._table.distinct)
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
    ) -> ValueCounts:
        """Counts the matching rows by the value of a column. See application.ports.Reader."""
        search = replace(search, ordering=(), place=Slice(limit))
        if self._decimals or self._related_decimals:
            search = fit_decimals(search, self._decimals, self._related_decimals)
        shape, values = parametrize(search)
        statement = self._group_statement(shape, connection.dialect.name, attribute)
        rows = statement.rows(connection, values)
        return ValueCounts(tuple((row[0], row[1]) for row in rows[:limit]), more=len(rows) > limit)

    def _make_group_statement(
        self, shape: QueryShape, database: str, attribute: str
    ) -> CompiledStatement:
        column, count = self._table.columns[attribute], func.count().label("entities")
        conditions = Conditions(self._table, database).all(shape.conditions)
        counted = select(column, count).where(*conditions)
        ordered = counted.group_by(column).order_by(
            count.desc(), order_clause(column, Order(attribute))
        )
        return CompiledStatement(ordered.limit(COUNT))

    def _make_page_statement(
        self, shape: QueryShape, database: str, for_update: bool
    ) -> CompiledStatement:
        fixed = fixed_attributes(shape, self._table) if database == "mariadb" else ()
        tests = with_ranges(shape, self._table) if fixed else shape
        conditions = Conditions(self._table, database).all(tests.conditions)
        matching = self._table.select().where(*conditions)
        if for_update:
            matching = matching.with_for_update()
        pages_by_key = PagesByKey(self._table, database)
        page = None
        if self._table.related and not for_update:  # the rows of a union cannot be locked
            page = pages_by_key.page(shape)
        if page is None:
            page = self._page_of_rows(matching, shape, database, fixed)
        if shape.total:
            counted = pages_by_key.pairs_to_count(shape)
            page = _with_total(matching if counted is None else counted, page, read_order(shape))
        return CompiledStatement(page)

    def _page_of_rows(
        self, matching: Select[Any], shape: QueryShape, database: str, fixed: Attributes
    ) -> Select[Any]:
        columns = self._table.columns
        if shape.numbered:
            return select_first(matching, columns, read_order(shape)).offset(OFFSET)
        is_single = self._table.matches_at_most_one(shape.conditions)
        return select_slice(matching, shape, columns, database, is_single=is_single, fixed=fixed)


def _with_total(
    matching: Select[Any], page: Select[Any], ordering: tuple[Order, ...]
) -> Select[Any]:
    """Adds the total to the front of each row of a page.

    An empty page becomes one row with the total and nulls.
    """
    counted = matching.with_only_columns(
        func.count().label("total"), maintain_column_froms=True
    ).subquery("_counted")
    rows = page.subquery("_page")
    both = select(counted.c.total, *rows.c).select_from(counted.outerjoin(rows, true()))
    return both.order_by(*order_by(rows.c, ordering))


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
