"""Commands on the entities of any type: create, change, delete, erase."""

from collections.abc import Collection, Container, Mapping
from types import MappingProxyType
from typing import Any, Final, Generic

from application.access import Action, Policy, ScopePolicy
from application.entities import E, EntityType, N
from application.erasure import erase_values, remove_existing
from application.ports import Context, UnitOfWork, UnitRunner
from application.relationship_commands import (
    RelatedEntities,
    RelatedIds,
    Replacement,
    get_with_related,
    referred_ids,
    remove_entity,
    replace_links,
    require_all_related,
)
from application.relationships import NO_RELATIONSHIPS, Relationships, ToMany, ToOne
from domain.attributes import EntityChanges, StaleVersion

_NO_IDS: Final[RelatedIds] = MappingProxyType({})


class Commands(Generic[N, E]):
    """Commands on one entity. Each method is one unit of work.

    `expected` contains the versions that the caller accepts; None accepts any version. `related`
    has the complete new lists of to-many relationships, by name.

    Each method raises the errors of the policy: InsufficientScope and SubjectRequired. Methods that
    relate entities raise RelatedNotFound if a related entity does not exist. They raise
    ReplacementTooLarge if a list has more than `replaceable` ids. Each method raises
    TooManyLinks if it changes more pairs than the context allows.
    """

    def __init__(
        self,
        entity_type: EntityType[N, E],
        run: UnitRunner,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
        relationships: Relationships = NO_RELATIONSHIPS,
        replaceable: int | None = None,
    ) -> None:
        self._type = entity_type
        self._run = run
        self._policy = policy
        self._relationships = relationships
        self._to_one = relationships.to_one(entity_type)
        self._is_related = bool(
            relationships.of(entity_type) or relationships.references_to(entity_type)
        )
        self._replaceable = replaceable

    def create(self, new: N, context: Context, *, related: RelatedIds = _NO_IDS) -> E:
        """Creates an entity.

        Raises the KeyTaken error of a unique key, such as EmailTaken, if another entity has the
        key.
        """
        self._authorize(context, Action.CREATE)
        self._authorize_links(context, related)

        def unit(work: UnitOfWork) -> E:
            references = {each.name: getattr(new, each.name) for each in self._to_one}
            require_all_related(work, self._related(references, related))
            entity = work.repository(self._type).add(new, at=work.now)
            for relationship, ids in self._lists(related):
                change = work.links(relationship).change(entity.id, add=ids)
                work.link_count.add(len(change.added))
            return entity

        return self._run(context, unit)

    def change(
        self,
        entity_id: int,
        changes: EntityChanges,
        context: Context,
        *,
        expected: Container[int] | None = None,
        related: RelatedIds = _NO_IDS,
    ) -> E:
        """Changes an entity, and returns it.

        Raises NotFound if it does not exist, and StaleVersion if its version is not expected.
        Raises ReadOnly if a read-only attribute would change, and the KeyTaken error of a unique
        key if another entity has the key.
        """
        self._authorize(context, Action.CHANGE, changes.attributes)
        self._authorize_links(context, related)

        def unit(work: UnitOfWork) -> E:
            return self._change(work, entity_id, changes, expected, related)

        return self._run(context, unit)

    def set_reference(
        self,
        entity_id: int,
        reference: ToOne,
        related_id: int | None,
        context: Context,
        *,
        expected: Container[int] | None = None,
    ) -> E:
        """Changes a to-one relationship of an entity, and returns the entity.

        Raises NotFound, StaleVersion and RelatedNotFound.
        """
        self._policy.authorize_relationship(context.principal, Action.CHANGE, reference)
        changes = self._type.changes({reference.name: related_id})

        def unit(work: UnitOfWork) -> E:
            return self._change(work, entity_id, changes, expected, _NO_IDS)

        return self._run(context, unit)

    def lock(self, entity_ids: Collection[int], context: Context) -> None:
        """Locks the entities that exist, if the commands are part of an open unit of work."""
        self._run(context, lambda work: work.repository(self._type).lock(entity_ids))

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
            remove_entity(work, self._relationships, self._type, entity)

        self._run(context, unit, for_update=self._is_related)

    def erase(
        self,
        entity_id: int,
        context: Context,
        *,
        expected: Container[int] | None = None,
        subjects: Collection[str] = (),
    ) -> None:
        """Deletes the entity if it still exists, and erases its personal values everywhere.

        See application.erasure.erase_values.

        Raises NotFound if there is neither the entity nor an event about it. Raises StaleVersion if
        the version of the entity is not expected, or if a version is expected of a deleted entity.
        """
        self._authorize(context, Action.ERASE)

        def unit(work: UnitOfWork) -> None:
            existed = remove_existing(work, self._relationships, self._type, entity_id, expected)
            erase_values(work, self._type, [entity_id], subjects=subjects)
            if not existed and expected is not None:
                raise StaleVersion

        self._run(context, unit, for_update=self._is_related)

    def _authorize(
        self, context: Context, action: Action, attributes: Collection[str] = ()
    ) -> None:
        self._policy.authorize(context.principal, action, self._type.name, attributes)

    def _authorize_links(self, context: Context, related: RelatedIds) -> None:
        for relationship, _ in self._lists(related):
            self._policy.authorize_relationship(context.principal, Action.CREATE, relationship)

    def _change(
        self,
        work: UnitOfWork,
        entity_id: int,
        changes: EntityChanges,
        expected: Container[int] | None,
        related: RelatedIds,
    ) -> E:
        entities = work.repository(self._type)
        all_related = self._related(changes.attributes, related)
        before: E = get_with_related(work, self._type, entity_id, all_related)
        before.require_version(expected)
        after = before.with_changes(changes, at=work.now)
        for relationship, ids in self._lists(related):
            to = Replacement(relationship, ids, self._replaceable)
            change = replace_links(work, entity_id, to)
            work.link_count.add(len(change.added) + len(change.removed))
        return before if after is before else entities.save(after, before=before)

    def _lists(self, related: RelatedIds) -> list[tuple[ToMany, Collection[int]]]:
        if not related:
            return []
        to_many = self._relationships.to_many(self._type)
        return [(each, related[each.name]) for each in to_many if each.name in related]

    def _related(self, attributes: Mapping[str, Any], related: RelatedIds) -> RelatedEntities:
        """Returns the entities to which the attributes and the lists refer."""
        return [*self._lists(related), *referred_ids(self._to_one, attributes)]
