"""Reactions to changes of entities, in the unit of work of the change.

A store calls them, so that no command can forget them: single commands, operations, bulk commands
and imports all change entities through repositories.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Protocol

from application.entities import AnyType, E, N, UniqueKey
from application.ports import Repository, UnitOfWork
from application.search import Page, Search


class Reaction(Protocol):
    """Additional work of a unit of work that changes an entity of a type.

    It must not change other entities of the same type through their repository, because each of
    these changes would call it again.
    """

    def saved(self, work: UnitOfWork, before: Any, after: Any) -> None:
        """Reacts to a change of the entity. Called after the entity is stored."""

    def removed(self, work: UnitOfWork, entity: Any) -> None:
        """Reacts to the deletion of the entity.

        Called before its row is deleted, because other rows can refer to it with foreign keys. If
        the deletion raises ConcurrentUpdate, the unit rolls back, and the reaction with it.
        """

    def erased(self, work: UnitOfWork, values: Collection[str]) -> None:
        """Reacts to the erasure of one or more persons. Called after the entities are removed.

        `values` are all values that the attribute of the type's person key ever had.
        """


Reactions = Mapping[AnyType, Reaction]
"""The reaction to changes of each type that has one."""

NO_REACTIONS: Final[Reactions] = MappingProxyType({})


class ReactingRepository(Repository[N, E]):
    """A repository that calls the reaction of its type.

    It refers to its unit of work. A unit must not refer to it in turn, because a reference cycle
    would outlive the unit.
    """

    __slots__ = ("_reaction", "_repository", "_work")

    def __init__(self, repository: Repository[N, E], reaction: Reaction, work: UnitOfWork) -> None:
        self._repository = repository
        self._reaction = reaction
        self._work = work

    def add(self, new: N, *, at: datetime) -> E:
        return self._repository.add(new, at=at)

    def add_many(self, new: Sequence[N], *, at: datetime) -> Mapping[int, UniqueKey]:
        return self._repository.add_many(new, at=at)

    def find_by_keys(self, unique: UniqueKey, values: Collection[Any]) -> Mapping[Any, E]:
        return self._repository.find_by_keys(unique, values)

    def ids_by_keys(self, unique: UniqueKey, keys: Collection[Any]) -> Mapping[Any, int]:
        return self._repository.ids_by_keys(unique, keys)

    def get(self, entity_id: int) -> E:
        return self._repository.get(entity_id)

    def get_many(self, entity_ids: Collection[int]) -> Sequence[E]:
        return self._repository.get_many(entity_ids)

    def lock(self, entity_ids: Collection[int], *, shared: bool = False) -> None:
        self._repository.lock(entity_ids, shared=shared)

    def page(self, search: Search) -> Page[E]:
        return self._repository.page(search)

    def save(self, entity: E, *, before: E) -> E:
        saved = self._repository.save(entity, before=before)
        self._reaction.saved(self._work, before, saved)
        return saved

    def remove(self, entity: E) -> None:
        self._reaction.removed(self._work, entity)
        self._repository.remove(entity)
