"""The kinds of refusal.

    RosterError
    ├── Invalid       what was sent breaks rules, each named by a Violation
    ├── Forbidden     it may not be done by anyone
    ├── NotFound      there is no such thing
    ├── Conflict      it contradicts what the directory holds
    ├── Stale         it was meant for another version
    └── Unavailable   it can't be done now (application.ports)

A way in (HTTP, the command line) decides by the kind what to answer; an aggregate derives its own
refusals from a kind and edits no table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Final

MOST_VIOLATIONS: Final = 1000
"""How many violations a refusal lists. Any others are counted."""
LONGEST_QUOTED: Final = 64
"""How many characters of a name that a client chose an error quotes."""


def shortened(name: str) -> str:
    """The name, or its beginning if it is too long to be quoted."""
    return name if len(name) <= LONGEST_QUOTED else f"{name[:LONGEST_QUOTED]}…"


class RosterError(Exception):
    """A refusal that Roster foresaw.

    `code` is stable, for programs; `detail` is a sentence for people; `attribute` names the
    attribute at fault, where there is one.
    """

    code: ClassVar[str]
    detail: str
    attribute: str | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a value: a stable code, and a sentence for people."""

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
    """What was sent breaks rules: all of them, not just the first.

    `violations` are the first MOST_VIOLATIONS; `omitted` is the number of the others.
    """

    code = "invalid"

    def __init__(self, violations: Iterable[Violation]) -> None:
        found = iter(violations)
        self.violations = tuple(islice(found, MOST_VIOLATIONS))
        self.omitted = sum(1 for _ in found)
        super().__init__(" ".join(map(str, self.violations)))


class Forbidden(RosterError):
    """It may not be done by anyone."""


class NotFound(RosterError):
    """There is no such thing."""


class Conflict(RosterError):
    """It contradicts what the directory holds."""


class Stale(RosterError):
    """A precondition of the request does not hold for the current version.

    `version` is the current version, if known.
    """

    code = "stale"
    version: int | None = None
