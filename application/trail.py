"""The trail: what happened to the things of the directory, when, and on whose behalf.

A store records every change that a unit of work makes, so that no use case can forget it; the
events are written in the transaction of the change.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

from application.search import Condition, Op, Page, Search, Slice

Changes = Mapping[str, Any]
"""By attribute {"from": …, "to": …}, null where there was or is none, or {"erased": true}. Of an
import: how many records came to what."""

ERASED: Final[Mapping[str, Any]] = {"erased": True}
"""What is left of an attribute's values: that there were some."""

_AT_ONCE: Final = 1000


class Action(StrEnum):
    """What happened."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    ERASED = "erased"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of things, and its attributes as the trail tells them; some are about a person."""

    type: str
    attributes: tuple[str, ...]
    personal: frozenset[str]


class Entity(Protocol):
    """What a change leaves, or finds."""

    @property
    def id(self) -> int: ...

    @property
    def version(self) -> int: ...


class NewEvent(NamedTuple):
    """What happened, as the unit in which it happened tells it.

    `subject_id` and `version` name the thing and its version then; an import has neither. A
    deletion bears the version after the last.
    """

    action: str
    subject_type: str
    subject_id: int | None
    version: int | None
    changes: Changes


class Event(NamedTuple):
    """An event of the audit log. The ids of events about one entity are in chronological order.

    `actor`, `actor_kind` and `actor_issuer` identify the principal that made the change. They are
    None on a service without access control. Events that were recorded before revision 0006 have
    an actor only.
    """

    id: int
    time: datetime
    actor: str | None
    actor_kind: str | None
    actor_issuer: str | None
    request_id: str | None
    action: str
    subject_type: str
    subject_id: int | None
    version: int | None
    changes: Changes


class Events(Protocol):
    """The events, as one unit of work writes them: with its time, its actor and its request."""

    def append(self, events: Sequence[NewEvent]) -> None:
        """Write them in their order."""

    def rewrite(
        self, subject_type: str, subject_id: int, rewritten: Callable[[Changes], Changes]
    ) -> int:
        """Put other changes into each event about a thing; gives the number of its events."""


class EventReader(Protocol):
    """The reading side: no unit of work, no locks. Raises Unavailable."""

    def page(self, search: Search) -> Page[Event]:
        """The events that the search asks for, at its place."""

    def after(self, position: int, *, size: int) -> Sequence[tuple[int, Event]]:
        """The first events after a position, which is 0 in the beginning, each with its own.

        Positions are settled once an event can be seen, and never change: whoever goes on after
        the last one that they saw misses none, however commits overtook one another.
        """


class History:
    """What happened to the things of a kind, also to those that are gone."""

    def __init__(
        self, kind: Kind, events: EventReader, must_exist: Callable[[int], object]
    ) -> None:
        self.kind = kind
        self._events = events
        self._must_exist = must_exist

    def page(self, subject_id: int, search: Search) -> Page[Event]:
        """What a search asks for that is `about` one thing.

        Of one without any events `must_exist` raises NotFound, unless it is there all the same:
        since before there was a trail. Raises Unavailable.
        """
        page = self._events.page(search)
        if not (page.items or self._is_known(subject_id)):
            self._must_exist(subject_id)
        return page

    def about(self, subject_id: int) -> tuple[Condition, ...]:
        """What holds for the events about one thing."""
        return (
            Condition("subject_type", Op.EQ, (self.kind.type,)),
            Condition("subject_id", Op.EQ, (subject_id,)),
        )

    def _is_known(self, subject_id: int) -> bool:
        return bool(self._events.page(Search(self.about(subject_id), place=Slice(1))).items)


class Trail:
    """What happens in one unit of work, written at its end, or sooner where it is much."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._pending: list[NewEvent] = []

    def changed(self, kind: Kind, before: Entity | None, after: Entity | None) -> None:
        """Tell that a thing came to be, became another, or is no more."""
        if before is None and after is not None:
            self._tell(Action.CREATED, kind, after.id, after.version, before, after)
        elif before is not None and after is None:
            self._tell(Action.DELETED, kind, before.id, before.version + 1, before, after)
        elif before is not None and after is not None and before != after:
            self._tell(Action.CHANGED, kind, after.id, after.version, before, after)

    def _tell(
        self, action: Action, kind: Kind, subject_id: int, version: int, *states: object
    ) -> None:
        changes = _differences(kind.attributes, *states)
        self.add(NewEvent(action.value, kind.type, subject_id, version, changes))

    def add(self, event: NewEvent) -> None:
        """Tell of something else than a change of one thing."""
        self._pending.append(event)
        if len(self._pending) >= _AT_ONCE:
            self.write()

    def erase(self, kind: Kind, subject_id: int) -> bool:
        """Forget the personal values that events about a thing hold, and tell that it was done.

        That they were there, and all else, stays. False where there are no events about it.
        """
        self.write()

        def erased(changes: Changes) -> Changes:
            return {**changes, **dict.fromkeys(kind.personal & changes.keys(), ERASED)}

        if not self._events.rewrite(kind.type, subject_id, erased):
            return False
        self.add(NewEvent(Action.ERASED.value, kind.type, subject_id, None, {}))
        return True

    def write(self) -> None:
        """Write what was told so far."""
        if self._pending:
            self._events.append(self._pending)
            self._pending = []

    def forget(self) -> None:
        """What was told since the last writing did not happen."""
        self._pending = []


def _differences(
    attributes: Collection[str], before: object, after: object
) -> dict[str, Mapping[str, Any]]:
    return {
        name: {"from": was, "to": is_now}
        for name in attributes
        if (was := getattr(before, name, None)) != (is_now := getattr(after, name, None))
    }
