"""Selects the part of a list that begins or ends at the key of a row, in the order of an index."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Select, and_, not_, or_, select, tuple_, union_all

from adapters.sql.columns import NullsLowest
from adapters.sql.placeholders import COUNT, Placeholder, Placeholders, parameter
from adapters.sql.query_shapes import QueryShape
from application.search import Order

Columns = Mapping[str, Column[Any]]
Clause = ColumnElement[bool]


def select_slice(
    matching: Select[Any],
    shape: QueryShape,
    columns: Columns,
    database: str,
    *,
    is_single: bool = False,
    fixed: tuple[str, ...] = (),
) -> Select[Any]:
    """Selects the slice of the rows, which are sorted by these columns.

    `is_single`: at most one row matches. `fixed` are attributes with one value each in all matching
    rows, which are sorted by their id.
    """
    if shape.after is not None and shape.before is not None:
        backward = reversed_order(shape.ordering)
        before = after_key(columns, backward, shape.before, database, distinct=shape.distinct)
        matching = matching.where(before)
    direction = read_order(shape)
    order = (*(Order(each, direction[0].descending) for each in fixed), *direction)
    start = shape.before if shape.after is None else shape.after
    if start is None:
        # A single row needs no order. PostgreSQL plans a statement faster without ORDER BY.
        return matching if is_single else select_first(matching, columns, order)
    is_range = database != "sqlite" and not _is_mixed(direction) and matching.whereclause is None
    if _has_nullable(columns, direction) or (len(direction) > 1 and not is_range):
        return _first_of_branches(matching, columns, shape, start, database)
    following = after_key(columns, _key_order(shape), start, database, distinct=shape.distinct)
    return select_first(matching.where(following), columns, order)


def select_first(
    matching: Select[Any], columns: Columns, ordering: tuple[Order, ...]
) -> Select[Any]:
    """Selects the first rows. Their number is a parameter."""
    return matching.order_by(*order_by(columns, ordering)).limit(COUNT)


def _first_of_branches(
    matching: Select[Any],
    columns: Columns,
    shape: QueryShape,
    start: Placeholders,
    database: str,
) -> Select[Any]:
    """Selects the first rows after the key from several ranges, each in the order of an index.

    A single condition has these disadvantages:

    - With a mixed ordering it is not a range, so that the database reads and skips all rows
      whose first column equals the key's.
    - PostgreSQL estimates a row comparison by its first column only, and then chooses wrong
      indexes for the other conditions.
    - SQLite uses only the first column of a row comparison if the second one is the rowid.
    - A row comparison matches no row in which a compared column is null.

    For MariaDB, a branch compares a column with one value by a range. For an equality, MariaDB uses
    an index for this column only, and sorts all rows that have the value.
    """
    ordering, key_order = read_order(shape), _key_order(shape)
    ranges = _keyset_branches(
        columns, key_order, start, distinct=shape.distinct, as_range=database == "mariadb"
    )
    branches = [
        select_first(matching.where(branch.clause), columns, branch.sorted_by(ordering)).subquery(
            f"_range{number}"
        )
        for number, branch in enumerate(ranges)
    ]
    joined = union_all(*map(select, branches)).subquery("_joined")
    return select(joined).order_by(*order_by(joined.c, ordering)).limit(COUNT)


def read_order(shape: QueryShape) -> tuple[Order, ...]:
    """The order in which the rows are read, without an id that does not affect it."""
    return _key_order(shape)[:-1] if shape.distinct else _key_order(shape)


def _key_order(shape: QueryShape) -> tuple[Order, ...]:
    """The order of the keys, which is reversed for a slice before a key."""
    backward = shape.before is not None and shape.after is None
    return reversed_order(shape.ordering) if backward else shape.ordering


def reversed_order(ordering: tuple[Order, ...]) -> tuple[Order, ...]:
    """The same orders, each in the opposite direction."""
    return tuple(Order(order.attribute, not order.descending) for order in ordering)


def order_by(columns: Any, ordering: tuple[Order, ...]) -> list[ColumnElement[Any]]:
    """The expressions of ORDER BY."""
    return [order_clause(columns[order.attribute], order) for order in ordering]


def order_clause(column: Column[Any], order: Order) -> ColumnElement[Any]:
    """The expression of ORDER BY for one column. Null sorts before every value."""
    if column.nullable:
        return NullsLowest(column, descending=order.descending)
    return column.desc() if order.descending else column.asc()


def after_key(
    columns: Columns,
    ordering: tuple[Order, ...],
    key: Placeholders,
    database: str,
    *,
    distinct: bool = False,
) -> Clause:
    """Returns a clause that matches the rows after the key.

    `distinct`: the attribute before the id has different values in all rows.
    """
    # For a row comparison, MariaDB would read the whole index up to the key.
    by_column = database == "mariadb" or distinct
    if by_column or _is_mixed(ordering) or _has_nullable(columns, ordering):
        return _after_key_by_column(columns, ordering, key, distinct)
    names = [order.attribute for order in ordering]
    row = tuple_(*(columns[name] for name in names))
    values = (parameter(columns[name], value) for name, value in zip(names, key, strict=True))
    key_row = tuple_(*values)
    return row < key_row if ordering[0].descending else row > key_row


def _after_key_by_column(
    columns: Columns, ordering: tuple[Order, ...], key: Placeholders, distinct: bool
) -> Clause:
    """Returns the clause of `after_key` without a row comparison.

    A row comparison cannot express a mixed ordering. The bound of the first column is redundant:
    it allows the database to use that column's index.
    """
    branches = _keyset_branches(columns, ordering, key, distinct=distinct)
    if len(branches) == 1:
        return branches[0].clause
    bound = _not_before(columns[ordering[0].attribute], ordering[0], key[0])
    return and_(*bound, or_(*(branch.clause for branch in branches)))


class _Branch(NamedTuple):
    """A range of rows, and the columns that are null in all of them."""

    clause: Clause
    null: frozenset[str]

    def sorted_by(self, ordering: tuple[Order, ...]) -> tuple[Order, ...]:
        """The ordering without the columns that are null, so that more indexes provide it."""
        return tuple(order for order in ordering if order.attribute not in self.null)


def _keyset_branches(
    columns: Columns,
    ordering: tuple[Order, ...],
    key: Placeholders,
    *,
    distinct: bool = False,
    as_range: bool = False,
) -> list[_Branch]:
    """Splits the rows after the key into ranges, one for each first column that may differ.

    A descending nullable column whose value in the key is not null has two: lower values and null.
    `distinct`: the column before the id has different values in all rows, so both have one range.
    """
    branches: list[_Branch] = []
    equal: list[Clause] = []
    null: frozenset[str] = frozenset()
    for position, (order, placeholder) in enumerate(zip(ordering, key, strict=True)):
        column = columns[order.attribute]
        if distinct and position == len(ordering) - 2:
            rest = _after_distinct(columns, ordering[position:], key[position:])
            branches.append(_Branch(and_(*equal, rest), null))
            break
        if placeholder.is_null:
            if not order.descending:
                branches.append(_Branch(and_(*equal, column.is_not(None)), null))
            equal.append(column.is_(None))
            null |= {order.attribute}
            continue
        value = parameter(column, placeholder)
        is_after = column < value if order.descending else column > value
        branches.append(_Branch(and_(*equal, is_after), null))
        if order.descending and column.nullable:
            branches.append(_Branch(and_(*equal, column.is_(None)), null | {order.attribute}))
        equal.append(and_(column >= value, column <= value) if as_range else column == value)
    return branches


def _after_distinct(columns: Columns, ordering: tuple[Order, ...], key: Placeholders) -> Clause:
    """Returns a clause that matches the rows after the key of a distinct value and an id.

    It has no OR, for which databases consider several indexes.
    """
    (order, id_order), (value, key_id) = ordering, key
    column, id_column = columns[order.attribute], columns[id_order.attribute]
    bound = parameter(id_column, key_id)
    is_not_after = id_column >= bound if id_order.descending else id_column <= bound
    is_equal = column == parameter(column, value)
    return and_(*_not_before(column, order, value), not_(and_(is_equal, is_not_after)))


def _not_before(column: Column[Any], order: Order, placeholder: Placeholder) -> list[Clause]:
    """Returns a clause that excludes values before the key's, or no clause if it would be true."""
    if placeholder.is_null:
        return [column.is_(None)] if order.descending else []
    value = parameter(column, placeholder)
    if not order.descending:
        return [column >= value]
    return [or_(column <= value, column.is_(None)) if column.nullable else column <= value]


def _is_mixed(ordering: tuple[Order, ...]) -> bool:
    """Returns True if the ordering has both ascending and descending columns."""
    return len({order.descending for order in ordering}) > 1


def _has_nullable(columns: Columns, ordering: tuple[Order, ...]) -> bool:
    """Returns True if a column of the ordering may be null."""
    return any(columns[order.attribute].nullable for order in ordering)
