"""Units of work on dicts. Each works on a copy, which replaces the original at the end."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from types import MappingProxyType
from typing import Any

from adapters.memory.accounts import AccountTables, MemoryAccountRecords
from adapters.memory.audit import MemoryEvents
from adapters.memory.idempotency import Entry, MemoryIdempotencyStore
from adapters.memory.links import MemoryLinks, Pairs, RelatedEntities
from adapters.memory.repository import MemoryRepository, Rows
from application.audit import AuditLog, Event
from application.deadlines import acquire
from application.entities import AnyType
from application.ports import (
    STORED_BYTES,
    AccountRecords,
    Clock,
    Context,
    LinkCount,
    Unavailable,
    UnitOfWork,
)
from application.reactions import NO_REACTIONS, Reactions
from application.relationships import NO_RELATIONSHIPS, Association, Relationships, ToMany
from application.units import StoreUnit


@dataclass(slots=True)
class _State:
    """The entities, pairs and accounts of an open unit of work. They are copied when first used."""

    rows: dict[AnyType, Rows[Any]]
    pairs: dict[Association, Pairs]
    accounts: AccountTables
    copied: set[object] = field(default_factory=set)

    def rows_of(self, entity_type: AnyType) -> Rows[Any]:
        if entity_type not in self.copied:
            self.copied.add(entity_type)
            self.rows[entity_type] = self.rows.get(entity_type, Rows()).copy()
        return self.rows[entity_type]

    def pairs_of(self, association: Association) -> Pairs:
        if association not in self.copied:
            self.copied.add(association)
            self.pairs[association] = self.pairs.get(association, Pairs()).copy()
        return self.pairs[association]

    def account_records(self) -> AccountRecords:
        """Returns the data of accounts, which are copied when first used."""
        if AccountTables not in self.copied:
            self.copied.add(AccountTables)
            self.accounts = self.accounts.copy()
        return MemoryAccountRecords(self.accounts)

    def by_id(self, entity_type: AnyType) -> Mapping[int, Any]:
        return self.rows_of(entity_type).by_id


class MemoryStore:
    """The entities of any type in one process. They are lost when the process ends.

    Units of work run one at a time, and readers see the committed state. The entities are
    immutable, so callers cannot change the stored ones. `reactions` are called when entities of
    their types are saved, removed or erased.
    """

    def __init__(
        self,
        clock: Clock,
        idempotency_bytes: int = STORED_BYTES,
        relationships: Relationships = NO_RELATIONSHIPS,
        *,
        reactions: Reactions = NO_REACTIONS,
    ) -> None:
        self._clock = clock
        self._idempotency_bytes = idempotency_bytes
        self._relationships = relationships
        self._reactions = reactions
        self._lock = Lock()
        self._rows: Mapping[AnyType, Rows[Any]] = {}
        self._pairs: Mapping[Association, Pairs] = {}
        self.account_tables = AccountTables()
        """The committed data of accounts."""
        self._responses: Mapping[str, Entry] = {}
        self._events: Mapping[int, Event] = MappingProxyType({})

    @contextmanager
    def begin(self, context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:  # noqa: ARG002 (units of work run one at a time)
        """Opens a unit of work. Raises Unavailable if another one runs until the deadline."""
        if not acquire(self._lock):
            raise Unavailable
        try:
            state = _State(dict(self._rows), dict(self._pairs), self.account_tables)
            responses, events = dict(self._responses), dict(self._events)
            now = self._clock()
            audit = AuditLog(MemoryEvents(events, context, now))
            yield StoreUnit(
                now=now,
                clock=self._clock,
                make_repository=partial(self._repository, state, audit),
                make_links=partial(_links, state, audit),
                link_count=LinkCount(context.link_limit),
                idempotency=MemoryIdempotencyStore(responses, self._idempotency_bytes),
                audit=audit,
                savepoint=partial(_savepoint, audit, state, responses, events),
                reactions=self._reactions,
                make_accounts=state.account_records,
            )
            audit.flush()
            self._rows, self._pairs = state.rows, state.pairs
            self.account_tables = state.accounts
            self._responses, self._events = responses, MappingProxyType(events)
        finally:
            self._lock.release()

    def _repository(
        self, state: _State, audit: AuditLog, entity_type: AnyType
    ) -> MemoryRepository[Any, Any]:
        of_type = self._relationships.of(entity_type)
        related = RelatedEntities(of_type, state.by_id, state.pairs_of)
        return MemoryRepository(entity_type, state.rows_of(entity_type), audit, related)

    def rows(self, entity_type: AnyType) -> Mapping[int, Any]:
        """Returns the committed entities of a type by their ids."""
        rows = self._rows.get(entity_type)
        return rows.by_id if rows else {}

    def pairs(self, association: Association) -> Pairs:
        """Returns the committed pairs of an association."""
        return self._pairs.get(association, Pairs())

    def related(self, entity_type: AnyType) -> RelatedEntities:
        """Returns a finder of the committed entities that are related to one of the type."""
        return RelatedEntities(self._relationships.of(entity_type), self.rows, self.pairs)

    @property
    def events(self) -> Mapping[int, Event]:
        """The committed events by their ids."""
        return self._events

    def ready(self) -> None:
        """Does nothing: memory is always ready."""

    def purge(self) -> None:
        """Does nothing: no erased values remain in memory."""

    def update_statistics(self) -> None:
        """Does nothing: memory has no statistics."""


def _links(state: _State, audit: AuditLog, relationship: ToMany) -> MemoryLinks:
    pairs = state.pairs_of(relationship.association)
    return MemoryLinks(relationship, pairs, state.by_id, audit)


def _savepoint(
    audit: AuditLog, state: _State, *tables: MutableMapping[Any, Any]
) -> Callable[[], None]:
    audit.flush()
    rows = {entity_type: each.copy() for entity_type, each in state.rows.items()}
    pairs = {association: each.copy() for association, each in state.pairs.items()}
    saved = [dict(table) for table in tables]
    state.account_records()  # so that the rows are a copy
    accounts = state.accounts.copy()

    def undo() -> None:
        audit.discard()
        # Repositories and links refer to these objects, so their content is replaced.
        for entity_type, each in state.rows.items():
            saved_rows = rows.get(entity_type, Rows()).copy()
            each.by_id, each.by_key = saved_rows.by_id, saved_rows.by_key
        for association, state_pairs in state.pairs.items():
            saved_pairs = pairs.get(association, Pairs()).copy()
            state_pairs.targets, state_pairs.sources = saved_pairs.targets, saved_pairs.sources
        state.accounts.restore(accounts)
        for table, content in zip(tables, saved, strict=True):
            table.clear()
            table.update(content)

    return undo
