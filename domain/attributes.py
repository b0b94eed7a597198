"""The attributes of any entity: the rules of their values, read-only attributes, and versions."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from types import MappingProxyType
from typing import Any, ClassVar, Final, Protocol, TypeVar

from domain.errors import Conflict, Forbidden, Invalid, NotFound, Problem, Stale, Violation

Rule = Callable[[object], Problem | None]
"""Checks a value. Returns the problem, or None if the value is valid."""

UNKNOWN: Final = Problem("unknown_attribute", "is not a settable attribute")
MISSING: Final = Problem("missing", "is required")
NULL: Final = Problem("wrong_type", "must have a value")


def reference(value: object) -> Problem | None:
    """Requires the id of an entity. The store checks that the entity exists."""
    return None if type(value) is int else Problem("wrong_type", "must be an id")


class EntityNotFound(NotFound):
    """No entity of the type has the id or the key. Derive a class with a code for each type.

    `noun` is the word for one entity, and `meaning` explains the code to clients.
    """

    noun: ClassVar[str]
    meaning: ClassVar[str]

    def __init__(self, key: object) -> None:
        super().__init__(f"There is no {self.noun} {key}.")


class KeyTaken(Conflict):
    """Another entity has the same unique key. Derive a class with a code for each key.

    `noun` is the word for one entity, and `meaning` explains the code to clients.
    """

    noun: ClassVar[str]
    meaning: ClassVar[str]
    attribute: str

    def __init__(self) -> None:
        super().__init__(f"Another {self.noun} has this {self.attribute}.")


class ReadOnly(Forbidden):
    """Only the service sets the attribute. `others` are the names of further such attributes."""

    code = "read_only"

    def __init__(self, attribute: str, *others: str) -> None:
        super().__init__(f"{attribute} is set by the service and can't be changed.")
        self.attribute = attribute
        self.others = tuple(map(ReadOnly, others))


class StaleVersion(Stale):
    """The version of the entity is not one that the request accepts."""

    code = "stale_version"

    def __init__(self, version: int | None = None) -> None:
        super().__init__("The resource has been changed since; read it again.")
        self.version = version


@dataclass(frozen=True, slots=True)
class AttributeRules:
    """The settable attributes of an entity, and the rule of each.

    `nullable` attributes also accept None. `personal` attributes describe a person: an erasure
    removes them, and cursors do not show them. `secret` attributes can be set, but not read.
    `references` hold the id of another entity, or None: clients see them as relationships.
    """

    rules: Mapping[str, Rule]
    required: tuple[str, ...] = ()
    nullable: frozenset[str] = frozenset()
    personal: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    references: frozenset[str] = frozenset()
    readable: tuple[str, ...] = field(init=False)
    """The attributes that are not secret."""
    _required: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        readable = tuple(name for name in self.rules if name not in self.secret)
        object.__setattr__(self, "readable", readable)
        object.__setattr__(self, "_required", frozenset(self.required))

    def violations(self, values: Mapping[str, object]) -> list[Violation]:
        """Returns the violations, in the order of the rules. Ignores attributes without a rule."""
        return self.check((name, values[name]) for name in self.rules if name in values)

    def check(self, values: Iterable[tuple[str, object]]) -> list[Violation]:
        """Returns the violations. Raises KeyError if an attribute has no rule."""
        violations = []
        for name, value in values:
            problem = self.rules[name](value)
            if problem and not (value is None and name in self.nullable):
                violations.append(Violation(name, problem))
        return violations

    def fit_new(self, values: Mapping[str, object]) -> bool:
        """Returns True if all required attributes are present, and each attribute has a rule."""
        return values.keys() >= self._required and self.rules.keys() >= values.keys()

    def check_new(self, values: Mapping[str, object]) -> None:
        """Raises Invalid if the attributes are not those of a valid new entity."""
        broken = self.violations(values)
        if broken or not self.fit_new(values):
            missing = [Violation(name, MISSING) for name in self.required if name not in values]
            raise Invalid(chain(missing, broken, self._unknown(values)))

    def check_changes(self, values: Mapping[str, object]) -> None:
        """Raises Invalid if a value is invalid or an attribute is unknown."""
        broken = self.violations(values)
        if broken or not self.rules.keys() >= values.keys():
            raise Invalid(chain(broken, self._unknown(values)))

    def _unknown(self, values: Mapping[str, object]) -> Iterator[Violation]:
        """Returns an iterator of a violation for each unknown attribute.

        It is lazy, because there may be many attributes and an error lists only some of them.
        """
        return (Violation(name, UNKNOWN) for name in values if name not in self.rules)


_NO_ATTRIBUTES: Final[Mapping[str, object]] = MappingProxyType({})


class NewEntity:
    """The attributes of an entity that does not exist yet.

    Mix it into a dataclass that has a field for each attribute of its RULES. An instance is always
    valid: the constructor raises Invalid with all violations.
    """

    __slots__ = ()
    RULES: ClassVar[AttributeRules]

    def __post_init__(self) -> None:
        broken = [
            (name, value)
            for name, rule in self.RULES.rules.items()
            if rule(value := getattr(self, name))
        ]
        if broken and (violations := self.RULES.check(broken)):
            raise Invalid(violations)


N = TypeVar("N", bound=NewEntity)


def new_entity(
    kind: type[N], attributes: Mapping[str, Any], read_only: Mapping[str, object] = _NO_ATTRIBUTES
) -> N:
    """Creates a new entity. Attributes that are absent get their defaults.

    `read_only` contains the read-only attributes of the request. A new entity has no values for
    them, so only null is accepted. Raises Invalid if an attribute is missing, unknown or invalid;
    otherwise ReadOnly if a read-only attribute is not null.

    This is not a method, because an attribute may have the name of any method.
    """
    if not kind.RULES.fit_new(attributes):
        kind.RULES.check_new(attributes)
    new = kind(**attributes)
    if read_only:
        check_read_only(read_only, _NO_ATTRIBUTES)
    return new


@dataclass(frozen=True, slots=True)
class EntityChanges:
    """New values of some attributes, and read-only attributes that must equal the current ones.

    Derive a class with RULES for each entity. An instance is always valid: the constructor raises
    Invalid with all violations. Versioned.with_changes compares the read-only attributes.
    """

    RULES: ClassVar[AttributeRules]

    attributes: Mapping[str, Any]
    read_only: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.RULES.check_changes(self.attributes)


class _Record(Protocol):
    """The named tuple that Versioned is mixed into."""

    @property
    def version(self) -> int: ...

    @property
    def update_time(self) -> datetime: ...

    def _asdict(self) -> dict[str, Any]: ...

    @property
    def _replace(self) -> Callable[..., Any]: ...


R = TypeVar("R", bound=_Record)


class Versioned:
    """The methods of every entity. Mix it into a named tuple with a version and update_time."""

    __slots__ = ()

    def require_version(self: _Record, versions: Container[int] | None) -> None:
        """Raises StaleVersion if the entity's version is not in `versions`. None accepts any."""
        if versions is not None and self.version not in versions:
            raise StaleVersion(self.version)

    def with_changes(self: R, changes: EntityChanges, *, at: datetime) -> R:
        """Returns the changed entity, or the same object if nothing differs.

        Raises ReadOnly if a read-only attribute of the changes differs from the current one.
        """
        if changes.read_only:
            check_read_only(changes.read_only, self._asdict())
        if all(is_same(getattr(self, name), value) for name, value in changes.attributes.items()):
            return self
        # If the clock was set back, update_time must not decrease.
        later = max(at, self.update_time)
        changed: R = self._replace(
            **changes.attributes, update_time=later, version=self.version + 1
        )
        return changed


def is_same(one: object, other: object) -> bool:
    """Returns True if two values of an attribute are the same.

    Python also takes 1, 1.0 and True for equal, which are different JSON values.
    """
    if one != other or type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return all(is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return all(map(is_same, one, other))
    return True


def check_read_only(sent: Mapping[str, object], current: Mapping[str, object]) -> None:
    """Raises ReadOnly with all attributes that differ from their current values.

    update_time is exempt: it changes with every update, and clients send back a value that they
    have read before.
    """
    changed = [
        name for name, value in sent.items() if name != "update_time" and value != current.get(name)
    ]
    if changed:
        raise ReadOnly(*changed)
