"""The entities of one type, for commands and for readers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from application.entities import E, UniqueKey
from application.search import Groups, Page, Search

N_contra = TypeVar("N_contra", contravariant=True)


class Repository(Protocol[N_contra, E]):
    """The entities of a type as one unit of work sees them. Records each change in the audit log.

    A conflict is the error of a unique key of the type: another entity has the same key.
    """

    def add(self, new: N_contra, *, at: datetime) -> E:
        """Store a new entity at version 1, with an id that was never used before.

        Raises the conflict of a unique key.
        """

    def add_many(self, new: Sequence[N_contra], *, at: datetime) -> Mapping[int, UniqueKey]:
        """Store new entities in their order, except those with a key that is already taken.

        Returns the position of each rejected entity, with the key that is taken: by a stored entity
        or by an earlier one in `new`. Needs a few statements, for up to about a thousand entities.
        """

    def find_by_keys(self, unique: UniqueKey, values: Collection[Any]) -> Mapping[Any, E]:
        """The entities that have any of the values of the unique attribute, by their keys."""

    def get(self, entity_id: int) -> E:
        """The entity. Raises the type's NotFound."""

    def get_many(self, entity_ids: Collection[int]) -> Sequence[E]:
        """Those of the entities that exist, by ascending id. One statement for up to 25,000 ids."""

    def page(self, search: Search) -> Page[E]:
        """The part of the list that the search selects, including what the unit has changed.

        If the unit locks what it reads, `place` must be a slice and the only order must be by id.
        """

    def save(self, entity: E, *, before: E) -> E:
        """Store the entity if the stored version is still that of `before`.

        Raises ConcurrentUpdate if it is not, or if the entity is gone, and the conflict of a
        unique key.
        """

    def remove(self, entity: E) -> None:
        """Delete the entity if the stored version is still this one.

        Raises ConcurrentUpdate if it is not.
        """


class Reader(Protocol[E]):
    """The entities of a type as the last committed units left them. Takes no locks.

    Raises Unavailable.
    """

    def get(self, entity_id: int) -> E:
        """The entity. Raises the type's NotFound."""

    def get_many(self, entity_ids: Collection[int]) -> Sequence[E]:
        """Those of the entities that exist, by ascending id. One statement for up to 25,000 ids."""

    def page(self, search: Search) -> Page[E]:
        """The part of the list that the search selects."""

    def count_by(self, search: Search, attribute: str, *, limit: int) -> Groups:
        """The values that an attribute has in the entities that match the conditions of the search.

        At most `limit` of them, the most frequent first; equally frequent ones in their order.
        """
