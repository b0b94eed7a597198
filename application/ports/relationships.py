"""The pairs of associations, for commands and for readers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from application.relationships import Association, ToMany


class LinkedEntities(NamedTuple):
    """The first related entities of one entity, by ascending id. `more`: there are others."""

    entities: Sequence[Any]
    more: bool


class LinkReader(Protocol):
    """The related entities as the last committed units left them. Takes no locks.

    Raises Unavailable.
    """

    def first(
        self, relationship: ToMany, source_ids: Collection[int], *, limit: int
    ) -> Mapping[int, LinkedEntities]:
        """Returns the first `limit` related entities of each entity. Runs one statement.

        The result has no item for an entity without related entities.
        """

    def pairs(
        self, association: Association, *, after: tuple[int, int], limit: int
    ) -> Sequence[tuple[int, int]]:
        """Returns the first `limit` pairs after a pair, by source id, then by target id.

        The pair itself need not exist: (0, 0) is before all pairs.
        """


class LinkChange(NamedTuple):
    """The ids that were related, and those that no longer are, both ascending."""

    added: Sequence[int] = ()
    removed: Sequence[int] = ()


class Links(Protocol):
    """The pairs of one association as one unit of work sees them, from one of its ends.

    Records each change in the audit log, for the entities on both sides. `source_id` is the id of
    an entity that has the relationship, and the other ids are those of related entities. The entity
    itself is not changed: neither its version nor its update time.
    """

    def change(
        self, source_id: int, *, add: Collection[int] = (), remove: Collection[int] = ()
    ) -> LinkChange:
        """Adds and removes pairs. Returns the pairs that it added and removed.

        Takes at most a few thousand ids. Concurrent additions to one entity do not wait for each
        other. Raises ConcurrentUpdate if an entity does not exist (any more), or if another unit
        adds the same pair.
        """

    def lock(self, source_id: int, *, limit: int) -> Sequence[int]:
        """Locks the list and returns its first `limit` related ids, ascending.

        Until the unit ends, no other unit can add pairs of this entity, or remove one of these.
        """

    def remove_all(self, source_id: int, *, limit: int) -> int:
        """Removes at most `limit` pairs of an entity, the first ones by id. Returns their number.

        Records events for the entities on the other side only: the entity is about to be deleted.
        """

    def add_pairs(self, pairs: Sequence[tuple[int, int]]) -> int:
        """Relates the entities of each pair: source and target. Returns the number of new pairs.

        Takes about a thousand pairs, which may repeat. Records one event per entity. Raises
        ConcurrentUpdate as `change` does.
        """

    def first(self, source_ids: Collection[int], *, limit: int) -> Mapping[int, LinkedEntities]:
        """Returns the related entities, including what the unit has changed. See LinkReader."""
