"""The audit log in a dict."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Protocol

from adapters.memory.search import page_of
from application.audit import Changes, Event, EventReader, Events, NewEvent
from application.ports import Context
from application.search import Condition, Op, Page, Search, Slice


class MemoryEvents(Events):
    """The events of an open unit of work."""

    def __init__(self, rows: MutableMapping[int, Event], context: Context, now: datetime) -> None:
        self._rows = rows
        self._of_unit = (now, *context.actor, context.request_id)

    def append(self, events: Sequence[NewEvent]) -> None:
        for event_id, event in enumerate(events, len(self._rows) + 1):
            self._rows[event_id] = Event._make((event_id, *self._of_unit, *event))

    def rewrite(
        self, subject_type: str, subject_id: int, rewritten: Callable[[Changes], Changes]
    ) -> int:
        about = [
            event
            for event in self._rows.values()
            if (event.subject_type, event.subject_id) == (subject_type, subject_id)
        ]
        for event in about:
            self._rows[event.id] = event._replace(changes=rewritten(event.changes))
        return len(about)

    def changes_about(self, subject_type: str, subject_id: int) -> Iterable[Changes]:
        subject = subject_type, subject_id
        events = self._rows.values()
        return [e.changes for e in events if (e.subject_type, e.subject_id) == subject]

    def changes_containing(
        self, subject_type: str, texts: Collection[str]
    ) -> Iterable[tuple[int, Changes]]:
        of_type = (e for e in self._rows.values() if e.subject_type == subject_type)
        for event in of_type:
            searched = json.dumps(event.changes, ensure_ascii=False).encode().lower().decode()
            if event.subject_id is not None and any(text in searched for text in texts):
                yield event.subject_id, event.changes

    def changes_of(self, subject_type: str, attribute: str) -> Iterable[tuple[int, Changes]]:
        return self.changes_containing(subject_type, [f'"{attribute}"'])

    def erase_request_ids(self, subject_type: str, subject_id: int) -> None:
        for event in [*self._rows.values()]:
            if (event.subject_type, event.subject_id) == (subject_type, subject_id):
                self._rows[event.id] = event._replace(request_id=None)

    def actors(self) -> Iterable[str]:
        return {event.actor for event in self._rows.values() if event.actor is not None}

    def erase_actor(self, actor: str) -> None:
        for event in [*self._rows.values()]:
            if event.actor == actor:
                self._rows[event.id] = event._replace(actor=None, request_id=None)


class CommittedEvents(Protocol):
    """The part of a store that the reader of its audit log needs."""

    @property
    def events(self) -> Mapping[int, Event]:
        """The committed events by their ids."""


class MemoryEventReader(EventReader):
    """Reads the committed events."""

    def __init__(self, store: CommittedEvents) -> None:
        self._store = store

    def page(self, search: Search) -> Page[Event]:
        return page_of(self._store.events.values(), search)

    def read_from(self, position: int, *, size: int) -> Sequence[tuple[int, Event]]:
        later = Search((Condition("id", Op.GT, (position,)),), place=Slice(size))
        return [(event.id, event) for event in self.page(later).items]
