"""Types of entities, for the generic use cases and stores."""

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
    """An entity that exists: an immutable named tuple with domain.attributes.Versioned."""

    @property
    def id(self) -> int: ...

    @property
    def version(self) -> int: ...

    @property
    def creation_time(self) -> datetime: ...

    @property
    def update_time(self) -> datetime: ...

    def require_version(self, versions: Any) -> None:
        """Raises StaleVersion if the version is not in `versions`. None accepts any."""

    def with_changes(self, changes: EntityChanges, *, at: datetime) -> Self:
        """Returns the changed entity, or the same object if nothing differs. Raises ReadOnly."""


N = TypeVar("N", bound=NewEntity)
E = TypeVar("E", bound=Entity)


def _identity(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """An attribute that is unique among the entities of a type.

    `key_of` returns the key by which values are compared. `taken` is the error if another entity
    has the key. `key_attribute` is the attribute in which stores hold the key; None means the
    attribute itself. Any number of entities can have null. Without `is_text`, the values are
    not text, and commands and files refer to an entity by its id.
    """

    attribute: str
    taken: type[KeyTaken]
    key_of: Callable[[Any], Any] = _identity
    key_attribute: str | None = None
    is_text: bool = True

    @property
    def search_attribute(self) -> str:
        """The attribute of the condition that finds the key."""
        return self.key_attribute or self.attribute


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A personal attribute that identifies a person: entities with the same value are one person.

    `prefix_of` returns the text with which a value begins in each of its forms. Searches use it to
    find candidates quickly.
    """

    attribute: str
    prefix_of: Callable[[str], str]


@dataclass(frozen=True, slots=True, eq=False)
class EntityType(Generic[N, E]):
    """A type of entities.

    `name` is the type in JSON:API documents, the audit log and scopes, such as "users". `entity`
    is the named tuple; its fields are `id`, the attributes, `creation_time`, `update_time` and
    `version`. The first key in `unique` is the one by which imports and the command line find an
    entity. With a `person_key`, the erasure of an entity also erases deleted entities of the same
    person. `folded_forms` returns the forms of a personal value; two values are equal if they have
    a form in common.
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
    def reference(self) -> str:
        """The attribute by which files of pairs refer to an entity: unique text, or the id."""
        key = self.text_key
        return "id" if key is None or key.attribute in self.rules.nullable else key.attribute

    @property
    def text_key(self) -> UniqueKey | None:
        """The key by which a text refers to an entity: the first one, if it is text."""
        return next((each for each in self.unique[:1] if each.is_text), None)

    @property
    def rules(self) -> AttributeRules:
        """The rules of the attributes."""
        return self.new.RULES

    @property
    def errors(self) -> tuple[type[EntityNotFound | KeyTaken], ...]:
        """The error classes that are specific to the type."""
        return (self.not_found, *(each.taken for each in self.unique))


AnyType = EntityType[Any, Any]
