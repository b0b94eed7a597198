"""Makes MariaDB read a page of the rows that have one value, and not all of these rows.

For an equality, MariaDB uses only the first column of an index of two columns. It reads all rows
that have the value, up to the page or even after it. For a range it uses both columns, even if the
range contains only this value, and if the rows are sorted by both.
"""

from collections.abc import Iterator

from adapters.sql.query_shapes import ConditionShape, QueryShape, TestShape
from adapters.sql.searchable import Searchable
from application.search import Op


def fixed_attribute(shape: QueryShape, table: Searchable) -> str | None:
    """Returns an attribute with one value in all rows of the search, or None.

    An index must have its column before the id, which must be the only one that sorts the rows.
    Returns None for a numbered page, which counts all of these rows anyway.
    """
    if shape.numbered or not shape.is_sorted_by_id:
        return None
    fixed = (_fixed_by(each, table) for each in shape.conditions)
    return next(filter(None, fixed), None)


def with_ranges(shape: QueryShape, table: Searchable) -> QueryShape:
    """Returns the same search, with ranges of one value in place of such equalities."""
    return shape._replace(conditions=tuple(_as_ranges(shape.conditions, table)))


def _as_ranges(tests: tuple[TestShape, ...], table: Searchable) -> Iterator[TestShape]:
    for test in tests:
        if isinstance(test, ConditionShape) and _fixed_by(test, table):
            yield test._replace(op=Op.GE)
            yield test._replace(op=Op.LE)
        else:
            yield test


def _fixed_by(test: TestShape, table: Searchable) -> str | None:
    """Returns the attribute, if the test requires one value of it and an index finds the rows."""
    if not isinstance(test, ConditionShape) or test.op is not Op.EQ or len(test.alternatives) != 1:
        return None
    column = table.columns.get(test.attribute)
    if column is None or column.nullable or table.column_of(test) is not column:
        return None
    indexes = ([each.name for each in index.columns][:2] for index in column.table.indexes)
    return test.attribute if [column.name, "id"] in indexes else None
