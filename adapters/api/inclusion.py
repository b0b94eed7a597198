"""The related resources that a document includes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.api.request import current_request
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.compound import CompoundWriter
from adapters.jsonapi.documents import RelatedData
from adapters.jsonapi.parameters import FieldSelection
from application.entities import AnyType
from application.inclusion import Included, OpenUnit, include
from application.ports import Subject, UnitOfWork
from application.relationship_queries import RelationshipQueries


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Loads and writes the related resources that a document includes."""

    queries: RelationshipQueries
    compound: CompoundWriter

    @property
    def catalog(self) -> Catalog:
        """The resources and their relationships."""
        return self.compound.catalog

    def authorize(self, selection: FieldSelection) -> None:
        """Raises InsufficientScope if the principal may not read what the steps lead to."""
        if selection.steps:
            self.queries.authorize_steps(selection.steps, current_request().principal)

    def load(
        self,
        entity_type: AnyType,
        entities: Iterable[Any],
        selection: FieldSelection,
        work: UnitOfWork | None = None,
    ) -> Included:
        """Returns the entities that the steps lead to. With `work`, reads them in the open unit."""
        if work:
            return include(OpenUnit(work), entity_type, entities, selection.steps)
        return self.queries.include(
            entity_type, entities, selection.steps, current_request().principal
        )

    def of(
        self, entity_type: AnyType, entities: Sequence[Any], selection: FieldSelection
    ) -> RelatedData | None:
        """Returns the related data of the document, or None if it includes nothing."""
        if not (selection.steps or selection.includes_items):
            return None
        included = self.load(entity_type, entities, selection) if selection.steps else Included()
        if selection.includes_items:
            by_id = included.entities.setdefault(entity_type, {})
            by_id.update({each.id: each for each in entities})
        return self.compound.related(included, selection)


def subjects(included: Included) -> list[Subject]:
    """Returns the included resources as the subjects of a stored response."""
    return [
        (entity_type.name, each)
        for entity_type, by_id in included.entities.items()
        for each in by_id
    ]
