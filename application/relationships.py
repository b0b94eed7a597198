"""Relationships between entities, for the generic use cases and stores.

A to-one relationship is a reference: an attribute of the entity holds the id of the related entity.
A to-many relationship is one end of an association, which is a set of pairs of entities. A pair
belongs to neither of its entities: it changes the version of neither.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, TypeAlias

from application.entities import AnyType
from domain.errors import Forbidden, NotFound


@dataclass(frozen=True, slots=True, eq=False)
class ToOne:
    """A reference to one entity of the target type, or to none.

    `name` is also the attribute of the source that holds the id. Its value is None if there is no
    related entity.
    """

    name: str
    source: AnyType
    target: AnyType

    @property
    def access_type(self) -> AnyType:
        """The type whose scopes govern the relationship."""
        return self.source


@dataclass(frozen=True, eq=False)
class Association:
    """Pairs of entities of two types. A pair exists at most once.

    `source_name` is the relationship of the source type, and `target_name` its inverse. The scopes
    of the source type govern both. `singular` is the word for one pair.
    """

    name: str
    singular: str
    source: AnyType
    source_name: str
    target: AnyType
    target_name: str

    @cached_property
    def ends(self) -> "tuple[ToMany, ToMany]":
        """The relationships of the source type and of the target type."""
        return ToMany(self, is_source=True), ToMany(self, is_source=False)

    @cached_property
    def columns(self) -> Mapping[str, AnyType]:
        """The types of the source and of the target, by the names of their columns in files.

        A column has the name of the noun of its type. If both nouns are the same, it has the name
        of the relationship that leads to its entities.
        """
        types = self.source, self.target
        nouns = [each.not_found.noun for each in types]
        is_ambiguous = nouns[0].casefold() == nouns[1].casefold()
        names = (self.target_name, self.source_name) if is_ambiguous else nouns
        return dict(zip(names, types, strict=True))


@dataclass(frozen=True)
class ToMany:
    """One end of an association: the relationship of an entity to any number of others."""

    association: Association
    is_source: bool

    @cached_property
    def name(self) -> str:
        """The name of the relationship."""
        association = self.association
        return association.source_name if self.is_source else association.target_name

    @cached_property
    def source(self) -> AnyType:
        """The type of entity that has the relationship."""
        return self.association.source if self.is_source else self.association.target

    @cached_property
    def target(self) -> AnyType:
        """The type of the related entities."""
        return self.association.target if self.is_source else self.association.source

    @cached_property
    def inverse(self) -> "ToMany":
        """The same pairs, seen from the other side."""
        return self.association.ends[1 if self.is_source else 0]

    @property
    def access_type(self) -> AnyType:
        """The type whose scopes govern the relationship."""
        return self.association.source


Relationship: TypeAlias = ToOne | ToMany
_NONE: Final[Mapping[str, Relationship]] = MappingProxyType({})


class Relationships:
    """All relationships of a service, by type and name.

    Raises ValueError if a type has two relationships with the same name.
    """

    def __init__(self, *declared: Association | ToOne) -> None:
        self._by_type: dict[AnyType, dict[str, Relationship]] = {}
        for each in declared:
            ends = each.ends if isinstance(each, Association) else (each,)
            for end in ends:
                of_type = self._by_type.setdefault(end.source, {})
                if end.name in of_type:
                    raise ValueError(f"{end.source.name} has two relationships named {end.name}.")
                of_type[end.name] = end

    def of(self, entity_type: AnyType) -> Mapping[str, Relationship]:
        """Returns the relationships of a type by name, in the order of their declaration."""
        return self._by_type.get(entity_type, _NONE)

    def to_many(self, entity_type: AnyType) -> tuple[ToMany, ...]:
        """Returns the to-many relationships of a type."""
        return tuple(each for each in self.of(entity_type).values() if isinstance(each, ToMany))

    def to_one(self, entity_type: AnyType) -> tuple[ToOne, ...]:
        """Returns the to-one relationships of a type."""
        return tuple(each for each in self.of(entity_type).values() if isinstance(each, ToOne))

    def references_to(self, entity_type: AnyType) -> tuple[ToOne, ...]:
        """Returns the to-one relationships whose target is the type."""
        return tuple(
            each
            for of_type in self._by_type.values()
            for each in of_type.values()
            if isinstance(each, ToOne) and each.target is entity_type
        )


NO_RELATIONSHIPS: Final = Relationships()


class RelatedNotFound(NotFound):
    """Entities that a request relates to do not exist.

    `ids` are the missing ids of one relationship. `others` are the errors of other relationships.
    """

    code = "related_not_found"
    others: "tuple[RelatedNotFound, ...]"

    def __init__(
        self,
        relationship: Relationship,
        ids: Collection[int],
        others: "tuple[RelatedNotFound, ...]" = (),
    ) -> None:
        target = relationship.target
        super().__init__(f"There is no {target.not_found.noun} with this id.")
        self.relationship = relationship
        self.attribute = relationship.name
        self.ids = frozenset(ids)
        self.others = others


class ReplacementTooLarge(Forbidden):
    """A to-many relationship has more related entities than one request may replace."""

    code = "replacement_too_large"

    def __init__(self, relationship: ToMany, limit: int) -> None:
        super().__init__(
            f"{relationship.name} has more than {limit:,} related resources, which one request "
            "cannot replace. Add and remove them with POST and DELETE, or use the roster command."
        )
        self.attribute = relationship.name


def fingerprint(ids: Iterable[int]) -> str:
    """Returns a digest of the complete list of related ids of an entity: 16 hex digits.

    The order of the ids does not matter.
    """
    text = ",".join(map(str, sorted(ids)))
    return blake2b(text.encode(), digest_size=8).hexdigest()
