"""Erases the personal values of entities in a unit of work (docs/decisions/0043-erasure.md)."""

from collections.abc import Collection, Container, Sequence
from typing import Any

from application.entities import AnyType
from application.ports import Repository, UnitOfWork
from application.relationship_commands import remove_entity
from application.relationships import Relationships
from domain.errors import NotFound


def remove_existing(
    work: UnitOfWork,
    relationships: Relationships,
    entity_type: AnyType,
    entity_id: int,
    expected: Container[int] | None = None,
) -> bool:
    """Removes the entity. Returns False if it does not exist.

    Raises StaleVersion if its version is not expected.
    """
    try:
        entity = work.repository(entity_type).get(entity_id)
    except NotFound:
        return False
    entity.require_version(expected)
    remove_entity(work, relationships, entity_type, entity)
    return True


def erase_values(
    work: UnitOfWork, entity_type: AnyType, ids: Sequence[int], *, subjects: Collection[str] = ()
) -> None:
    """Erases the personal values of removed entities from the audit log and stored responses.

    The values of other deleted entities with the same person keys are also erased. An actor is
    erased if it equals one of these values or of `subjects`, or contains an email that is among
    them.

    Raises NotFound if there is no event about one of the entities.
    """
    erased = [*ids, *_deleted_of_same_persons(work, entity_type, ids)]
    values = _values_of_persons(work, entity_type, erased)
    unknown = work.audit.erase(entity_type, erased, actors=subjects)
    for each in ids:
        if each in unknown:
            raise entity_type.not_found(each)
    for each in erased:
        work.idempotency.erase(entity_type.name, each)
    work.react_to_erasure(entity_type, values)


def _deleted_of_same_persons(
    work: UnitOfWork, entity_type: AnyType, ids: Sequence[int]
) -> list[int]:
    """Returns the ids of other deleted entities that had the same person keys."""
    if (key := entity_type.person_key) is None:
        return []
    others = work.audit.others_with(entity_type, ids, key.attribute, key.prefix_of)
    entities = work.repository(entity_type)
    return [other for other in others if not _exists(entities, other)]


def _values_of_persons(work: UnitOfWork, entity_type: AnyType, ids: Sequence[int]) -> set[str]:
    """Returns all values that the attribute of the person key ever had."""
    if (key := entity_type.person_key) is None:
        return set()
    return {
        value for each in ids for value in work.audit.values_of(entity_type, each, key.attribute)
    }


def _exists(entities: Repository[Any, Any], entity_id: int) -> bool:
    try:
        entities.get(entity_id)
    except NotFound:
        return False
    return True
