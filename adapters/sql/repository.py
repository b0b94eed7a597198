"""Stores the entities of any type in a table, with a version in each row."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, Final, Generic, NamedTuple

from sqlalchemy import (
    Column,
    Engine,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    false,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql

from adapters.sql.bulk import Bulk, Inserter, inserter
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.dialects.postgresql_copy import ByteWriter, copy_out
from adapters.sql.engine import is_exclusive
from adapters.sql.failures import VIOLATIONS, translate_errors, violated_constraint
from adapters.sql.id_lists import MAX_ID, is_among, possible_ids
from adapters.sql.key_lookups import KeyLookup
from adapters.sql.reads import Reads, reads_from
from adapters.sql.search import SearchStatements
from adapters.sql.searchable import Searchable
from application.audit import AuditLog
from application.entities import E, EntityType, N, UniqueKey
from application.ports import ConcurrentUpdate, Reader, Repository
from application.search import Page, Search, ValueCounts, tuple_getter
from domain.attributes import is_same

_MAX_STATEMENTS: Final = 256
# The parameters of an update that are not new values. No attribute has such a name.
_CHANGED_ID: Final = "_id"
_EXPECTED: Final = "_version"


class Derived(NamedTuple):
    """A column that is computed from an attribute, such as its folded form."""

    attribute: str
    compute: Callable[[Any], Any]


class EntityTable(Generic[N, E]):
    """The mapping between the entities of a type and a table.

    The table has a column for each field of the entity, and the `derived` columns. `unique` maps
    each unique attribute to the column with its key. That column has a unique constraint.
    """

    def __init__(
        self,
        entity_type: EntityType[N, E],
        table: Table,
        searchable: Searchable,
        *,
        derived: Mapping[str, Derived] | None = None,
        unique: Mapping[str, Column[Any]] | None = None,
    ) -> None:
        self.entity_type = entity_type
        self.table = table
        self.searchable = searchable
        self.searches = SearchStatements(searchable)
        self.derived = dict(derived or {})
        self.unique = {key: (unique or {})[key.attribute] for key in entity_type.unique}
        self.fields: tuple[str, ...] = entity_type.entity._fields  # type: ignore[attr-defined]
        # Runs no Python code, unlike the named tuple's `_make`.
        self.entity: Callable[[Sequence[Any]], E] = partial(
            tuple.__new__,
            entity_type.entity,  # type: ignore[type-var]
        )
        """Creates an entity from a row with the entity's fields in order."""
        self.attributes = tuple(entity_type.rules.rules)
        self.values_of = tuple_getter(self.attributes)
        self.constraints = {
            name: key
            for key, column in self.unique.items()
            for name in _names_of_constraint(column)
        }
        columns = [table.c[name] for name in self.fields]
        by_id = select(*columns).where(table.c.id == bindparam("entity_id"))
        self._has_expected_version = (table.c.id == bindparam(_CHANGED_ID)) & (
            table.c.version == bindparam(_EXPECTED)
        )
        inserted = [name for name in (*self.fields, *self.derived) if name != "id"]
        self.add = CompiledStatement(
            insert(table).values({name: bindparam(name) for name in inserted}).returning(table.c.id)
        )
        self.get = CompiledStatement(by_id)
        self.get_for_update = CompiledStatement(by_id.with_for_update())
        by_ids = select(*columns).where(is_among(table.c.id, "ids")).order_by(table.c.id)
        self.get_many = CompiledStatement(by_ids)
        self.lock_for_update = CompiledStatement(by_ids.with_for_update())
        # Lets other transactions insert rows that refer to the entities.
        self.lock = CompiledStatement(by_ids.with_for_update(key_share=True))
        # The lock of an inserted row that refers to the entities.
        self.lock_shared = CompiledStatement(by_ids.with_for_update(read=True, key_share=True))
        self.find = {key: select(*columns).where(_among(col)) for key, col in self.unique.items()}
        self.ids_by_keys = {key: KeyLookup(col, table.c.id) for key, col in self.unique.items()}
        self.remove = CompiledStatement(delete(table).where(self._has_expected_version))
        self.no_op_update = update(table).values(version=table.c.version).where(false())
        self.update = lru_cache(_MAX_STATEMENTS)(self._update)
        self.bulk = lru_cache(_MAX_STATEMENTS)(self._bulk)
        self.conflicts = _Conflicts(self.constraints)

    def derive(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Computes the derived columns of the attributes in `values`."""
        return {
            name: derived.compute(values[derived.attribute])
            for name, derived in self.derived.items()
            if derived.attribute in values
        }

    def _update(self, names: tuple[str, ...]) -> CompiledStatement:
        """A statement that updates these columns if the row still has the expected version."""
        values: dict[str, Any] = {name: bindparam(name) for name in names}
        statement = update(self.table).where(self._has_expected_version).values(values)
        return CompiledStatement(statement)

    def rows(self, new: Sequence[N], at: datetime) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Returns the names of the columns and the rows of new entities.

        Omits a derived column if all its values are null.
        """
        attribute_values = list(zip(*map(self.values_of, new), strict=True))
        columns: dict[str, Sequence[Any]] = dict(
            zip(self.attributes, attribute_values, strict=True)
        )
        count = len(new)
        columns |= {"creation_time": [at] * count, "update_time": [at] * count}
        columns["version"] = [1] * count
        for name, (attribute, compute) in self.derived.items():
            values = list(map(compute, columns[attribute]))
            if any(value is not None for value in values):
                columns[name] = values
        return tuple(columns), list(zip(*columns.values(), strict=True))

    def _bulk(self, names: tuple[str, ...]) -> Bulk:
        return Bulk(
            [self.table.c[name] for name in names],
            id_column=self.table.c.id,
            unique=list(self.unique.values()),
            constraints=self.constraints.keys(),
        )


def _names_of_constraint(column: Column[Any]) -> Iterator[str]:
    """Yields the names by which databases call the unique constraint of a column in errors.

    SQLite names the column. The other databases limit the length of names differently.
    """
    yield f"{column.table.name}.{column.name}"
    for constraint in column.table.constraints:
        if isinstance(constraint, UniqueConstraint) and [*constraint.columns] == [column]:
            for dialect in _DIALECTS:
                yield str(dialect.identifier_preparer.format_constraint(constraint))


_DIALECTS: Final = (
    postgresql.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy does not type it
    mysql.dialect(),
)


def _among(column: Column[Any]) -> Any:
    return column.in_(bindparam("keys", expanding=True))


class SqlRepository(Repository[N, E]):
    """The entities of a type in an open transaction."""

    def __init__(
        self,
        table: EntityTable[N, E],
        connection: RawConnection,
        audit: AuditLog,
        *,
        for_update: bool,
        searches: SearchStatements | None = None,
    ) -> None:
        self._searches = searches or table.searches
        self._table = table
        self._type = table.entity_type
        self._connection = connection
        self._audit = audit
        self._for_update = for_update
        self._inserters: dict[Bulk, Inserter] = {}
        self._conflicts = table.conflicts

    def add(self, new: N, *, at: datetime) -> E:
        table = self._table
        values = dict(zip(table.attributes, table.values_of(new), strict=True))
        values |= {"creation_time": at, "update_time": at, "version": 1}
        with self._conflicts:
            row = table.add.row(self._connection, {**values, **table.derive(values)})
        assert row is not None
        entity = table.entity((row[0], *values.values()))
        self._audit.record(self._type, None, entity)
        return entity

    def add_many(self, new: Sequence[N], *, at: datetime) -> Mapping[int, UniqueKey]:
        if not new:
            return {}
        table = self._table
        names, rows = table.rows(new, at)
        bulk = table.bulk(names)
        if bulk not in self._inserters:
            self._inserters[bulk] = inserter(bulk, self._connection)
        ids = self._inserters[bulk].add(rows)
        for position, entity_id in ids.items():
            values = table.values_of(new[position])
            entity = table.entity((entity_id, *values, at, at, 1))
            self._audit.record(self._type, None, entity)
        if len(ids) == len(new):
            return {}
        rejected = [position for position in range(len(new)) if position not in ids]
        return self._conflicting_keys(rejected, bulk, rows, added=ids)

    def _conflicting_keys(
        self,
        positions: Sequence[int],
        bulk: Bulk,
        rows: Sequence[Sequence[Any]],
        added: Collection[int],
    ) -> dict[int, UniqueKey]:
        """Finds the unique key that each rejected row shares with an earlier row.

        `positions` are those of the rejected rows, and `added` those of the others.
        """
        (first_key, _), *others = self._table.unique.items()
        conflicts = dict.fromkeys(positions, first_key)
        for key, column in others:
            values = {position: bulk.key_in(column, rows[position]) for position in positions}
            existing = bulk.existing_keys(self._connection, column, set(values.values()) - {None})
            holders = {bulk.key_in(column, rows[position]): position for position in added}
            conflicts |= {
                position: key
                for position, value in values.items()
                if value in existing and holders.get(value, -1) < position
            }
        return conflicts

    def find_by_keys(self, unique: UniqueKey, values: Collection[Any]) -> Mapping[Any, E]:
        statement = self._table.find[unique]
        if self._for_update:  # other transactions may insert rows that refer to the entities
            statement = statement.with_for_update(key_share=True)
        keys = {"keys": [unique.key_of(value) for value in values if value is not None]}
        entities = map(self._table.entity, self._connection.execute(statement, keys))
        key = attrgetter(unique.attribute)
        return {unique.key_of(key(entity)): entity for entity in entities}

    def ids_by_keys(self, unique: UniqueKey, keys: Collection[Any]) -> Mapping[Any, int]:
        lookup = self._table.ids_by_keys[unique]
        return lookup.ids(self._connection, keys, for_update=self._for_update)

    def get(self, entity_id: int) -> E:
        statement = self._table.get_for_update if self._for_update else self._table.get
        return _get(self._table, statement, self._connection, entity_id)

    def get_many(self, entity_ids: Collection[int]) -> Sequence[E]:
        table = self._table
        statement = table.lock if self._for_update else table.get_many
        return _get_many(table, statement, self._connection, entity_ids)

    def lock(self, entity_ids: Collection[int], *, shared: bool = False) -> None:
        """On SQLite, the transaction excludes all others."""
        ids = possible_ids(entity_ids)
        if ids and self._connection.dialect.name != "sqlite":
            table = self._table
            lock = table.lock_shared if shared else table.lock
            statement = table.lock_for_update if self._for_update else lock
            statement.rows(self._connection, {"ids": ids})

    def page(self, search: Search) -> Page[E]:
        table = self._table
        return self._searches.page(
            self._connection, search, table.entity, for_update=self._for_update
        )

    def save(self, entity: E, *, before: E) -> E:
        # Write only changed attributes and the columns derived from them. Releases before revision
        # 0008 allowed two users with the same mailbox. One of them has an outdated key, which must
        # stay as it is if the email does not change.
        table = self._table
        changed = {"version": entity.version}
        changed |= {
            name: value
            for name, value, old in zip(table.fields, entity, before, strict=True)  # type: ignore[call-overload]
            if value is not old and not is_same(value, old)
        }
        changed |= table.derive(changed)
        values = {**changed, _CHANGED_ID: entity.id, _EXPECTED: before.version}
        with self._conflicts:
            updated = table.update(tuple(changed)).execute(self._connection, values)
        if not updated:
            raise ConcurrentUpdate
        self._audit.record(self._type, before, entity)
        return entity

    def remove(self, entity: E) -> None:
        values = {_CHANGED_ID: entity.id, _EXPECTED: entity.version}
        if not self._table.remove.execute(self._connection, values):
            raise ConcurrentUpdate
        self._audit.record(self._type, entity, None)


class _Conflicts(AbstractContextManager[None]):
    """Translates the violation of a unique constraint into the error of its unique key."""

    def __init__(self, constraints: Mapping[str, UniqueKey]) -> None:
        self._constraints = constraints

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, VIOLATIONS):
            unique = self._constraints.get(violated_constraint(error) or "")
            if unique:
                raise unique.taken() from error


