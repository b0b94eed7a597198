"""The pairs of associations in tables."""

from collections.abc import Collection, Mapping

from sqlalchemy import Column, Engine, Table

from application.ports import LinkedEntities, LinkReader
from application.relationships import Association, ToMany


class LinkTable:
    """The table of an association.

    The first column has the id of the source, and the second that of the target. The two are the
    primary key, in this order, and an index has them in the other order.
    """

    def __init__(self, association: Association, table: Table) -> None:
        self.association = association
        self.table = table
        self.columns = tuple(table.primary_key.columns)

    def ids(self, relationship: ToMany) -> tuple[Column[int], Column[int]]:
        """The column of the entity that has the relationship, and that of the related entity."""
        source, target = self.columns
        return (source, target) if relationship.is_source else (target, source)


class SqlLinkReader(LinkReader):
    """Reads the committed pairs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def first(
        self, relationship: ToMany, source_ids: Collection[int], *, limit: int
    ) -> Mapping[int, LinkedEntities]:
        raise NotImplementedError
