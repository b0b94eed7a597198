"""Users, and the rules of their attributes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from domain import text
from domain.attributes import (
    AttributeRules,
    EntityChanges,
    EntityNotFound,
    KeyTaken,
    NewEntity,
    Rule,
    Versioned,
)

NAME_LENGTH: Final = 250
ROLE_LENGTH: Final = 50

RULES: Final[Mapping[str, Rule]] = {
    "email": partial(text.email, max_length=text.EMAIL_LENGTH),
    "name": partial(text.single_line, max_length=NAME_LENGTH),
    "is_active": text.boolean,
    "role": partial(text.slug, max_length=ROLE_LENGTH),
}
REQUIRED: Final = ("email", "name")
PERSONAL_DATA: Final = frozenset(("email", "name"))
"""The attributes that identify a person."""
USER_ATTRIBUTES: Final = AttributeRules(RULES, required=REQUIRED, personal=PERSONAL_DATA)


class UserNotFound(EntityNotFound):
    """No user has that id or email."""

    code = "user_not_found"
    noun = "user"
    meaning = "The user does not exist, or was deleted."


class EmailTaken(KeyTaken):
    """Another user has an email with the same key: it is the same mailbox."""

    code = "email_taken"
    noun = "user"
    attribute = "email"
    meaning = "Another user has this mailbox. Letter case and the form of the domain are ignored."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser(NewEntity):
    """The attributes of a user to be created. Raises Invalid with all violations."""

    RULES = USER_ATTRIBUTES

    email: str
    name: str
    is_active: bool = False
    role: str = "user"


class UserChanges(EntityChanges):
    """New values of some attributes of a user. Raises Invalid with all violations."""

    __slots__ = ()
    RULES = USER_ATTRIBUTES


class _UserFields(NamedTuple):
    id: int
    email: str
    name: str
    is_active: bool
    role: str
    creation_time: datetime
    update_time: datetime
    version: int


class User(Versioned, _UserFields):
    """A user that exists. It is a tuple because a page has up to a thousand users.

    It is not validated when it is loaded: after a rule becomes stricter, existing rows remain
    readable. `version` starts at 1 and increases by one with each change. Times are UTC with
    milliseconds.
    """

    __slots__ = ()

    @property
    def email_key(self) -> str:
        """The key that identifies the mailbox: see domain.text.email_key."""
        return text.email_key(self.email)
