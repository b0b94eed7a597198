"""Translates the tests of a search into conditions of SQL."""

from collections.abc import Callable, Iterable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, and_, false, not_, or_, select, true

from adapters.sql.columns import IndexedPrefix
from adapters.sql.placeholders import Placeholders, parameter
from adapters.sql.query_shapes import (
    AnyOfShape,
    ConditionShape,
    NotShape,
    NullShape,
    RelatedShape,
    TestShape,
    WordsShape,
)
from adapters.sql.searchable import Overridden, Searchable
from adapters.sql.substrings import HasSubstring
from application.search import Op

Clause = ColumnElement[bool]

_COMPARISONS: Final[Mapping[Op, Callable[[Any, Any], Clause]]] = {
    Op.EQ: eq,
    Op.NE: ne,
    Op.LT: lt,
    Op.LE: le,
    Op.GT: gt,
    Op.GE: ge,
}
_WITH_TRIGRAM_INDEXES: Final = "postgresql"
"""The database that may have trigram indexes, which find substrings."""
_WITH_PREFIX_INDEXES: Final = "postgresql"
"""The database whose indexes of long texts contain only prefixes."""


class Conditions:
    """The conditions on the rows of a table, in the SQL of one database.

    `depth` is the number of subqueries that contain the conditions. It is part of the names of
    tables in their own subqueries.
    """

    def __init__(self, table: Searchable, database: str, depth: int = 0) -> None:
        self._table = table
        self._database = database
        self._depth = depth

    def all(self, tests: Iterable[TestShape]) -> list[Clause]:
        """Returns the conditions that together select the rows for which all tests hold."""
        return [self._clause(each) for each in tests]

    def pairs(self, test: RelatedShape) -> tuple[Select[Any], Column[Any]]:
        """Selects the ids of the entities with the related entities of a test.

        The second value is the column of the ids. The relationship must be one of pairs.
        """
        related = self._table.related[test.relationship]
        assert related.ids is not None
        entity_id, related_id = self._aliases(related.ids)
        matching = self._matching_ids(related_id, test.tests, related.searchable)
        return select(entity_id.label("id")).where(*matching), entity_id

    def _clause(self, test: TestShape, *, required: bool = True) -> Clause:
        """Returns the condition that the test holds. It may be unknown instead of false for null.

        `required`: the test holds for every row of the result, so that rows may be found by the
        related entities. The tests of a negation or of an alternative are not required.
        """
        match test:
            case ConditionShape():
                return self._compares(test)
            case WordsShape():
                return and_(*(or_(*map(self._compares, word)) for word in test.words))
            case NullShape():
                return self._table.comparable[test.attribute].is_(None)
            case RelatedShape():
                return self._is_related(test, required=required)
            case NotShape():
                return self._fails(test.test)
            case AnyOfShape():
                return or_(false(), *map(self._all_hold, test.alternatives))

    def _all_hold(self, tests: tuple[TestShape, ...]) -> Clause:
        return and_(true(), *(self._clause(each, required=False) for each in tests))

    def _fails(self, test: TestShape) -> Clause:
        """Returns the condition that the test does not hold, which includes an unknown result."""
        held = self._clause(test, required=False)
        is_known = isinstance(test, NullShape) or (
            isinstance(test, RelatedShape)
            and self._table.related[test.relationship].ids is not None
        )
        return not_(held) if is_known else held.is_not(true())

    def _is_related(self, test: RelatedShape, *, required: bool) -> Clause:
        related = self._table.related[test.relationship]
        if related.ids is None:
            return self._refers(test, required=required)
        source, target = self._aliases(related.ids)
        matching = self._matching_ids(target, test.tests, related.searchable)
        entity_id = self._table.id_column
        if required:
            return entity_id.in_(select(source).where(*matching))
        return select(source).where(source == entity_id, *matching).exists()

    def _refers(self, test: RelatedShape, *, required: bool) -> Clause:
        column = self._table.comparable[test.relationship]
        related = self._table.related[test.relationship].searchable
        if not test.tests:
            return column.is_not(None)
        if required or are_ids(test.tests):
            return and_(*self._matching_ids(column, test.tests, related))
        others, on_others = self._others(related)
        held = (on_others._clause(each, required=False) for each in test.tests)
        return select(others.id_column).where(others.id_column == column, *held).exists()

    def _matching_ids(
        self, column: Column[Any], tests: tuple[TestShape, ...], related: Searchable
    ) -> list[Clause]:
        """Returns the conditions that a column refers to an entity that passes all tests."""
        if are_ids(tests):
            return [
                _any_alternative(column, each) for each in tests if isinstance(each, ConditionShape)
            ]
        others, on_others = self._others(related)
        ids = select(others.id_column).where(*on_others.all(tests))
        if others.matches_at_most_one(tests):
            return [column == ids.scalar_subquery()]
        return [column.in_(ids)]

    def _others(self, related: Searchable) -> "tuple[Searchable, Conditions]":
        """Returns the related entities under another name, and the conditions on them."""
        others = related.aliased(f"_entities{self._depth}")
        return others, Conditions(others, self._database, self._depth + 1)

    def _aliases(self, columns: tuple[Column[Any], Column[Any]]) -> tuple[Column[Any], Column[Any]]:
        """Returns columns of a table of pairs under another name, for a part of a statement."""
        others = columns[0].table.alias(f"_pairs{self._depth}").c
        return others[columns[0].name], others[columns[1].name]

    def _compares(self, condition: ConditionShape) -> Clause:
        table = self._table
        text = table.folded[condition.attribute] if condition.folded else None
        is_indexed = condition.op is Op.STARTS_WITH or (
            condition.op is Op.CONTAINS and self._database == _WITH_TRIGRAM_INDEXES
        )
        if isinstance(text, Overridden) and is_indexed:
            return text.matches(lambda column: _any_alternative(column, condition))
        column = table.column_of(condition)
        clause = _any_alternative(column, condition)
        if condition.op is Op.NE and condition.alternatives and table.is_nullable(condition):
            clause = or_(clause, column.is_(None))
        prefix = table.prefixes.get(condition.attribute) if condition.folded else None
        is_exact = condition.op in (Op.EQ, Op.IN)
        if prefix is None or self._database != _WITH_PREFIX_INDEXES or not is_exact:
            return clause
        # The index contains only prefixes. PostgreSQL uses it only if the statement compares them.
        return and_(_any_prefix(prefix, condition), clause)


