"""The entities of one type: repositories for commands, and readers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from application.entities import E, UniqueKey
from application.search import Page, Search, ValueCounts

N_contra = TypeVar("N_contra", contravariant=True)


class Repository(Protocol[N_contra, E]):
    """The entities of a type in a unit of work. Records each change in the audit log."""

    def add(self, new: N_contra, *, at: datetime) -> E:
        """Stores a new entity with version 1 and an id that was never used before.

        Raises the KeyTaken error of a unique key, such as EmailTaken, if another entity has the
        key.
        """

    def add_many(self, new: Sequence[N_contra], *, at: datetime) -> Mapping[int, UniqueKey]:
        """Stores new entities in their order, except those with a key that is already taken.

        Returns the position of each rejected entity, and its key that is taken: by a stored entity
        or by an earlier one in `new`. Takes a few statements for up to about a thousand entities.
        """

    def find_by_keys(self, unique: UniqueKey, values: Collection[Any]) -> Mapping[Any, E]:
        """Returns the entities that have one of the values of the unique attribute, by key."""

    def ids_by_keys(self, unique: UniqueKey, keys: Collection[Any]) -> Mapping[Any, int]:
        """Returns the ids of the entities that have one of the keys, by key. Runs one statement.

        `keys` are results of `unique.key_of`.
        """

    def get(self, entity_id: int) -> E:
        """Returns the entity. Raises the NotFound error of the type if it does not exist."""

    def get_many(self, entity_ids: Collection[int]) -> Sequence[E]:
        """Returns the entities that exist, by ascending id.

        Runs one statement for up to 25,000 ids.
        """

    def lock(self, entity_ids: Collection[int], *, shared: bool = False) -> None:
        """Locks the entities that exist until the unit ends, by ascending id.

        No other unit can change or delete them meanwhile. With `shared`, several units can have the
        lock, and some stores let other units change the entities.
        """

    def page(self, search: Search) -> Page[E]:
        """Returns the part of the list that the search selects, with the changes of the unit.

        In a unit `for_update`, `place` must be a Slice, and the only order must be by id.
        """

    def save(self, entity: E, *, before: E) -> E:
        """Stores the entity if the stored version is still that of `before`.

        Raises ConcurrentUpdate if the stored version is another one or the entity was deleted.
        Raises the KeyTaken error of a unique key if another entity has the key.
        """

    def remove(self, entity: E) -> None:
        """Deletes the entity if the stored version is still that of `entity`.

        Raises ConcurrentUpdate if it is not.
        """


class Reader(Protocol[E]):
    """The committed entities of a type. Takes no locks. Raises Unavailable."""

    def get(self, entity_id: int) -> E:
        """Returns the entity. Raises the NotFound error of the type if it does not exist."""

    def get_many(self, entity_ids: Collection[int]) -> Sequence[E]:
        """Returns the entities that exist, by ascending id.

        Runs one statement for up to 25,000 ids.
        """

    def page(self, search: Search) -> Page[E]:
        """Returns the part of the list that the search selects."""

    def count_by(self, search: Search, attribute: str, *, limit: int) -> ValueCounts:
        """Counts the entities that match the conditions of the search, by value of an attribute.

        Returns at most `limit` values, the most frequent first. Equally frequent values are in
        ascending order.
        """
