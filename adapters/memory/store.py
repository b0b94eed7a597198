"""Units of work on dicts. Each works on a copy, which replaces the original at the end."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from threading import Lock
from types import MappingProxyType
from typing import Any

from adapters.memory.audit import MemoryEvents
from adapters.memory.idempotency import Entry, MemoryIdempotencyStore
from adapters.memory.repository import MemoryRepository, Rows
from application.audit import AuditLog, Event
from application.deadlines import time_left
from application.entities import AnyType, E, EntityType, N
from application.ports import STORED_BYTES, Clock, Context, Repository, Unavailable, UnitOfWork

_FOREVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUnit(UnitOfWork):
    """A unit of work. Its changes are visible to others only after it ends."""

    context: Context
    now: datetime
    make_repository: Callable[[AnyType], Any]
    idempotency: MemoryIdempotencyStore
    audit: AuditLog
    savepoint: Callable[[], Callable[[], None]]

    repositories: dict[AnyType, Any] = field(default_factory=dict)

    def repository(self, entity_type: EntityType[N, E]) -> Repository[N, E]:
        repository: Repository[N, E] | None = self.repositories.get(entity_type)
        if repository is None:
            repository = self.repositories[entity_type] = self.make_repository(entity_type)
        return repository


class MemoryStore:
    """The entities of any type in one process. They are lost when the process ends.

    Units of work run one at a time, and readers see the committed state. The entities are
    immutable, so callers cannot change the stored ones.
    """

    def __init__(self, clock: Clock, answer_bytes: int = STORED_BYTES) -> None:
        self._clock = clock
        self._answer_bytes = answer_bytes
        self._lock = Lock()
        self._rows: Mapping[AnyType, Rows[Any]] = {}
        self._answers: Mapping[str, Entry] = {}
        self._events: Mapping[int, Event] = MappingProxyType({})

    @contextmanager
    def begin(self, context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:  # noqa: ARG002 (units of work run one at a time)
        """Open a unit of work. Raises Unavailable if another one runs until the deadline."""
        left = time_left()
        if not self._lock.acquire(timeout=_FOREVER if left is None else left):
            raise Unavailable
        try:
            rows = dict(self._rows)
            answers, events = dict(self._answers), dict(self._events)
            now = self._clock()
            audit = AuditLog(MemoryEvents(events, context, now))
            make_repository = partial(self._repository, rows, audit)
            savepoint = partial(_savepoint, audit, rows, answers, events)
            yield MemoryUnit(
                context=context,
                now=now,
                make_repository=make_repository,
                idempotency=MemoryIdempotencyStore(answers, self._answer_bytes),
                audit=audit,
                savepoint=savepoint,
            )
            audit.flush()
            self._rows = rows
            self._answers, self._events = answers, MappingProxyType(events)
        finally:
            self._lock.release()

    @staticmethod
    def _repository(
        rows: MutableMapping[AnyType, Rows[Any]], audit: AuditLog, entity_type: AnyType
    ) -> MemoryRepository[Any, Any]:
        """Make the repository of a type, with a copy of its entities."""
        copied = rows[entity_type] = rows.get(entity_type, Rows()).copy()
        return MemoryRepository(entity_type, copied, audit)

    def rows(self, entity_type: AnyType) -> Mapping[int, Any]:
        """The committed entities of a type by their ids."""
        rows = self._rows.get(entity_type)
        return rows.by_id if rows else {}

    @property
    def events(self) -> Mapping[int, Event]:
        """The committed events by their ids."""
        return self._events

    def ready(self) -> None:
        """Do nothing: memory is always ready."""

    def purge(self) -> None:
        """Do nothing: no erased values remain in memory."""


def _savepoint(
    audit: AuditLog,
    rows: Mapping[AnyType, Rows[Any]],
    *tables: MutableMapping[Any, Any],
) -> Callable[[], None]:
    audit.flush()
    before = {entity_type: each.copy() for entity_type, each in rows.items()}
    saved = [dict(table) for table in tables]

    def undo() -> None:
        audit.discard()
        for entity_type, each in rows.items():
            saved_rows = before.get(entity_type, Rows()).copy()
            each.by_id, each.by_key = saved_rows.by_id, saved_rows.by_key
        for table, content in zip(tables, saved, strict=True):
            table.clear()
            table.update(content)

    return undo
