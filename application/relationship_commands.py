"""Changes of to-many relationships."""

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from application.access import Action, Policy, ScopePolicy
from application.entities import AnyType
from application.ports import Context, LinkChange, UnitOfWork, UnitRunner
from application.relationships import (
    RelatedNotFound,
    Relationship,
    Relationships,
    ReplacementTooLarge,
    ToMany,
    ToOne,
    fingerprint,
)
from application.search import Condition, Op, Search, walk
from domain.attributes import StaleVersion

LINKS_AT_ONCE: Final = 1000
MAX_FINGERPRINTED: Final = 1000
"""The number of related entities of the longest list that has a fingerprint."""
NO_FINGERPRINT: Final = ""
"""Stands for the fingerprint of a longer list."""

RelatedIds = Mapping[str, Collection[int]]
"""The complete new lists of to-many relationships, by name."""

RelatedEntities = Sequence[tuple[Relationship, Collection[int]]]
"""The ids of related entities, by relationship."""


class Replacement(NamedTuple):
    """The new list of a to-many relationship. `limit` is the maximum length of the old one."""

    relationship: ToMany
    ids: Collection[int]
    limit: int | None = None


class RelationshipCommands:
    """Changes the lists of one to-many relationship. Each method is one unit of work.

    Each method raises the errors of the policy, the NotFound of the source type, RelatedNotFound
    and TooManyLinks. It raises StaleVersion if `expected` does not contain the fingerprint of the
    list. None accepts any list.
    """

    def __init__(
        self,
        relationship: ToMany,
        run: UnitRunner,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._relationship = relationship
        self._run = run
        self._policy = policy

    def add(
        self,
        source_id: int,
        ids: Collection[int],
        context: Context,
        *,
        expected: Container[str] | None = None,
    ) -> LinkChange:
        """Adds the entities to the list. Entities that are already in it remain."""

        def change(work: UnitOfWork) -> LinkChange:
            return work.links(self._relationship).change(source_id, add=ids)

        return self._change(source_id, context, expected, change, required=ids)

    def remove(
        self,
        source_id: int,
        ids: Collection[int],
        context: Context,
        *,
        expected: Container[str] | None = None,
    ) -> LinkChange:
        """Removes the entities from the list. Entities that are not in it are ignored."""

        def change(work: UnitOfWork) -> LinkChange:
            return work.links(self._relationship).change(source_id, remove=ids)

        return self._change(source_id, context, expected, change)

    def replace(
        self,
        source_id: int,
        ids: Collection[int],
        context: Context,
        *,
        expected: Container[str] | None = None,
        limit: int | None = None,
    ) -> LinkChange:
        """Replaces the list with these entities.

        Raises ReplacementTooLarge if the list has more than `limit` entities.
        """

        def change(work: UnitOfWork) -> LinkChange:
            return replace_links(work, source_id, Replacement(self._relationship, ids, limit))

        return self._change(source_id, context, expected, change, required=ids)

    def _change(
        self,
        source_id: int,
        context: Context,
        expected: Container[str] | None,
        change: Callable[[UnitOfWork], LinkChange],
        required: Collection[int] = (),
    ) -> LinkChange:
        relationship = self._relationship
        self._policy.authorize_relationship(context.principal, Action.CHANGE, relationship)

        def unit(work: UnitOfWork) -> LinkChange:
            get_with_related(work, relationship.source, source_id, [(relationship, required)])
            if expected is not None:
                _require_list(work, relationship, source_id, expected)
            done = change(work)
            work.link_count.add(len(done.added) + len(done.removed))
            return done

        return self._run(context, unit)


def _require_list(
    work: UnitOfWork, relationship: ToMany, source_id: int, expected: Container[str]
) -> None:
    """Raises StaleVersion if the list does not have one of the fingerprints. Locks the list."""
    ids = work.links(relationship).lock(source_id, limit=MAX_FINGERPRINTED + 1)
    if (fingerprint(ids) if len(ids) <= MAX_FINGERPRINTED else NO_FINGERPRINT) not in expected:
        raise StaleVersion


def get_with_related(
    work: UnitOfWork, entity_type: AnyType, entity_id: int, related: RelatedEntities
) -> Any:
    """Returns the entity.

    Raises the NotFound of the type, or RelatedNotFound with everything in `related` that does not
    exist. Reads the entities of the target type of an association first. So units for update that
    relate entities from both ends do not deadlock.
    """
    later = [each for each in related if _is_inverse(each[0])]
    missing = _missing(work, [each for each in related if not _is_inverse(each[0])])
    entity = work.repository(entity_type).get(entity_id)
    _raise_all([*missing, *_missing(work, later)])
    return entity


def _is_inverse(relationship: Relationship) -> bool:
    return isinstance(relationship, ToMany) and not relationship.is_source


def referred_ids(
    references: Iterable[ToOne], attributes: Mapping[str, Any]
) -> list[tuple[Relationship, Collection[int]]]:
    """Returns the ids to which the attributes refer, by relationship. Null refers to nothing."""
    ids = ((reference, attributes.get(reference.name)) for reference in references)
    return [(reference, [entity_id]) for reference, entity_id in ids if entity_id is not None]


def require_all_related(work: UnitOfWork, related: RelatedEntities) -> None:
    """Raises RelatedNotFound with everything that does not exist, of all relationships."""
    _raise_all(_missing(work, related))


def _missing(work: UnitOfWork, related: RelatedEntities) -> list[RelatedNotFound]:
    """Returns an error for each relationship to entities that do not exist."""
    errors = []
    for relationship, ids in related:
        existing = work.repository(relationship.target).get_many(ids) if ids else ()
        if missing := set(ids) - {each.id for each in existing}:
            errors.append(RelatedNotFound(relationship, missing))
    return errors


def _raise_all(missing: Sequence[RelatedNotFound]) -> None:
    if missing:
        first, *others = missing
        raise RelatedNotFound(first.relationship, first.ids, tuple(others))


def replace_links(work: UnitOfWork, source_id: int, to: Replacement) -> LinkChange:
    """Replaces the list of a to-many relationship.

    The caller counts the changes, and has checked that the entities exist.
    """
    # An insertion locks the entities of both types. So units that replace lists of different ends
    # would deadlock if each locked its own end first.
    if to.relationship.is_source:
        work.repository(to.relationship.target).lock(to.ids, shared=True)
    links = work.links(to.relationship)
    longest = None if to.limit is None else to.limit + 1
    current = links.lock(source_id, limit=longest or _ANY_NUMBER)
    if to.limit is not None and len(current) > to.limit:
        raise ReplacementTooLarge(to.relationship, to.limit)
    wanted, related = frozenset(to.ids), frozenset(current)
    return links.change(source_id, add=wanted - related, remove=related - wanted)


def remove_entity(
    work: UnitOfWork, relationships: Relationships, entity_type: AnyType, entity: Any
) -> None:
    """Deletes an entity with its pairs, and sets the references to it to null.

    The unit must have locked the entity, so that no other unit relates anything to it meanwhile.
    Raises TooManyLinks.
    """
    # First the entities that refer to it: a change of their pairs locks them before the pairs.
    for reference in relationships.references_to(entity_type):
        holders = work.repository(reference.source)
        referring = Search((Condition(reference.name, Op.EQ, (entity.id,)),))
        to_null = reference.source.changes({reference.name: None})
        for holder in walk(holders.page, referring):
            work.link_count.add(1)
            changed = holders.save(holder.with_changes(to_null, at=work.now), before=holder)
            if reference.source is entity_type and holder == entity:  # it refers to itself
                entity = changed
    for relationship in relationships.to_many(entity_type):
        _remove_links(work, relationship, entity.id)
    work.repository(entity_type).remove(entity)


def _remove_links(work: UnitOfWork, relationship: ToMany, source_id: int) -> None:
    removed = LINKS_AT_ONCE
    while removed == LINKS_AT_ONCE:
        removed = work.links(relationship).remove_all(source_id, limit=LINKS_AT_ONCE)
        work.link_count.add(removed)


_ANY_NUMBER: Final = 2**31 - 1
