"""The resources of the API by type, with their relationships."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.jsonapi.resource import Resource
from application.entities import AnyType
from application.relationships import Relationship, Relationships


@dataclass(frozen=True, slots=True)
class Catalog:
    """The declarations of the resources by type, and the relationships between them.

    `nouns` are the words for one resource of each type.
    """

    resources: Mapping[str, Resource] = field(default_factory=dict)
    relationships: Mapping[str, Mapping[str, Relationship]] = field(default_factory=dict)
    nouns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, declared: Iterable[tuple[AnyType, Resource]], relationships: Relationships
    ) -> "Catalog":
        """Creates the catalog of the resources.

        Raises ValueError if a declaration and the relationships of its type differ.
        """
        resources, by_type, nouns = {}, {}, {}
        for entity_type, resource in declared:
            of_type = relationships.of(entity_type)
            if different := sorted(resource.relationships.keys() ^ of_type.keys()):
                raise ValueError(
                    f"The schema and the application disagree about relationships of "
                    f"{resource.type}: {', '.join(different)}. Declare each in both."
                )
            resources[resource.type] = resource
            by_type[resource.type] = of_type
            nouns[resource.type] = entity_type.not_found.noun
        return cls(resources, by_type, nouns)

    def relationships_of(self, resource: Resource) -> Mapping[str, Relationship]:
        """Returns the relationships of a type, by name."""
        return self.relationships.get(resource.type, {})

    def noun(self, resource: Resource) -> str:
        """Returns the word for one resource of the type."""
        return self.nouns.get(resource.type, "resource")

    def target(self, relationship: Relationship) -> Resource:
        """Returns the declaration of the related resources."""
        return self.resources[relationship.target.name]

    def reachable(self, resource: Resource) -> dict[str, Resource]:
        """Returns the types of resources that a document of the type can contain.

        The type itself is the first.
        """
        by_type = {resource.type: resource}
        pending = [resource]
        while pending:
            for relationship in self.relationships_of(pending.pop()).values():
                target = self.target(relationship)
                if target.type not in by_type:
                    by_type[target.type] = target
                    pending.append(target)
        return by_type


EMPTY_CATALOG: Final = Catalog()
"""For resources without relationships."""
