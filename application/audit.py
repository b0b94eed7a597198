"""The audit log: the changes of each entity, with their times and actors.

A store records every change that a unit of work makes, in the transaction of the change. So a use
case cannot omit it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol

from application.access import Action, Policy, Principal, ScopePolicy
from application.entities import AnyType, Entity
from application.search import Condition, Op, Page, Search, Slice, restricted
from domain.attributes import AttributeRules, is_same

Changes = Mapping[str, Any]
"""The changes of an event, by attribute: {"from": …, "to": …} or {"erased": true}.

`from` is null if the event is a creation, and `to` is null if it is a deletion. The changes of a
to-many relationship are {"added": [ids], "removed": [ids]}, without empty lists. The changes of an
import are the fields of application.imports.ImportSummary.
"""

ERASED: Final[Mapping[str, Any]] = {"erased": True}
"""The change of an attribute after its values were erased."""

_FLUSH_SIZE: Final = 1000
_FEW: Final = 10
"""The maximum number of entities for which the log is searched.

For more entities, it is faster to read all values once.
"""
_MAX_ACTOR_LENGTH: Final = 1000
"""Roster never records a longer actor, so only shorter ones are searched for emails."""
_SEPARATORS: Final = re.compile(r"[\s|:;,=/<>()\[\]\"']+")
"""The characters that can surround an email in the subject of a token."""


class EventAction(StrEnum):
    """The action that an event records."""

    CREATED = "created"
    CHANGED = "changed"
    RELATED = "related"
    DELETED = "deleted"
    ERASED = "erased"
    IMPORTED = "imported"
    LOGGED_IN = "logged_in"
    SESSION_ENDED = "session_ended"
    TOKEN_REUSED = "token_reused"
    PASSWORD_SET = "password_set"
    PASSWORD_CHANGED = "password_changed"
    INVITED = "invited"
    LOCKED_OUT = "locked_out"


class NewEvent(NamedTuple):
    """An event that a unit of work records.

    `subject_id` is the id of the entity; an import has none. `version` is the version of the entity
    after a creation or a change. That of a deletion is the last version plus one. Other events have
    no version.
    """

    action: str
    subject_type: str
    subject_id: int | None
    version: int | None
    changes: Changes


class Event(NamedTuple):
    """An event of the audit log. The ids of events about one entity are in chronological order.

    `actor`, `actor_kind` and `actor_issuer` identify the principal that made the change. They are
    None on a service without access control. Events that were recorded before revision 0006 only
    have an `actor`. If the actor is erased, `actor` and `request_id` are None, and the kind and the
    issuer remain.
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
    """The audit log in a unit of work, which sets the time, the actor and the request id."""

    def append(self, events: Sequence[NewEvent]) -> None:
        """Writes the events in their order."""

    def rewrite(
        self, subject_type: str, subject_id: int, rewritten: Callable[[Changes], Changes]
    ) -> int:
        """Replaces the changes of each event about an entity. Returns the number of its events.

        `rewritten` returns the new changes of an event.
        """

    def changes_about(self, subject_type: str, subject_id: int) -> Iterable[Changes]:
        """Returns the changes of the events about an entity."""

    def changes_containing(
        self, subject_type: str, texts: Collection[str]
    ) -> Iterable[tuple[int, Changes]]:
        """Returns the changes whose JSON contains one of the texts, each with the id of its entity.

        Searches the events about entities of the type. The texts are in lower case, and the letters
        A-Z of the JSON are compared in lower case.
        """

    def changes_of(self, subject_type: str, attribute: str) -> Iterable[tuple[int, Changes]]:
        """Returns all changes of an attribute, each with the id of its entity.

        May also return changes of other attributes. Memory does not grow with their number.
        """

    def erase_request_ids(self, subject_type: str, subject_id: int) -> None:
        """Removes the request ids, which clients may have chosen, of the events about an entity."""

    def actors(self) -> Iterable[str]:
        """Returns the distinct actors of all events."""

    def erase_actor(self, actor: str) -> None:
        """Removes an actor, and the request ids, from all events of the actor."""


