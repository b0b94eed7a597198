"""The kinds of error.

- Invalid: the input breaks rules, each named by a Violation.
- Forbidden: no one may do this.
- NotFound: the entity does not exist.
- Conflict: the request contradicts existing data.
- Stale: the request expects another version.
- Unavailable: the request can't be handled now (application.ports).

All derive from RosterError. The inbound adapters (HTTP, the command line) choose the response by
the kind. An aggregate derives its own errors from a kind, and needs no entry in a table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Final

MAX_VIOLATIONS: Final = 1000
"""The number of violations that an error lists. The others are only counted."""
MAX_QUOTED_LENGTH: Final = 64
"""The number of characters that an error quotes of a name that a client chose."""


def shortened(text: str, max_length: int = MAX_QUOTED_LENGTH) -> str:
    """Returns the text, or its beginning if it is too long to be quoted."""
    return text if len(text) <= max_length else f"{text[:max_length]}…"


class RosterError(Exception):
    """An expected error.

    `code` is stable, for programs; `detail` is a sentence for people; `attribute` is the name of
    the invalid attribute, if any. `others` are further errors of the same check.
    """

    code: ClassVar[str]
    detail: str
    attribute: str | None = None
    others: "tuple[RosterError, ...]" = ()

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason why a value is invalid: a stable code, and a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Violation:
    """An attribute that breaks its rule."""

    attribute: str
    problem: Problem

    def __str__(self) -> str:
        return f"{self.problem.code}: {shortened(self.attribute)} {self.problem.detail}."


class Invalid(RosterError):
    """The input breaks rules.

    `violations` lists the first MAX_VIOLATIONS; `omitted` is the number of the others.
    """

    def __init__(self, violations: Iterable[Violation]) -> None:
        remaining = iter(violations)
        self.violations = tuple(islice(remaining, MAX_VIOLATIONS))
        self.omitted = sum(1 for _ in remaining)
        super().__init__(" ".join(map(str, self.violations)))


class Forbidden(RosterError):
    """No one may do this."""


class NotFound(RosterError):
    """The entity does not exist."""


class Conflict(RosterError):
    """The request contradicts existing data."""


class Stale(RosterError):
    """A precondition of the request does not hold for the current version.

    `version` is the current version, if known.
    """

    version: int | None = None
