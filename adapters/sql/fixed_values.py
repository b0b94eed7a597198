"""Makes MariaDB read a page of the rows that have given values, and not all of these rows.

For equalities, MariaDB uses only the columns of an index that they compare. It reads all rows that
have the values, up to the page or even after it. For ranges of one value, it also uses the id,
the next column of the index. The rows must be sorted by all of these columns.
"""

from collections.abc import Iterator

from adapters.sql.query_shapes import ConditionShape, QueryShape, TestShape
from adapters.sql.searchable import Searchable
from application.search import Op

Attributes = tuple[str, ...]


def fixed_attributes(shape: QueryShape, table: Searchable) -> Attributes:
    """Returns attributes with one value each in all rows of the search, in the order of an index.

    The index must have their columns before the id, which must be the only one that sorts the rows.
    Returns no attributes for a numbered page, which counts all of these rows anyway.
    """
    if shape.numbered or not shape.is_sorted_by_id:
        return ()
    return next(iter(_indexed(shape.conditions, table)), ())


def with_ranges(shape: QueryShape, table: Searchable) -> QueryShape:
    """Returns the same search, with ranges of one value in place of such equalities."""
    in_indexes = {each for attributes in _indexed(shape.conditions, table) for each in attributes}
    return shape._replace(conditions=tuple(_as_ranges(shape.conditions, table, in_indexes)))


def _as_ranges(
    tests: tuple[TestShape, ...], table: Searchable, attributes: set[str]
) -> Iterator[TestShape]:
    for test in tests:
        if isinstance(test, ConditionShape) and _fixed_by(test, table) in attributes:
            yield test._replace(op=Op.GE)
            yield test._replace(op=Op.LE)
        else:
            yield test


def _indexed(tests: tuple[TestShape, ...], table: Searchable) -> list[Attributes]:
    """Returns the attributes with one value that precede the id in an index, for each such index.

    The index with the most columns comes first.
    """
    fixed = [attribute for test in tests if (attribute := _fixed_by(test, table))]
    attribute_of = {table.columns[attribute].name: attribute for attribute in fixed}
    found = []
    for index in table.columns["id"].table.indexes:
        names = [column.name for column in index.columns]
        leading = names[: names.index("id")] if "id" in names else []
        if leading and attribute_of.keys() >= {*leading}:
            found.append(tuple(attribute_of[name] for name in leading))
    return sorted(found, key=lambda each: (-len(each), fixed.index(each[0])))


def _fixed_by(test: TestShape, table: Searchable) -> str | None:
    """Returns the attribute if the test requires one value of its column, or None."""
    if not isinstance(test, ConditionShape) or test.op is not Op.EQ or len(test.alternatives) != 1:
        return None
    column = table.columns.get(test.attribute)
    return test.attribute if column is not None and table.column_of(test) is column else None