class EventReader(Protocol):
    """Reads committed events, without a unit of work and without locks. Raises Unavailable."""

    def page(self, search: Search) -> Page[Event]:
        """Returns the page of events that the search selects."""

    def read_from(self, position: int, *, size: int) -> Sequence[tuple[int, Event]]:
        """Returns the first `size` events after a position, each with its own position.

        Position 0 is before the first event. An event has its position as soon as it is visible,
        and positions never change. So a reader that continues after the last position misses no
        event, in any order of commits.
        """


def about(subject_type: str, subject_id: int) -> tuple[Condition, ...]:
    """Returns the conditions that select the events about one entity."""
    return (
        Condition("subject_type", Op.EQ, (subject_type,)),
        Condition("subject_id", Op.EQ, (subject_id,)),
    )


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

    def page(self, subject_id: int, search: Search, principal: Principal | None) -> Page[Event]:
        """Returns the page of events about an entity that the search selects.

        Adds the conditions of `about` if the search lacks them. The cursors of its place depend on
        them. If the entity has no events, calls `must_exist`, which raises NotFound unless the
        entity predates the audit log. Raises the errors of the policy, and Unavailable.
        """
        self._policy.authorize(principal, Action.READ, self.entity_type.name)
        page = self._events.page(restricted(search, self.about(subject_id)))
        if not (page.items or self._is_known(subject_id)):
            self._must_exist(subject_id)
        return page

    def about(self, subject_id: int) -> tuple[Condition, ...]:
        """Returns the conditions that select the events about one entity."""
        return about(self.entity_type.name, subject_id)

    def _is_known(self, subject_id: int) -> bool:
        return bool(self._events.page(Search(self.about(subject_id), place=Slice(1))).items)


