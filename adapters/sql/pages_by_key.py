"""Selects pages whose keys are read first, by indexes that the database would not use by itself.

A page of entities that are related to one entity is read from the pairs. A page of several
alternatives is read from several indexes.
"""

from typing import Any, Final

from sqlalchemy import Select, select, union

from adapters.sql.conditions import Conditions, are_ids, has_index
from adapters.sql.placeholders import COUNT, OFFSET
from adapters.sql.query_shapes import (
    AnyOfShape,
    ConditionShape,
    QueryShape,
    RelatedShape,
    TestShape,
)
from adapters.sql.searchable import Searchable
from adapters.sql.slices import (
    after_key,
    order_by,
    read_order,
    reversed_order,
    select_first,
    select_slice,
)
from application.search import Op, Order

_MAX_BRANCHES: Final = 8
"""The number of related entities for each of which a statement has a branch of its own."""


class PagesByKey:
    """The pages of a table, in the SQL of one database."""

    def __init__(self, table: Searchable, database: str) -> None:
        self._table = table
        self._database = database
        self._conditions = Conditions(table, database)

    def page(self, shape: QueryShape) -> Select[Any] | None:
        """Selects a page. Returns None for a search that the database plans well."""
        if self._table.matches_at_most_one(shape.conditions):
            return None
        if (test := self._pairs_of_one(shape)) is not None:
            return self._page_of_pairs(shape, test)
        if shape.numbered or not (alternatives := self._alternatives(shape)):
            return None
        branches = [
            select(self._page_of_keys(each).subquery(f"_keys{number}"))
            for number, each in enumerate(alternatives)
        ]
        direction = read_order(shape)
        keys = union(*branches).subquery("_keys")
        first = select(keys).order_by(*order_by(keys.c, direction)).limit(COUNT)
        return self._with_keys(first, direction)

    def pairs_to_count(self, shape: QueryShape) -> Select[Any] | None:
        """Selects pairs whose number is the number of entities that the search finds.

        Returns None if only the entities themselves can be counted.
        """
        if len(shape.conditions) == 1:
            (test,) = shape.conditions
            if isinstance(test, RelatedShape) and self._has_one_related(test):
                return self._conditions.pairs(test)[0]
        return None

    def _with_keys(self, keys: Select[Any], direction: tuple[Order, ...]) -> Select[Any]:
        """Selects the rows that have the ids in the keys, in the order of the keys."""
        id_column = self._table.id_column
        first = keys.subquery("_first")
        joined = first.join(id_column.table, id_column == first.c.id)
        return self._table.select().select_from(joined).order_by(*order_by(first.c, direction))

    def _page_of_keys(self, shape: QueryShape) -> Select[Any]:
        """Selects only the columns by which a page is sorted, including the ids."""
        table = self._table
        if (test := self._pairs_of_one(shape)) is not None:
            return self._page_of_pairs(shape, test, keys_only=True)
        names = dict.fromkeys((*(order.attribute for order in shape.ordering), "id"))
        keys = select(*(table.columns[name] for name in names))
        matching = keys.where(*self._conditions.all(shape.conditions))
        is_single = table.matches_at_most_one(shape.conditions)
        return select_slice(matching, shape, table.columns, self._database, is_single=is_single)

    def _pairs_of_one(self, shape: QueryShape) -> RelatedShape | None:
        """Returns the first test for one related entity, if the list is sorted by id only.

        The pairs of that entity are then in the order of the list.
        """
        if not shape.is_sorted_by_id or self._table.matches_at_most_one(shape.conditions):
            return None
        tests = (each for each in shape.conditions if isinstance(each, RelatedShape))
        return next(filter(self._has_one_related, tests), None)

    def _has_one_related(self, test: RelatedShape) -> bool:
        related = self._table.related[test.relationship]
        return related.ids is not None and related.searchable.matches_at_most_one(test.tests)

    def _page_of_pairs(
        self, shape: QueryShape, test: RelatedShape, *, keys_only: bool = False
    ) -> Select[Any]:
        """Selects a page of the entities related to one entity, in the order of its pairs."""
        table = self._table
        keys, entity_id = self._conditions.pairs(test)
        columns, direction = {"id": entity_id}, read_order(shape)
        others = self._conditions.all(each for each in shape.conditions if each is not test)
        if others:
            joined = entity_id.table.join(table.id_column.table, table.id_column == entity_id)
            # The other column has the same bounds, for plans that start there.
            ends = [
                after_key(table.columns, order, key, self._database)
                for order, key in (
                    (shape.ordering, shape.after),
                    (reversed_order(shape.ordering), shape.before),
                )
                if key is not None
            ]
            selected = keys if keys_only else keys.with_only_columns(*table.columns.values())
            keys = selected.select_from(joined).where(*others, *ends)
        if shape.numbered:
            page = select_first(keys, columns, direction).offset(OFFSET)
        else:
            page = select_slice(keys, shape, columns, self._database)
        return page if others or keys_only else self._with_keys(page, direction)

    def _alternatives(self, shape: QueryShape) -> list[QueryShape]:
        """Searches that together find what the search finds, each of them by an index.

        Returns an empty list if there are none.
        """
        for test in shape.conditions:
            if isinstance(test, AnyOfShape):
                alternatives = test.alternatives
            elif shape.is_sorted_by_id and isinstance(test, RelatedShape):
                alternatives = self._each_related(test)
            else:
                continue
            if alternatives and all(any(map(has_index, each)) for each in alternatives):
                others = tuple(each for each in shape.conditions if each is not test)
                return [
                    shape._replace(conditions=(*each, *others), total=False)
                    for each in alternatives
                ]
        return []

    def _each_related(self, test: RelatedShape) -> tuple[tuple[TestShape, ...], ...]:
        """Returns one test for each of a few related entities, if the test accepts any of them."""
        if len(test.tests) != 1 or not are_ids(test.tests):
            return ()
        (ids,) = test.tests
        assert isinstance(ids, ConditionShape)
        has_pairs = self._table.related[test.relationship].ids is not None
        if not has_pairs or len(ids.alternatives) > _MAX_BRANCHES:
            return ()
        return tuple(
            (test._replace(tests=(ids._replace(op=Op.EQ, alternatives=(each,)),)),)
            for each in ids.alternatives
        )
