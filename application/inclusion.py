"""Loads the entities that are related to others, step by step."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, Protocol

from application.entities import AnyType
from application.ports import LinkedEntities, LinkReader, Reader, UnitOfWork
from application.relationships import Relationship, ToMany

MAX_LINKED: Final = 25
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
    """Reads committed related entities."""

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
    """Reads related entities with the changes of an open unit of work."""

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

    `links` has the loaded links of each to-many relationship, by the id of their source. A source
    without links has no item. `loaded` has the ids of the sources whose links were loaded, by
    relationship.
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
    """Loads the entities that the steps lead to. Each step takes at most one statement.

    The entities from which the first steps start are not included, unless a step leads to them.

    Other units can commit between two statements, and several steps can reach the same entity.
    The first state of each entity and list counts. With a later one, a document could contain
    entities that it does not link.
    """
    start = {each.id: each for each in entities}
    loading = _Loading(source, {entity_type: start})
    loading.follow(entity_type, [*start.values()], steps)
    return loading.included


@dataclass(frozen=True, slots=True)
class _Loading:
    """Follows steps. `read` has all entities so far, including those from which the steps start."""

    source: RelatedSource
    read: dict[AnyType, dict[int, Any]]
    included: Included = field(default_factory=Included)

    def follow(self, entity_type: AnyType, entities: Sequence[Any], steps: Sequence[Step]) -> None:
        for step in steps:
            relationship = step.relationship
            assert relationship.source is entity_type
            if isinstance(relationship, ToMany):
                found = self._load_links(relationship, entities)
            else:
                ids = {getattr(each, relationship.name) for each in entities} - {None}
                found = iter(self.source.get_many(relationship.target, ids) if ids else ())
            read = self.read.setdefault(relationship.target, {})
            distinct = {each.id: each for each in found}
            distinct.update({key: read[key] for key in distinct.keys() & read.keys()})
            read.update(distinct)
            self.included.entities.setdefault(relationship.target, {}).update(distinct)
            if step.steps:
                self.follow(relationship.target, [*distinct.values()], step.steps)

    def _load_links(self, relationship: ToMany, entities: Sequence[Any]) -> Iterator[Any]:
        ids = {each.id for each in entities}
        links = self.included.links.setdefault(relationship, {})
        loaded = self.included.loaded.setdefault(relationship, set())
        if new := ids - loaded:
            links.update(self.source.first(relationship, new, limit=MAX_LINKED))
            loaded |= new
        lists = (links[each.id].entities for each in entities if each.id in links)
        return chain.from_iterable(lists)