class AuditLog:
    """The events of one unit of work, written at its end or whenever _FLUSH_SIZE are pending."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._pending: list[NewEvent] = []

    def record(self, entity_type: AnyType, before: Entity | None, after: Entity | None) -> None:
        """Records that an entity was created, changed or deleted.

        `before` is None for a creation, and `after` is None for a deletion. Equal entities record
        nothing.
        """
        if before is None and after is not None:
            self._record(EventAction.CREATED, entity_type, after.id, after.version, None, after)
        elif before is not None and after is None:
            version = before.version + 1
            self._record(EventAction.DELETED, entity_type, before.id, version, before, None)
        elif before is not None and after is not None and before != after:
            self._record(EventAction.CHANGED, entity_type, after.id, after.version, before, after)

    def _record(
        self,
        action: EventAction,
        entity_type: AnyType,
        subject_id: int,
        version: int,
        before: Entity | None,
        after: Entity | None,
    ) -> None:
        changes = _differences(entity_type.rules, before, after)
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
        """Records that pairs of an entity were added or removed, if there are any."""
        lists = {"added": added, "removed": removed}
        ids = {name: [*map(str, sorted(each))] for name, each in lists.items()}
        if changed := {name: each for name, each in ids.items() if each}:
            changes = {relationship: changed}
            self.add(
                NewEvent(EventAction.RELATED.value, entity_type.name, entity_id, None, changes)
            )

    def record_new_links(
        self, entity_type: AnyType, relationship: str, added: Mapping[int, Sequence[str]]
    ) -> None:
        """Records that pairs of many entities were added: the related ids by entity, ascending."""
        action, name = EventAction.RELATED.value, entity_type.name
        self._pending += [
            NewEvent(action, name, entity_id, None, {relationship: {"added": ids}})
            for entity_id, ids in added.items()
        ]
        if len(self._pending) >= _FLUSH_SIZE:
            self.flush()

    def add(self, event: NewEvent) -> None:
        """Records an event."""
        self._pending.append(event)
        if len(self._pending) >= _FLUSH_SIZE:
            self.flush()

    def erase(
        self, entity_type: AnyType, subject_ids: Sequence[int], *, actors: Collection[str] = ()
    ) -> set[int]:
        """Erases the personal values in the events about entities, and records the erasures.

        The events remain, without their request ids. An actor is erased from all events if it
        equals one of these values or of `actors`, or contains an email that is among them.

        Returns the ids without events. If there are none with events, no actor is erased.
        """
        self.flush()
        values = set(actors)

        def erased(changes: Changes) -> Changes:
            names = entity_type.rules.personal & changes.keys()
            values.update(*(_changed_values(changes[name]) for name in names))
            return {**changes, **dict.fromkeys(names, ERASED)}

        name = entity_type.name
        unknown = {each for each in subject_ids if not self._events.rewrite(name, each, erased)}
        known = [each for each in subject_ids if each not in unknown]
        if not known:
            return unknown
        # The person may have requested the erasure, so the event must exist before actors are
        # erased.
        for each in known:
            self.add(NewEvent(EventAction.ERASED.value, name, each, None, {}))
        self.flush()
        for each in known:
            self._events.erase_request_ids(name, each)
        self._erase_actors(entity_type, values)
        return unknown

    def values_of(self, entity_type: AnyType, subject_id: int, attribute: str) -> set[str]:
        """Returns all values that an attribute of an entity ever had, except erased ones."""
        self.flush()
        events = self._events.changes_about(entity_type.name, subject_id)
        return {text for changes in events for text in _changed_values(changes.get(attribute, {}))}

    def others_with(
        self,
        entity_type: AnyType,
        subject_ids: Collection[int],
        attribute: str,
        prefix_of: Callable[[str], str],
    ) -> list[int]:
        """Returns the ids of other entities that ever had the same value of an attribute.

        Compares all values that the entities ever had. For a few entities, it searches the log for
        the prefixes of these values. `prefix_of` returns the text with which a value begins in each
        of its forms. Beyond ASCII, the search only finds values in upper case, in lower case or
        capitalized. For more entities, it compares all values in the log.
        """
        values = {
            text for each in subject_ids for text in self.values_of(entity_type, each, attribute)
        }
        forms = frozenset(chain.from_iterable(map(entity_type.folded_forms, values)))
        if len(subject_ids) <= _FEW:
            texts = {
                f'"{spelling}'
                for text in values | forms
                for spelling in _spellings(prefix_of(text))
            }
            found = self._events.changes_containing(entity_type.name, texts)
        else:
            found = self._events.changes_of(entity_type.name, attribute)
        return sorted(
            {
                other
                for other, changes in found
                for text in _changed_values(changes.get(attribute, {}))
                if not forms.isdisjoint(entity_type.folded_forms(text))
            }.difference(subject_ids)
        )

    def _erase_actors(self, entity_type: AnyType, values: Collection[str]) -> None:
        forms = frozenset(chain.from_iterable(map(entity_type.folded_forms, values)))
        for actor in [*self._events.actors()]:
            if len(actor) > _MAX_ACTOR_LENGTH:
                continue
            if any(
                not forms.isdisjoint(entity_type.folded_forms(text))
                for text in _actor_and_emails(actor)
            ):
                self._events.erase_actor(actor)

    def flush(self) -> None:
        """Writes the pending events."""
        if self._pending:
            self._events.append(self._pending)
            self._pending = []

    def discard(self) -> None:
        """Discards the events that were recorded since the last flush."""
        self._pending = []


def _changed_values(change: Mapping[str, Any]) -> Iterable[str]:
    """Returns the old and the new value of a change, if they are text."""
    return (value for end in ("from", "to") if isinstance(value := change.get(end), str))


def _spellings(text: str) -> set[str]:
    """Returns the usual spellings of a text, with the letters A-Z in lower case."""
    # bytes.lower() only affects A-Z, like the search in the database.
    return {spelling.encode().lower().decode() for spelling in (text, text.upper(), text.title())}


def _actor_and_emails(actor: str) -> Iterable[str]:
    """Yields the actor, and the emails in it. Some issuers write mailto:ann@example.org."""
    yield actor
    if "@" in actor:
        yield from (part for part in _SEPARATORS.split(actor) if "@" in part and part != actor)


def _differences(
    rules: AttributeRules, before: object, after: object
) -> dict[str, Mapping[str, Any]]:
    changes: dict[str, Mapping[str, Any]] = {
        name: {
            "from": old if type(old) in _JSON_TYPES else _json_text(old),
            "to": new if type(new) in _JSON_TYPES else _json_text(new),
        }
        for name in rules.readable
        if (old := getattr(before, name, None)) is not (new := getattr(after, name, None))
        and not is_same(old, new)
    }
    for name in rules.references & changes.keys():  # ids are text, as in documents
        changes[name] = {
            end: None if value is None else str(value) for end, value in changes[name].items()
        }
    return changes


_JSON_TYPES: Final = frozenset((str, int, bool, float, dict, list, type(None)))


def _json_text(value: Any) -> str:
    """Returns the text that represents a value in documents, if JSON has no such type."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
