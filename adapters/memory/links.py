"""The pairs of associations in dicts."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from application.audit import AuditLog
from application.entities import AnyType
from application.link_events import record_change, record_pairs, record_removal
from application.ports import ConcurrentUpdate, LinkChange, LinkedEntities, LinkReader, Links
from application.relationships import Association, ToMany

RowsOf = Callable[[AnyType], Mapping[int, Any]]
"""Returns the entities of a type by their ids."""


@dataclass(slots=True)
class Pairs:
    """The pairs of an association: the ids of the targets by source, and the reverse."""

    targets: dict[int, set[int]] = field(default_factory=dict)
    sources: dict[int, set[int]] = field(default_factory=dict)

    def copy(self) -> "Pairs":
        """Returns a copy that can be changed independently."""
        targets, sources = (
            {key: set(ids) for key, ids in each.items()} for each in (self.targets, self.sources)
        )
        return Pairs(targets, sources)

    def ids(self, relationship: ToMany, source_id: int) -> Collection[int]:
        """Returns the ids that are related to an entity, in any order."""
        return self._side(relationship).get(source_id, ())

    def add(self, relationship: ToMany, source_id: int, target_id: int) -> bool:
        """Adds a pair. Returns False if it exists."""
        if target_id in self.ids(relationship, source_id):
            return False
        self._side(relationship).setdefault(source_id, set()).add(target_id)
        self._side(relationship.inverse).setdefault(target_id, set()).add(source_id)
        return True

    def remove(self, relationship: ToMany, source_id: int, target_id: int) -> bool:
        """Removes a pair. Returns False if it does not exist."""
        if target_id not in self.ids(relationship, source_id):
            return False
        self._side(relationship)[source_id].remove(target_id)
        self._side(relationship.inverse)[target_id].remove(source_id)
        return True

    def _side(self, relationship: ToMany) -> dict[int, set[int]]:
        return self.targets if relationship.is_source else self.sources


def first_linked(
    pairs: Pairs, relationship: ToMany, rows: RowsOf, source_ids: Collection[int], limit: int
) -> dict[int, LinkedEntities]:
    """Returns the first related entities of each entity that has some. See LinkReader."""
    entities = rows(relationship.target)
    linked = {}
    for source_id in source_ids:
        if ids := sorted(pairs.ids(relationship, source_id)):
            first = tuple(entities[each] for each in ids[:limit])
            linked[source_id] = LinkedEntities(first, more=len(ids) > limit)
    return linked


class MemoryLinks(Links):
    """The pairs of an association in an open unit of work, from one of its ends."""

    def __init__(self, relationship: ToMany, pairs: Pairs, rows: RowsOf, audit: AuditLog) -> None:
        self._relationship = relationship
        self._pairs = pairs
        self._rows = rows
        self._audit = audit

    def change(
        self, source_id: int, *, add: Collection[int] = (), remove: Collection[int] = ()
    ) -> LinkChange:
        relationship = self._relationship
        if not self._rows(relationship.target).keys() >= set(add):
            raise ConcurrentUpdate
        change = LinkChange(
            [each for each in sorted(set(add)) if self._pairs.add(relationship, source_id, each)],
            [
                each
                for each in sorted(set(remove))
                if self._pairs.remove(relationship, source_id, each)
            ],
        )
        record_change(self._audit, relationship, source_id, change)
        return change

    def lock(self, source_id: int, *, limit: int) -> Sequence[int]:
        return sorted(self._pairs.ids(self._relationship, source_id))[:limit]

    def remove_all(self, source_id: int, *, limit: int) -> int:
        ids = self.lock(source_id, limit=limit)
        for each in ids:
            self._pairs.remove(self._relationship, source_id, each)
        record_removal(self._audit, self._relationship, source_id, ids)
        return len(ids)

    def add_pairs(self, pairs: Sequence[tuple[int, int]]) -> int:
        relationship = self._relationship
        for entity_type, ids in (
            (relationship.source, {source for source, _ in pairs}),
            (relationship.target, {target for _, target in pairs}),
        ):
            if not self._rows(entity_type).keys() >= ids:
                raise ConcurrentUpdate
        new = [
            (source, target)
            for source, target in dict.fromkeys(pairs)
            if self._pairs.add(relationship, source, target)
        ]
        record_pairs(self._audit, relationship, new)
        return len(new)

    def first(self, source_ids: Collection[int], *, limit: int) -> Mapping[int, LinkedEntities]:
        return first_linked(self._pairs, self._relationship, self._rows, source_ids, limit)


class CommittedPairs(Protocol):
    """The part of a store that the reader of its pairs needs."""

    def rows(self, entity_type: AnyType) -> Mapping[int, Any]:
        """Returns the committed entities of a type by their ids."""

    def pairs(self, association: Association) -> Pairs:
        """Returns the committed pairs."""


class MemoryLinkReader(LinkReader):
    """Reads the committed pairs."""

    def __init__(self, store: CommittedPairs) -> None:
        self._store = store

    def first(
        self, relationship: ToMany, source_ids: Collection[int], *, limit: int
    ) -> Mapping[int, LinkedEntities]:
        pairs = self._store.pairs(relationship.association)
        return first_linked(pairs, relationship, self._store.rows, source_ids, limit)

    def pairs(
        self, association: Association, *, after: tuple[int, int], limit: int
    ) -> Sequence[tuple[int, int]]:
        targets = self._store.pairs(association).targets
        all_pairs = (
            (source, each) for source in sorted(targets) for each in sorted(targets[source])
        )
        return [*islice((pair for pair in all_pairs if pair > after), limit)]


class RelatedEntities:
    """Finds the entities that are related to an entity of one type, for searches."""

    def __init__(
        self,
        relationships: Mapping[str, Any],
        rows: RowsOf,
        pairs: Callable[[Association], Pairs],
    ) -> None:
        self._relationships = relationships
        self._rows = rows
        self._pairs = pairs

    def __call__(self, entity: Any, name: str) -> Iterator[Any]:
        """Returns the related entities, in any order."""
        relationship = self._relationships[name]
        entities = self._rows(relationship.target)
        if isinstance(relationship, ToMany):
            ids = self._pairs(relationship.association).ids(relationship, entity.id)
            return (entities[each] for each in ids)
        related_id = getattr(entity, relationship.name)
        return iter(() if related_id is None else (entities[related_id],))
