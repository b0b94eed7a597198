"""The tables of a store, and how they refer to one another."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column, Table

from adapters.sql.repository import EntityTable
from adapters.sql.search import SearchStatements
from adapters.sql.searchable import RelatedTable
from application.entities import AnyType
from application.relationships import Association, Relationships, ToMany, ToOne


class LinkTable:
    """The table of an association.

    The first column has the id of the source, and the second that of the target. The two are the
    primary key, in this order, and an index has them in the other order. Both are foreign keys.
    """

    def __init__(self, association: Association, table: Table) -> None:
        self.association = association
        self.table = table
        self.columns = tuple(table.primary_key.columns)

    def ids(self, relationship: ToMany) -> tuple[Column[int], Column[int]]:
        """Returns the columns of the entity that has the relationship and of the related entity."""
        source, target = self.columns
        return (source, target) if relationship.is_source else (target, source)


class Tables:
    """The tables of entities and of associations.

    `references` are the to-one relationships of the entities. Both types of each relationship must
    have a table. Raises ValueError if a type has two relationships with the same name.
    """

    def __init__(
        self,
        entities: Iterable[EntityTable[Any, Any]],
        links: Iterable[LinkTable] = (),
        references: Iterable[ToOne] = (),
    ) -> None:
        self.entities: Mapping[AnyType, EntityTable[Any, Any]] = {
            each.entity_type: each for each in entities
        }
        self.links: Mapping[Association, LinkTable] = {each.association: each for each in links}
        self._relationships = Relationships(*self.links, *references)
        self._searches = {
            each: SearchStatements(table.searchable.with_related(self._related(each)))
            for each, table in self.entities.items()
        }

    def searches(self, entity_type: AnyType) -> SearchStatements:
        """Returns the searches over a type, which can follow its relationships."""
        return self._searches[entity_type]

    def _related(self, entity_type: AnyType) -> dict[str, RelatedTable]:
        related = {}
        for name, relationship in self._relationships.of(entity_type).items():
            target = self.entities[relationship.target].searchable
            if isinstance(relationship, ToMany):
                ids = self.links[relationship.association].ids(relationship)
                related[name] = RelatedTable(target, ids)
            else:
                related[name] = RelatedTable(target)
        return related
