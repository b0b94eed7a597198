"""Repositories and readers of any type of entity, in dicts."""

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, Generic, Protocol

from adapters.memory.search import FindRelated, page_of, value_counts
from application.audit import AuditLog
from application.entities import AnyType, E, EntityType, N, UniqueKey
from application.ports import ConcurrentUpdate, Reader, Repository
from application.search import Page, Search, ValueCounts, tuple_getter


@dataclass(slots=True)
class Rows(Generic[E]):
    """The entities of a type by id, the ids by unique key, and a generator of new ids."""

    by_id: dict[int, E] = field(default_factory=dict)
    by_key: dict[tuple[UniqueKey, Any], int] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def copy(self) -> "Rows[E]":
        """Returns a copy of the entities. It shares the generator of ids, so no id is reused."""
        return Rows(dict(self.by_id), dict(self.by_key), self.ids)


class MemoryRepository(Repository[N, E]):
    """The entities of a type in an open unit of work."""

    def __init__(
        self,
        entity_type: EntityType[N, E],
        rows: Rows[E],
        audit: AuditLog,
        related: FindRelated,
    ) -> None:
        self._type = entity_type
        self._rows = rows
        self._audit = audit
        self._related = related
        self._values_of = tuple_getter(tuple(entity_type.rules.rules))

    def add(self, new: N, *, at: datetime) -> E:
        values = (next(self._rows.ids), *self._values_of(new), at, at, 1)
        entity: E = self._type.entity._make(values)  # type: ignore[attr-defined]
        self._put(entity)
        self._audit.record(self._type, None, entity)
        return entity

    def add_many(self, new: Sequence[N], *, at: datetime) -> Mapping[int, UniqueKey]:
        rejected = {}
        for position, each in enumerate(new):
            taken = [key for key in self._keys(each) if key in self._rows.by_key]
            if taken:
                rejected[position] = taken[-1][0]
            else:
                self.add(each, at=at)
        return rejected

    def find_by_keys(self, unique: UniqueKey, values: Collection[Any]) -> Mapping[Any, E]:
        keys = {unique.key_of(value) for value in values if value is not None}
        return {
            key: self._rows.by_id[self._rows.by_key[unique, key]]
            for key in keys
            if (unique, key) in self._rows.by_key
        }

    def ids_by_keys(self, unique: UniqueKey, keys: Collection[Any]) -> Mapping[Any, int]:
        by_key = self._rows.by_key
        return {key: by_key[unique, key] for key in keys if (unique, key) in by_key}

    def get(self, entity_id: int) -> E:
        return _get(self._type, self._rows.by_id, entity_id)

    def get_many(self, entity_ids: Collection[int]) -> Sequence[E]:
        return _get_many(self._rows.by_id, entity_ids)

    def lock(self, entity_ids: Collection[int], *, shared: bool = False) -> None:
        """Does nothing: units run one after another."""

    def page(self, search: Search) -> Page[E]:
        return page_of(self._rows.by_id.values(), search, self._related)

    def save(self, entity: E, *, before: E) -> E:
        stored = self._unchanged(before)
        self._put(entity)
        for key in set(self._keys(stored)) - set(self._keys(entity)):
            del self._rows.by_key[key]
        self._audit.record(self._type, before, entity)
        return entity

    def remove(self, entity: E) -> None:
        stored = self._unchanged(entity)
        del self._rows.by_id[entity.id]
        for key in self._keys(stored):
            del self._rows.by_key[key]
        self._audit.record(self._type, entity, None)

    def _unchanged(self, entity: E) -> E:
        stored = self._rows.by_id.get(entity.id)
        if stored is None or stored.version != entity.version:
            raise ConcurrentUpdate
        return stored

    def _put(self, entity: E) -> None:
        keys = self._keys(entity)
        for key in keys:
            if self._rows.by_key.get(key, entity.id) != entity.id:
                raise key[0].taken()
        self._rows.by_key.update(dict.fromkeys(keys, entity.id))
        self._rows.by_id[entity.id] = entity

    def _keys(self, values: object) -> list[tuple[UniqueKey, Any]]:
        return [
            (unique, unique.key_of(value))
            for unique in self._type.unique
            if (value := getattr(values, unique.attribute)) is not None
        ]


class CommittedRows(Protocol):
    """The part of a store that its readers need."""

    def rows(self, entity_type: AnyType) -> Mapping[int, Any]:
        """Returns the committed entities of a type by their ids."""

    def related(self, entity_type: AnyType) -> FindRelated:
        """Returns a finder of the committed entities that are related to one of the type."""


class MemoryReader(Reader[E]):
    """Reads the committed entities of a type."""

    def __init__(self, entity_type: EntityType[Any, E], store: CommittedRows) -> None:
        self._type = entity_type
        self._store = store

    def get(self, entity_id: int) -> E:
        rows: Mapping[int, E] = self._store.rows(self._type)
        return _get(self._type, rows, entity_id)

    def get_many(self, entity_ids: Collection[int]) -> Sequence[E]:
        return _get_many(self._store.rows(self._type), entity_ids)

    def page(self, search: Search) -> Page[E]:
        related = self._store.related(self._type)
        return page_of(self._store.rows(self._type).values(), search, related)

    def count_by(self, search: Search, attribute: str, *, limit: int) -> ValueCounts:
        rows, related = self._store.rows(self._type), self._store.related(self._type)
        return value_counts(rows.values(), search, attribute, limit, related)


def _get_many(rows: Mapping[int, E], entity_ids: Collection[int]) -> list[E]:
    return [rows[each] for each in sorted(set(entity_ids)) if each in rows]


def _get(
    entity_type: EntityType[Any, E], rows: Mapping[int, E] | MutableMapping[int, E], entity_id: int
) -> E:
    try:
        return rows[entity_id]
    except KeyError:
        raise entity_type.not_found(entity_id) from None