def has_index(test: TestShape) -> bool:
    """Returns True if an index may find the rows for which the test holds."""
    if isinstance(test, ConditionShape):
        return test.op not in (Op.NE, Op.CONTAINS)
    return isinstance(test, RelatedShape | NullShape)


def are_ids(tests: tuple[TestShape, ...]) -> bool:
    """Returns True if all tests compare the id, so that a reference can be compared instead."""
    return all(
        isinstance(each, ConditionShape) and each.attribute == "id" and each.op in (Op.EQ, Op.IN)
        for each in tests
    )


def _any_alternative(column: ColumnElement[Any], condition: ConditionShape) -> Clause:
    if condition.op in (Op.EQ, Op.IN) and condition.alternatives:
        return column.in_([parameter(column, value) for (value,) in condition.alternatives])
    clauses = (_compare(column, condition.op, values) for values in condition.alternatives)
    return or_(false(), *clauses)


def _any_prefix(prefix: ColumnElement[str], condition: ConditionShape) -> Clause:
    if not condition.alternatives:
        return false()
    return prefix.in_(
        [IndexedPrefix(parameter(prefix, value)) for (value,) in condition.alternatives]
    )


def _compare(column: ColumnElement[Any], op: Op, placeholders: Placeholders) -> Clause:
    values = [parameter(column, placeholder) for placeholder in placeholders]
    if op is Op.CONTAINS:
        return HasSubstring(column, *values)
    if op is Op.STARTS_WITH:  # as a range, which can use an index
        return and_(
            *(compare(column, value) for compare, value in zip((ge, lt), values, strict=False))
        )
    return _COMPARISONS[op](column, *values)
