"""Groups of users, and the rules of their attributes."""

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
    reference,
)

NAME_LENGTH: Final = 250
DESCRIPTION_LENGTH: Final = 500

RULES: Final[Mapping[str, Rule]] = {
    "name": partial(text.folded_line, max_length=NAME_LENGTH),
    "description": partial(text.multiple_lines, max_length=DESCRIPTION_LENGTH),
    "owner": reference,
}
GROUP_ATTRIBUTES: Final = AttributeRules(
    RULES,
    required=("name",),
    nullable=frozenset(("description", "owner")),
    references=frozenset(("owner",)),
)


class GroupNotFound(EntityNotFound):
    """No group has that id or name."""

    code = "group_not_found"
    noun = "group"
    meaning = "The group does not exist, or was deleted."


class NameTaken(KeyTaken):
    """Another group has a name with the same folded form."""

    code = "name_taken"
    noun = "group"
    attribute = "name"
    meaning = (
        "Another group has this name. Letter case, width and Unicode normalization are ignored."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup(NewEntity):
    """The attributes of a group to be created. Raises Invalid with all violations.

    `owner` is the id of a user.
    """

    RULES = GROUP_ATTRIBUTES

    name: str
    description: str | None = None
    owner: int | None = None


class GroupChanges(EntityChanges):
    """New values of some attributes of a group. Raises Invalid with all violations."""

    __slots__ = ()
    RULES = GROUP_ATTRIBUTES


class _GroupFields(NamedTuple):
    id: int
    name: str
    description: str | None
    owner: int | None
    creation_time: datetime
    update_time: datetime
    version: int


class Group(Versioned, _GroupFields):
    """A group that exists. It does not contain its members: see application.relationships.

    `version` starts at 1 and increases by one with each change of an attribute or of the owner.
    Times are UTC with milliseconds.
    """

    __slots__ = ()
