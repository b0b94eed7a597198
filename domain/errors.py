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
from typing import ClassVar


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
        return f"{self.problem.code}: {self.attribute} {self.problem.detail}."


class Invalid(RosterError):
    """What was sent breaks rules: all of them, not just the first."""

    code = "invalid"

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
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
