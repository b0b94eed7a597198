"""Users and their rules: the one place where they are written."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from domain import text
from domain.errors import Conflict, Forbidden, Invalid, NotFound, Problem, Stale, Violation

EMAIL_LENGTH: Final = 250
NAME_LENGTH: Final = 250
ROLE_LENGTH: Final = 50

RULES: Final[Mapping[str, Callable[[object], Problem | None]]] = {
    "email": partial(text.email, longest=EMAIL_LENGTH),
    "name": partial(text.single_line, longest=NAME_LENGTH),
    "is_active": text.boolean,
    "role": partial(text.slug, longest=ROLE_LENGTH),
}
REQUIRED: Final = ("email", "name")
PERSONAL_DATA: Final = frozenset(("email", "name"))
"""What tells who somebody is."""
_REQUIRED: Final = frozenset(REQUIRED)
_VALUES: Final = attrgetter(*RULES)

_UNKNOWN = Problem("unknown_attribute", "is no attribute of a user that can be set")
_MISSING = Problem("missing", "is required")
_NOTHING: Mapping[str, object] = MappingProxyType({})


class UserNotFound(NotFound):
    """There is no user of that id or email."""

    code = "user_not_found"

    def __init__(self, wanted: object) -> None:
        super().__init__(f"There is no user {wanted}.")


class EmailTaken(Conflict):
    """Another user has an email with the same key, which means the same mailbox."""

    code = "email_taken"
    attribute = "email"

    def __init__(self) -> None:
        super().__init__("Another user has this email.")


class ReadOnly(Forbidden):
    """Only the service sets the attribute."""

    code = "read_only"

    def __init__(self, attribute: str) -> None:
        super().__init__(f"{attribute} is set by the service and can't be changed.")
        self.attribute = attribute


class StaleVersion(Stale):
    """The user's version is not one that the request accepts."""

    code = "stale_version"

    def __init__(self, version: int | None = None) -> None:
        super().__init__("The user has been changed since; read it again.")
        self.version = version


def _violation(attributes: Mapping[str, object]) -> list[Violation]:
    """The values that break their rules, in the order of the rules."""
    return _check((name, attributes[name]) for name in RULES if name in attributes)


def _check(values: Iterable[tuple[str, object]]) -> list[Violation]:
    return [Violation(name, wrong) for name, value in values if (wrong := RULES[name](value))]


def _unknown(attributes: Mapping[str, object]) -> Iterator[Violation]:
    """The attributes without a rule, one by one: there may be many, of which few are listed."""
    return (Violation(name, _UNKNOWN) for name in attributes if name not in RULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What its creator decides about a user. Checked, always: Invalid names every broken rule."""

    email: str
    name: str
    is_active: bool = False
    role: str = "user"

    def __post_init__(self) -> None:
        if wrong := _check(zip(RULES, _VALUES(self), strict=True)):
            raise Invalid(wrong)

    @classmethod
    def of(
        cls, attributes: Mapping[str, Any], claimed: Mapping[str, object] = _NOTHING
    ) -> "NewUser":
        """A new user out of attributes that nobody has looked at yet.

        `claimed` are the read-only attributes that were sent along: none of them has a value
        yet, so that only null agrees. Raises Invalid, then ReadOnly.
        """
        if not _REQUIRED <= attributes.keys() <= RULES.keys():
            missing = [Violation(name, _MISSING) for name in REQUIRED if name not in attributes]
            raise Invalid(chain(missing, _violation(attributes), _unknown(attributes)))
        new = cls(**attributes)
        if claimed:
            _check_read_only(claimed, {})
        return new


@dataclass(frozen=True, slots=True)
class UserChanges:
    """What is to become different about a user; a name that is there is a change.

    Checked, always: Invalid names every broken rule. Whether it then differs from the user, and
    whether the read-only attributes that were `claimed` agree with it, User.changed finds out.
    """

    attributes: Mapping[str, Any]
    read_only: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        broken = _violation(self.attributes)
        if broken or not self.attributes.keys() <= RULES.keys():
            raise Invalid(chain(broken, _unknown(self.attributes)))


class User(NamedTuple):
    """A user that exists. A tuple, since a page is made of up to a thousand of them.

    Not checked on loading: a rule made stricter today must not hide yesterday's rows.
    `version` begins at 1 and grows by one with each change. Times are UTC, in milliseconds.
    """

    id: int
    email: str
    name: str
    is_active: bool
    role: str
    creation_time: datetime
    update_time: datetime
    version: int

    @property
    def email_key(self) -> str:
        """What identifies the mailbox: see domain.text.email_key."""
        return text.email_key(self.email)

    def require_version(self, versions: Container[int] | None) -> None:
        """StaleVersion unless the user stands at one of the versions; None means any."""
        if versions is not None and self.version not in versions:
            raise StaleVersion(self.version)

    def with_changes(self, changes: UserChanges, *, at: datetime) -> "User":
        """The user after the changes, or the very same object where nothing differs.

        Raises ReadOnly where a claimed read-only attribute is not what the user has.
        """
        _check_read_only(changes.read_only, self._asdict())
        if all(getattr(self, name) == value for name, value in changes.attributes.items()):
            return self
        # A clock that was set back must not make a change look older than what it changed.
        later = max(at, self.update_time)
        return self._replace(**changes.attributes, update_time=later, version=self.version + 1)


def _check_read_only(claimed: Mapping[str, object], current: Mapping[str, object]) -> None:
    """ReadOnly for the first claim that is not the current value.

    update_time is free of this: clients send back what they once read, and it moves with every
    change.
    """
    for name, value in claimed.items():
        if name != "update_time" and value != current.get(name):
            raise ReadOnly(name)
