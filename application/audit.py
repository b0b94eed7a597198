"""The audit log: what happened to each entity, when, and who did it.

A store records every change that a unit of work makes, in the transaction of the change, so that no
use case can forget it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol

from application import access
from application.access import Policy, Principal, ScopePolicy
from application.entities import AnyType, Entity
from application.search import Condition, Op, Page, Search, Slice
from domain.attributes import AttributeRules

Changes = Mapping[str, Any]
"""By attribute {"from": …, "to": …}, null for no value, or {"erased": true}. By to-many
relationship {"added": [ids], "removed": [ids]}, without empty lists. Of an import, the number of
records by outcome."""

ERASED: Final[Mapping[str, Any]] = {"erased": True}
"""What is left of an attribute's values: that there were some."""

_AT_ONCE: Final = 1000
_MAX_ACTOR_LENGTH: Final = 1000
"""No actor is that long, unless it was written by something else than Roster."""


_SEPARATORS: Final = re.compile(r"[\s|:;,=/<>()\[\]\"']+")
"""What stands around an email in the subject of a token."""


class Action(StrEnum):
    """What happened."""

    CREATED = "created"
    CHANGED = "changed"
    RELATED = "related"
    DELETED = "deleted"
    ERASED = "erased"
    IMPORTED = "imported"


class NewEvent(NamedTuple):
    """An event that a unit of work records.

    `subject_id` and `version` identify the entity and its version after the event. An import has
    neither. The version of a deletion is the last version of the entity plus one.
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
    an actor only. If the actor is erased, `actor` and `request_id` are None, and the kind and the
    issuer stay.
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

    def changes_about(self, subject_type: str, subject_id: int) -> Iterable[Changes]:
        """The changes in the events about a resource."""

    def changes_containing(
        self, subject_type: str, texts: Collection[str]
    ) -> Iterable[tuple[int, Changes]]:
        """The changes, as JSON, that contain one of the texts, which are in lower case.

        Each with the id of its resource, of this type. The letters A-Z count as lower case.
        """

    def erase_request_ids(self, subject_type: str, subject_id: int) -> None:
        """Remove the request ids of the events about a resource: clients may have chosen them."""

    def actors(self) -> Iterable[str]:
        """The actors of all events, each once."""

    def erase_actor(self, actor: str) -> None:
        """Remove the actor and the request ids of the events that it made."""


class EventReader(Protocol):
    """The reading side: no unit of work, no locks. Raises Unavailable."""

    def page(self, search: Search) -> Page[Event]:
        """The events that the search asks for, at its place."""

    def read_from(self, position: int, *, size: int) -> Sequence[tuple[int, Event]]:
        """The first events after a position, which is 0 in the beginning, each with its own.

        An event has its position as soon as it is visible, and positions never change. A reader
        that continues after the last position misses no event, in whatever order units commit.
        """


class History:
    """The events about the entities of a type, including deleted ones."""

    def __init__(
        self,
        entity_type: AnyType,
        events: EventReader,
        must_exist: Callable[[int], object],
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self.entity_type = entity_type
        self._events = events
        self._must_exist = must_exist
        self._policy = policy

    def page(
        self, subject_id: int, search: Search, principal: Principal | None = None
    ) -> Page[Event]:
        """The events about an entity that the search selects.

        If there are no events, calls `must_exist`, which raises NotFound unless the entity
        predates the audit log. Raises the errors of the policy, and Unavailable.
        """
        self._policy.authorize(principal, access.Action.READ, self.entity_type.name)
        page = self._events.page(search)
        if not (page.items or self._is_known(subject_id)):
            self._must_exist(subject_id)
        return page

    def about(self, subject_id: int) -> tuple[Condition, ...]:
        """The conditions that select the events about one entity."""
        return (
            Condition("subject_type", Op.EQ, (self.entity_type.name,)),
            Condition("subject_id", Op.EQ, (subject_id,)),
        )

    def _is_known(self, subject_id: int) -> bool:
        return bool(self._events.page(Search(self.about(subject_id), place=Slice(1))).items)


class AuditLog:
    """The events of one unit of work. They are written at its end, or earlier if there are many."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._pending: list[NewEvent] = []

    def record(self, entity_type: AnyType, before: Entity | None, after: Entity | None) -> None:
        """Record that an entity was created, changed or deleted."""
        if before is None and after is not None:
            self._record(Action.CREATED, entity_type, after.id, after.version, before, after)
        elif before is not None and after is None:
            self._record(Action.DELETED, entity_type, before.id, before.version + 1, before, after)
        elif before is not None and after is not None and before != after:
            self._record(Action.CHANGED, entity_type, after.id, after.version, before, after)

    def _record(
        self, action: Action, entity_type: AnyType, subject_id: int, version: int, *states: object
    ) -> None:
        changes = _differences(entity_type.rules, *states)
        self.add(NewEvent(action.value, entity_type.name, subject_id, version, changes))

    def record_links(
        self,
        entity_type: AnyType,
        entity_id: int,
        relationship: str,
        *,
        added: Iterable[int] = (),
        removed: Iterable[int] = (),
    ) -> None:
        """Record that pairs of an entity were added or removed. Records nothing without any."""
        lists = {"added": added, "removed": removed}
        ids = {name: [*map(str, sorted(each))] for name, each in lists.items()}
        if changed := {name: each for name, each in ids.items() if each}:
            changes = {relationship: changed}
            self.add(NewEvent(Action.RELATED.value, entity_type.name, entity_id, None, changes))

    def add(self, event: NewEvent) -> None:
        """Record an event that is not a change of one entity."""
        self._pending.append(event)
        if len(self._pending) >= _AT_ONCE:
            self.flush()

    def erase(self, entity_type: AnyType, subject_id: int, *, actors: Collection[str] = ()) -> bool:
        """Erase the personal values in the events about a resource, and record that it was done.

        The events stay, without their request ids. The actor of any event is erased if it is one
        of these values or one of `actors`, or contains such an email. Returns False if there are
        no events about the resource.
        """
        self.flush()
        values = set(actors)

        def erased(changes: Changes) -> Changes:
            found = entity_type.rules.personal & changes.keys()
            values.update(*(_changed_values(changes[name]) for name in found))
            return {**changes, **dict.fromkeys(found, ERASED)}

        if not self._events.rewrite(entity_type.name, subject_id, erased):
            return False
        # The erasure itself may have been requested by the person.
        self.add(NewEvent(Action.ERASED.value, entity_type.name, subject_id, None, {}))
        self.flush()
        self._events.erase_request_ids(entity_type.name, subject_id)
        self._erase_actors(entity_type, values)
        return True

    def others_with(
        self, entity_type: AnyType, subject_id: int, attribute: str, beginning: Callable[[str], str]
    ) -> list[int]:
        """The ids of other resources that ever had a value of the attribute that this one had.

        `beginning` gives the text with which such a value begins, in each of its forms. Beyond
        ASCII, values in the usual spellings are found: in upper or lower case, or capitalized.
        """
        self.flush()
        about = self._events.changes_about(entity_type.name, subject_id)
        values = {text for changes in about for text in _changed_values(changes.get(attribute, {}))}
        forms = frozenset(chain.from_iterable(map(entity_type.folded_forms, values)))
        begun = {f'"{each}' for text in values | forms for each in _spellings(beginning(text))}
        return sorted(
            {
                other
                for other, changes in self._events.changes_containing(entity_type.name, begun)
                for text in _changed_values(changes.get(attribute, {}))
                if other != subject_id and not forms.isdisjoint(entity_type.folded_forms(text))
            }
        )

    def _erase_actors(self, entity_type: AnyType, values: Collection[str]) -> None:
        forms = frozenset(chain.from_iterable(map(entity_type.folded_forms, values)))
        for actor in [*self._events.actors()]:
            if len(actor) > _MAX_ACTOR_LENGTH:
                continue
            if any(
                not forms.isdisjoint(entity_type.folded_forms(text)) for text in _in_actor(actor)
            ):
                self._events.erase_actor(actor)

    def flush(self) -> None:
        """Write the events that were recorded so far."""
        if self._pending:
            self._events.append(self._pending)
            self._pending = []

    def discard(self) -> None:
        """Drop the events that were recorded since the last flush."""
        self._pending = []


