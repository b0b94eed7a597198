"""Types of entities: what generic use cases and stores need to know of each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, Self, TypeVar

from domain.attributes import (
    AttributeRules,
    EntityChanges,
    EntityNotFound,
    KeyTaken,
    NewEntity,
)


class Entity(Protocol):
    """An entity that exists: an immutable named tuple, with domain.attributes.Versioned."""

    @property
    def id(self) -> int: ...

    @property
    def version(self) -> int: ...

    @property
    def creation_time(self) -> datetime: ...

    @property
    def update_time(self) -> datetime: ...

    def require_version(self, versions: Any) -> None: ...

    def with_changes(self, changes: EntityChanges, *, at: datetime) -> Self: ...


N = TypeVar("N", bound=NewEntity)
E = TypeVar("E", bound=Entity)


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """An attribute by which no two entities may be the same.

    `key_of` computes the key of a value, by which values are compared. `taken` is the error if
    another entity has the key. `key_attribute` is the attribute by which stores find the key; by
    default, the attribute itself. Null values are never the same.
    """

    attribute: str
    taken: type[KeyTaken]
    key_of: Callable[[Any], Any] = _same
    key_attribute: str | None = None

    @property
    def searched_as(self) -> str:
        """The attribute that a search for the key names."""
        return self.key_attribute or self.attribute


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A personal attribute that identifies a person: entities with the same value are the same.

    `prefix_of` is the text with which a value begins in each of its forms, to find it quickly.
    """

    attribute: str
    prefix_of: Callable[[str], str]


@dataclass(frozen=True, slots=True, eq=False)
class EntityType(Generic[N, E]):
    """A type of entities.

    `name` is the type in JSON:API documents, the audit log and scopes, such as "users". `entity`
    is the named tuple; its fields are `id`, the attributes, `creation_time`, `update_time` and
    `version`. `folded_forms` are
    the forms of a personal value: two values are the same if they share one. `unique` starts with
    the key by which imports and the command line find an entity. With a `person_key`, erasing an
    entity also erases deleted ones of the same person.
    """

    name: str
    new: type[N]
    changes: type[EntityChanges]
    entity: type[E]
    not_found: type[EntityNotFound]
    unique: tuple[UniqueKey, ...] = ()
    person_key: PersonKey | None = None
    folded_forms: Callable[[str], frozenset[str]] = lambda value: frozenset({value})

    @property
    def rules(self) -> AttributeRules:
        """The rules of its attributes."""
        return self.new.RULES

    @property
    def errors(self) -> tuple[type[EntityNotFound | KeyTaken], ...]:
        """The errors that only this type has."""
        return (self.not_found, *(each.taken for each in self.unique))


AnyType = EntityType[Any, Any]
