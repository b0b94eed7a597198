"""Commands that change, delete or erase many entities of a type in one unit of work."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, Generic, NamedTuple

from application.access import Action, Policy, ScopePolicy
from application.deadlines import BULK_SECONDS, restart_deadline
from application.entities import E, EntityType, N
from application.erasure import erase_values, remove_existing
from application.ports import Context, UnitOfWork, UnitRunner
from application.relationship_commands import referred_ids, remove_entity, require_all_related
from application.relationships import NO_RELATIONSHIPS, Relationships
from application.search import Order, Search, walk
from domain.attributes import EntityChanges

_ERASED_AT_ONCE: Final = 1000

Targets = Search | Sequence[int]
"""The entities that match the conditions of a search, or those with these ids."""

Watch = Callable[[Iterable[Any]], Iterable[Any]]
"""Yields the items that it gets, and may show the progress. Called once for each attempt."""


class ChangeSummary(NamedTuple):
    """The number of entities by outcome.

    `entities` are the entities after the command, in the order of the given ids. The tuple is empty
    for a search, which can match any number of entities.
    """

    changed: int
    unchanged: int
    entities: tuple[Any, ...] = ()


class BulkCommands(Generic[N, E]):
    """Commands on the entities that match a search or have the given ids.

    Each method is one unit of work: it changes all of the entities, or none. Memory does not grow
    with the number of matches. The unit must open within the current deadline, and then has
    BULK_SECONDS. It reads and locks a thousand matches at a time. It skips a match that is deleted
    or stops matching before it is locked.

    Each method raises the errors of the policy, and those of the same method of `Commands`, such as
    NotFound for an id.
    """

    def __init__(
        self,
        entity_type: EntityType[N, E],
        run: UnitRunner,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
        relationships: Relationships = NO_RELATIONSHIPS,
    ) -> None:
        self._type = entity_type
        self._run = run
        self._policy = policy
        self._relationships = relationships

    def change(
        self, targets: Targets, changes: EntityChanges, context: Context, watch: Watch = iter
    ) -> ChangeSummary:
        """Changes the entities, and counts them by outcome."""
        principal, attributes = context.principal, changes.attributes
        self._policy.authorize(principal, Action.CHANGE, self._type.name, attributes)
        by_id = not isinstance(targets, Search)

        def unit(work: UnitOfWork) -> ChangeSummary:
            changed = unchanged = 0
            after_change: dict[int, E] = {}
            entities = work.repository(self._type)
            references = self._relationships.to_one(self._type)
            require_all_related(work, referred_ids(references, attributes))
            for before in watch(self._entities(work, targets)):
                after = before.with_changes(changes, at=work.now)
                if after is before:
                    unchanged += 1
                else:
                    entities.save(after, before=before)
                    changed += 1
                if by_id:
                    after_change[after.id] = after
            in_order = tuple(after_change[each] for each in _ids(targets))
            return ChangeSummary(changed, unchanged, in_order)

        return self._run(context, unit, for_update=True)

    def delete(self, targets: Targets, context: Context, watch: Watch = iter) -> int:
        """Deletes the entities, and returns their number."""
        self._policy.authorize(context.principal, Action.DELETE, self._type.name)

        references = self._relationships.references_to(self._type)
        refers_to_itself = any(each.source is self._type for each in references)

        def unit(work: UnitOfWork) -> int:
            count = 0
            for entity in watch(self._entities(work, targets)):
                if refers_to_itself:  # the deletion of another one may have changed it
                    entity = work.repository(self._type).get(entity.id)
                remove_entity(work, self._relationships, self._type, entity)
                count += 1
            return count

        return self._run(context, unit, for_update=True)

    def erase(
        self,
        targets: Targets,
        context: Context,
        watch: Watch = iter,
        *,
        subjects: Sequence[str] = (),
    ) -> int:
        """Erases the entities, as `Commands.erase` does, and returns their number.

        An id can be the id of a deleted entity. Each batch of entities reads the audit log once.
        """
        self._policy.authorize(context.principal, Action.ERASE, self._type.name)

        def unit(work: UnitOfWork) -> int:
            count = 0
            ids = iter(watch(self._ids_to_erase(work, targets)))
            while batch := list(islice(ids, _ERASED_AT_ONCE)):
                for entity_id in batch:
                    remove_existing(work, self._relationships, self._type, entity_id)
                erase_values(work, self._type, batch, subjects=subjects)
                count += len(batch)
            return count

        return self._run(context, unit, for_update=True)

    def _entities(self, work: UnitOfWork, targets: Targets) -> Iterator[E]:
        """Yields the entities by id, so that units that lock the same entities cannot deadlock."""
        restart_deadline(BULK_SECONDS)
        entities = work.repository(self._type)
        if isinstance(targets, Search):
            yield from walk(entities.page, replace(targets, ordering=(Order("id"),)))
        else:
            yield from map(entities.get, sorted(_ids(targets)))

    def _ids_to_erase(self, work: UnitOfWork, targets: Targets) -> Iterator[int]:
        if isinstance(targets, Search):
            yield from (entity.id for entity in self._entities(work, targets))
        else:
            restart_deadline(BULK_SECONDS)
            yield from sorted(_ids(targets))


def _ids(targets: Targets) -> Sequence[int]:
    """Returns the distinct ids in their order, or no ids for a search."""
    return () if isinstance(targets, Search) else tuple(dict.fromkeys(targets))
