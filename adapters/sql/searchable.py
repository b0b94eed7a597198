"""Describes how a table can be searched: its columns, their indexes, and its relationships."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, ColumnElement, Select, and_, func, or_, select

from adapters.sql.columns import FixedDecimal, IndexedPrefix
from adapters.sql.query_shapes import ConditionShape, Decimals, TestShape
from application.search import Op

Columns = Mapping[str, Column[Any]]
Texts = Mapping[str, ColumnElement[str]]
Clause = ColumnElement[bool]


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
        self.columns: Final[Columns] = {column.name: column for column in columns}
        self.comparable: Final[Columns] = {**self.columns, **keys}
        """The columns that conditions may name."""
        self.folded: Final = folded
        self.prefixes: Final = prefixes
        self.related: Mapping[str, RelatedTable] = {}
        self._keys = keys
        self._unique = frozenset(unique)
        self.distinct: Final = frozenset(filter(self._is_distinct, self.columns))
        """The attributes whose values are different in all rows."""

    def with_related(self, related: Mapping[str, RelatedTable]) -> "Searchable":
        """Returns the same table, with searches that follow these relationships by name."""
        if not related:
            return self
        copied = copy(self)
        copied.related = related
        return copied

    def aliased(self, name: str) -> "Searchable":
        """Returns the same table under another name, for a subquery about other entities."""
        columns = self.id_column.table.alias(name).c

        def other(column: Column[Any]) -> Column[Any]:
            return columns[column.name]

        return Searchable(
            [other(each) for each in self.columns.values()],
            folded={
                name: Overridden(other(text.usual), by=other(text.by))
                if isinstance(text, Overridden)
                else other(text)
                for name, text in self.folded.items()
            },
            prefixes={
                name: IndexedPrefix(columns[text.text.name])
                for name, text in self.prefixes.items()
                if isinstance(text, IndexedPrefix) and isinstance(text.text, Column)
            },
            keys={name: other(each) for name, each in self._keys.items()},
            unique=[other(each) for each in self._unique],
        )

    @property
    def id_column(self) -> Column[Any]:
        """The column of the ids."""
        return self.columns["id"]

    @property
    def decimals(self) -> Decimals:
        """The columns of decimals."""
        return {
            name: column.type
            for name, column in self.comparable.items()
            if isinstance(column.type, FixedDecimal)
        }

    def select(self) -> Select[Any]:
        """Selects all rows, with the columns in order."""
        return select(*self.columns.values())

    def column_of(self, condition: ConditionShape) -> ColumnElement[Any]:
        """The text or value that a condition compares. An index may contain it."""
        if not condition.folded:
            return self.comparable[condition.attribute]
        text = self.folded[condition.attribute]
        if (
            condition.op is Op.STARTS_WITH
            and condition.indexed
            and condition.attribute in self.prefixes
        ):
            return self.prefixes[condition.attribute]
        return text.expression if isinstance(text, Overridden) else text

    def is_nullable(self, condition: ConditionShape) -> bool:
        """Returns True if what the condition compares may be null."""
        column = (self.folded if condition.folded else self.comparable)[condition.attribute]
        return bool((column.usual if isinstance(column, Overridden) else column).nullable)

    def _is_distinct(self, attribute: str) -> bool:
        """Returns True if no row has null or the same value, folded or not, as another."""
        column = self.columns[attribute]
        folded = self.folded.get(attribute, column)
        key = folded.usual if isinstance(folded, Overridden) else folded
        return not column.nullable and not self._unique.isdisjoint((column, key))

    def matches_at_most_one(self, tests: Iterable[TestShape]) -> bool:
        """Returns True if a unique constraint allows at most one row for which the tests hold."""
        return any(map(self._is_unique, tests))

    def _is_unique(self, test: TestShape) -> bool:
        if not isinstance(test, ConditionShape):
            return False
        is_one_value = test.op is Op.EQ and len(test.alternatives) == 1
        return is_one_value and self.column_of(test) in self._unique
