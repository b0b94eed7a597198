"""Commands on the entities of any type: create, change, delete, erase."""

from collections.abc import Collection, Container
from typing import Any, Generic

from application.access import Action, Policy, ScopePolicy
from application.entities import E, EntityType, N
from application.ports import Context, Repository, UnitOfWork, UnitRunner
from domain.attributes import EntityChanges, StaleVersion
from domain.errors import NotFound


class Commands(Generic[N, E]):
    """Commands on one entity. Each method is one unit of work.

    `expected` contains the versions that the caller accepts; None accepts any version. Each method
    raises the errors of the policy: InsufficientScope and SubjectRequired.
    """

    def __init__(
        self,
        entity_type: EntityType[N, E],
        run: UnitRunner,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._type = entity_type
        self._run = run
        self._policy = policy

    def create(self, new: N, context: Context) -> E:
        """Creates an entity.

        Raises the KeyTaken error of a unique key, such as EmailTaken, if another entity has the
        key.
        """
        self._authorize(context, Action.CREATE)

        def unit(work: UnitOfWork) -> E:
            return work.repository(self._type).add(new, at=work.now)

        return self._run(context, unit)

    def change(
        self,
        entity_id: int,
        changes: EntityChanges,
        context: Context,
        *,
        expected: Container[int] | None = None,
    ) -> E:
        """Changes an entity, and returns it.

        Raises NotFound if it does not exist, and StaleVersion if its version is not expected.
        Raises ReadOnly if a read-only attribute would change, and the KeyTaken error of a unique
        key if another entity has the key.
        """
        self._authorize(context, Action.CHANGE, changes.attributes)

        def unit(work: UnitOfWork) -> E:
            entities = work.repository(self._type)
            before = entities.get(entity_id)
            before.require_version(expected)
            after = before.with_changes(changes, at=work.now)
            return before if after is before else entities.save(after, before=before)

        return self._run(context, unit)

    def delete(
        self, entity_id: int, context: Context, *, expected: Container[int] | None = None
    ) -> None:
        """Deletes an entity.

        Raises NotFound if it does not exist, and StaleVersion if its version is not expected.
        """
        self._authorize(context, Action.DELETE)

        def unit(work: UnitOfWork) -> None:
            entities = work.repository(self._type)
            entity = entities.get(entity_id)
            entity.require_version(expected)
            entities.remove(entity)

        self._run(context, unit)

    def erase(
        self,
        entity_id: int,
        context: Context,
        *,
        expected: Container[int] | None = None,
        subjects: Collection[str] = (),
    ) -> None:
        """Deletes the entity if it still exists, and erases its personal values everywhere.

        The values are erased from the audit log and from stored responses. The values of deleted
        entities with the same person key are also erased. An actor is erased if it equals one of
        these values or of `subjects`, or contains an email that is among them.

        Raises NotFound if there is neither the entity nor an event about it. Raises StaleVersion if
        the version of the entity is not expected, or if a version is expected of a deleted entity.
        """
        self._authorize(context, Action.ERASE)

        def unit(work: UnitOfWork) -> None:
            existed = self._remove_existing(work, entity_id, expected)
            deleted = self._deleted_of_same_person(work, entity_id)
            if not work.audit.erase(self._type, entity_id, actors=subjects):
                raise self._type.not_found(entity_id)
            if not existed and expected is not None:
                raise StaleVersion
            work.idempotency.erase(self._type.name, entity_id)
            for each in deleted:
                work.audit.erase(self._type, each)
                work.idempotency.erase(self._type.name, each)

        self._run(context, unit)

    def _authorize(
        self, context: Context, action: Action, attributes: Collection[str] = ()
    ) -> None:
        self._policy.authorize(context.principal, action, self._type.name, attributes)

    def _deleted_of_same_person(self, work: UnitOfWork, entity_id: int) -> list[int]:
        """Returns the ids of deleted entities that had the same person key."""
        if (key := self._type.person_key) is None:
            return []
        others = work.audit.others_with(self._type, entity_id, key.attribute, key.prefix_of)
        entities = work.repository(self._type)
        return [other for other in others if not _exists(entities, other)]

    def _remove_existing(
        self, work: UnitOfWork, entity_id: int, expected: Container[int] | None
    ) -> bool:
        """Returns False if the entity does not exist. Raises StaleVersion."""
        entities = work.repository(self._type)
        try:
            entity = entities.get(entity_id)
        except NotFound:
            return False
        entity.require_version(expected)
        entities.remove(entity)
        return True


def _exists(entities: Repository[Any, Any], entity_id: int) -> bool:
    try:
        entities.get(entity_id)
    except NotFound:
        return False
    return True
