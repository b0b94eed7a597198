"""Commands on the entities of any type: create, change, delete, erase."""

from collections.abc import Collection, Container
from typing import Any, Generic

from application.access import Action, Policy, ScopePolicy
from application.entities import E, EntityType, N
from application.ports import Context, Repository, UnitOfWork, UnitRunner
from domain.attributes import EntityChanges, StaleVersion
from domain.errors import NotFound


class Commands(Generic[N, E]):
    """Each method is one unit of work: it happens completely or not at all.

    Each method raises the errors of the policy: InsufficientScope, SubjectRequired. `expected` are
    the versions that the caller accepts; None accepts any.
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
        """Create an entity. Raises the conflict of a unique key, such as EmailTaken."""
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
        """Change an entity, and return it.

        Raises NotFound, StaleVersion, ReadOnly, and the conflict of a unique key.
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
        """Delete an entity. Raises NotFound, StaleVersion."""
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
        """Delete the entity, if it still exists, and erase its personal values everywhere.

        They are erased from the audit log and from stored responses, including those of deleted
        entities that, by the type's person_key, were of the same person. The actor of an event is
        erased if it is one of these values or one of `subjects`, or contains one of the emails
        among them. Raises NotFound if there is neither the entity nor an event about it;
        StaleVersion if the entity is at another version than expected, or has been deleted although
        a version is expected.
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
        """The ids of deleted entities that had the same person key."""
        if (key := self._type.person_key) is None:
            return []
        others = work.audit.others_with(self._type, entity_id, key.attribute, key.prefix_of)
        entities = work.repository(self._type)
        return [other for other in others if not _exists(entities, other)]

    def _remove_existing(
        self, work: UnitOfWork, entity_id: int, expected: Container[int] | None
    ) -> bool:
        """Whether there was an entity to remove."""
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