def _changed_values(change: Mapping[str, Any]) -> Iterable[str]:
    """The texts that a change was from and to."""
    return (value for end in ("from", "to") if isinstance(value := change.get(end), str))


def _spellings(text: str) -> set[str]:
    """The usual spellings of a text, with the letters A-Z in lower case."""
    return {each.encode().lower().decode() for each in (text, text.upper(), text.title())}


def _in_actor(actor: str) -> Iterable[str]:
    """The actor, and the emails in it: issuers write such as mailto:ann@example.org."""
    yield actor
    if "@" in actor:
        yield from (part for part in _SEPARATORS.split(actor) if "@" in part and part != actor)


def _differences(
    rules: AttributeRules, before: object, after: object
) -> dict[str, Mapping[str, Any]]:
    changes: dict[str, Mapping[str, Any]] = {
        name: {
            "from": was if type(was) in _PLAIN else _plain(was),
            "to": is_now if type(is_now) in _PLAIN else _plain(is_now),
        }
        for name in rules.readable
        if (was := getattr(before, name, None)) != (is_now := getattr(after, name, None))
    }
    for name in rules.references & changes.keys():  # ids are text, as in documents
        changes[name] = {
            end: None if value is None else str(value) for end, value in changes[name].items()
        }
    return changes


_PLAIN: Final = frozenset((str, int, bool, float, dict, list, type(None)))


def _plain(value: Any) -> Any:
    """The text, as documents show it, of a value that JSON lacks."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
