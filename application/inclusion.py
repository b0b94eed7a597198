"""Loads the entities that are related to others, step by step."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from application.entities import AnyType
from application.ports import LinkedEntities, LinkReader, Reader, UnitOfWork
from application.relationships import Relationship, ToMany

LINKED_AT_MOST: Final = 25
"""The number of related entities of one entity that a to-many step includes."""


@dataclass(frozen=True, slots=True)
class Step:
    """A relationship to follow, and the steps to follow from the related entities."""

    relationship: Relationship
    steps: "tuple[Step, ...]" = ()


class RelatedSource(Protocol):
    """The source of related entities: the committed state, or an open unit of work."""

    def get_many(self, entity_type: AnyType, entity_ids: Collection[int]) -> Sequence[Any]:
        """Returns the entities that exist, by ascending id."""

    def first(
        self, relationship: ToMany, source_ids: Collection[int], *, limit: int
    ) -> Mapping[int, LinkedEntities]:
        """Returns the first `limit` related entities of each of the entities. See LinkReader."""


class CommittedState(RelatedSource):
    """Reads related entities as the last committed units left them."""

    def __init__(self, readers: Mapping[AnyType, Reader[Any]], links: LinkReader) -> None:
        self._readers = readers
        self._links = links

    def get_many(self, entity_type: AnyType, entity_ids: Collection[int]) -> Sequence[Any]:
        return self._readers[entity_type].get_many(entity_ids)

    def first(
        self, relationship: ToMany, source_ids: Collection[int], *, limit: int
    ) -> Mapping[int, LinkedEntities]:
        return self._links.first(relationship, source_ids, limit=limit)


class OpenUnit(RelatedSource):
    """Reads related entities including what an open unit of work has changed."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    def get_many(self, entity_type: AnyType, entity_ids: Collection[int]) -> Sequence[Any]:
        return self._work.repository(entity_type).get_many(entity_ids)

    def first(
        self, relationship: ToMany, source_ids: Collection[int], *, limit: int
    ) -> Mapping[int, LinkedEntities]:
        return self._work.links(relationship).first(source_ids, limit=limit)


@dataclass(frozen=True, slots=True)
class Included:
    """Related entities.

    `links` has, by to-many relationship and by the id of its source, what was loaded: an entity
    without related entities has no item. `loaded` are the to-many relationships of which all
    sources have been loaded, with the ids of these sources.
    """

    entities: dict[AnyType, dict[int, Any]] = field(default_factory=dict)
    links: dict[ToMany, dict[int, LinkedEntities]] = field(default_factory=dict)
    loaded: dict[ToMany, set[int]] = field(default_factory=dict)

    def linked(self, relationship: ToMany, source_ids: Iterable[int]) -> list[LinkedEntities]:
        """Returns the first related entities of each entity. They must have been loaded."""
        of_relationship = self.links[relationship]
        return [of_relationship.get(each, _NO_ENTITIES) for each in source_ids]


_NO_ENTITIES: Final[LinkedEntities] = LinkedEntities((), more=False)


def include(
    source: RelatedSource,
    entity_type: AnyType,
    entities: Iterable[Any],
    steps: Sequence[Step],
) -> Included:
    """Loads the entities that the steps lead to. Each step takes one statement.

    The entities from which the first steps start are not included, unless a step leads to them.
    """
    included = Included()
    _follow(source, entity_type, list(entities), steps, included)
    return included


def _follow(
    source: RelatedSource,
    entity_type: AnyType,
    entities: Sequence[Any],
    steps: Sequence[Step],
    included: Included,
) -> None:
    for step in steps:
        relationship = step.relationship
        assert relationship.source is entity_type
        if isinstance(relationship, ToMany):
            found = _load_links(source, relationship, entities, included)
        else:
            ids = {getattr(each, relationship.name) for each in entities} - {None}
            found = iter(source.get_many(relationship.target, ids) if ids else ())
        distinct = {each.id: each for each in found}
        included.entities.setdefault(relationship.target, {}).update(distinct)
        if step.steps:
            _follow(source, relationship.target, [*distinct.values()], step.steps, included)


def _load_links(
    source: RelatedSource,
    relationship: ToMany,
    entities: Sequence[Any],
    included: Included,
) -> Iterator[Any]:
    ids = {each.id for each in entities}
    found = source.first(relationship, ids, limit=LINKED_AT_MOST) if ids else {}
    included.links.setdefault(relationship, {}).update(found)
    included.loaded.setdefault(relationship, set()).update(ids)
    return (each for linked in found.values() for each in linked.entities)
