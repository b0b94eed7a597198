"""Units of work on a dict: copy, work, swap."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from threading import Lock
from types import MappingProxyType
from typing import Any

from adapters.memory.audit import MemoryEvents
from adapters.memory.idempotency import Kept, MemoryIdempotencyStore
from adapters.memory.users import MemoryUsers
from application.audit import AuditLog, Event
from application.deadlines import time_left
from application.ports import STORED_BYTES, Clock, Context, Unavailable, UnitOfWork
from domain.users import User

_FOREVER = -1


@dataclass(frozen=True, slots=True)
class MemoryUnit(UnitOfWork):
    """A unit of work: what it changes is its own copy until it ends."""

    context: Context
    now: datetime
    users: MemoryUsers
    idempotency: MemoryIdempotencyStore
    audit: AuditLog
    savepoint: Callable[[], Callable[[], None]]


class MemoryStore:
    """The users of one process; they end with it.

    Writers take turns, readers see what the last one left. The values are frozen, so that
    nothing that was handed out changes what is stored.
    """

    def __init__(self, clock: Clock, answer_bytes: int = STORED_BYTES) -> None:
        self._clock = clock
        self._answer_bytes = answer_bytes
        self._turn = Lock()
        self._ids = count(1)
        self._rows: Mapping[int, User] = MappingProxyType({})
        self._holders: Mapping[str, int] = {}
        self._answers: Mapping[str, Kept] = {}
        self._events: Mapping[int, Event] = MappingProxyType({})

    @contextmanager
    def begin(self, context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:  # noqa: ARG002 (each unit is alone)
        """Open a unit of work. Unavailable if its turn does not come within the deadline."""
        left = time_left()
        if not self._turn.acquire(timeout=_FOREVER if left is None else left):
            raise Unavailable
        try:
            rows, holders = dict(self._rows), dict(self._holders)
            answers, events = dict(self._answers), dict(self._events)
            now = self._clock()
            audit = AuditLog(MemoryEvents(events, context, now))
            users = MemoryUsers(rows, holders, self._ids, audit)
            savepoint = partial(_savepoint, audit, rows, holders, answers, events)
            stored = MemoryIdempotencyStore(answers, self._answer_bytes)
            yield MemoryUnit(context, now, users, stored, audit, savepoint)
            audit.flush()
            self._rows, self._holders = MappingProxyType(rows), holders
            self._answers, self._events = answers, MappingProxyType(events)
        finally:
            self._turn.release()

    @property
    def rows(self) -> Mapping[int, User]:
        """The users by their ids, as the last unit of work left them."""
        return self._rows

    @property
    def events(self) -> Mapping[int, Event]:
        """The events by their ids, as the last unit of work left them."""
        return self._events

    def ready(self) -> None:
        """Nothing can be wrong with it."""

    def purge(self) -> None:
        """Nothing remains in memory of what was erased."""


def _savepoint(audit: AuditLog, *tables: MutableMapping[Any, Any]) -> Callable[[], None]:
    audit.flush()
    marked = [dict(table) for table in tables]

    def undo() -> None:
        audit.discard()
        for table, rows in zip(tables, marked, strict=True):
            table.clear()
            table.update(rows)

    return undo