class SqlReader(Reader[E]):
    """Reads the committed entities of a type, outside a transaction."""

    def __init__(
        self,
        table: EntityTable[Any, E],
        source: Engine | Reads,
        searches: SearchStatements | None = None,
    ) -> None:
        self._table = table
        self._searches = searches or table.searches
        self._read = reads_from(source)

    def get(self, entity_id: int) -> E:
        table = self._table
        return self._read(lambda connection: _get(table, table.get, connection, entity_id))

    def get_many(self, entity_ids: Collection[int]) -> Sequence[E]:
        table = self._table
        return self._read(
            lambda connection: _get_many(table, table.get_many, connection, entity_ids)
        )

    def page(self, search: Search) -> Page[E]:
        return self._read(
            lambda connection: self._searches.page(connection, search, self._table.entity)
        )

    def count_by(self, search: Search, attribute: str, *, limit: int) -> ValueCounts:
        return self._read(
            lambda connection: self._searches.count_by(connection, search, attribute, limit)
        )


def _get(
    table: EntityTable[Any, E],
    statement: CompiledStatement,
    connection: RawConnection,
    entity_id: int,
) -> E:
    if 0 < entity_id <= MAX_ID and (row := statement.row(connection, {"entity_id": entity_id})):
        return table.entity(row)
    raise table.entity_type.not_found(entity_id)


def _get_many(
    table: EntityTable[Any, E],
    statement: CompiledStatement,
    connection: RawConnection,
    entity_ids: Collection[int],
) -> list[E]:
    ids = possible_ids(entity_ids)
    return [table.entity(row) for row in statement.rows(connection, {"ids": ids})] if ids else []


class SqlCsvExporter:
    """Exports all entities of a type as CSV with COPY, which only PostgreSQL supports."""

    def __init__(self, table: EntityTable[Any, Any], engine: Engine) -> None:
        self._table = table.table
        self._engine = engine

    @property
    def available(self) -> bool:
        """True for PostgreSQL, if this process uses the database in one thread only."""
        return self._engine.dialect.name == "postgresql" and is_exclusive(self._engine)

    def write(self, names: Sequence[str], file: ByteWriter) -> None:
        """Writes these attributes of all entities to the file, sorted by id. See `copy_out`.

        The first name must be "id". The rows are a consistent snapshot. Raises Unavailable, or the
        error of the file.
        """
        with translate_errors(), self._engine.connect() as connection:
            copy_out(connection, [self._table.c[name] for name in names], file)
