"""The pairs of associations in tables."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Insert,
    Integer,
    Select,
    and_,
    any_,
    bindparam,
    cast,
    column,
    delete,
    func,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite

from adapters.sql.bulk import insert_rows
from adapters.sql.certification import certify
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.failures import VIOLATIONS
from adapters.sql.id_lists import MAX_ID, IdList, is_among, possible_ids
from adapters.sql.reads import Reads, reads_from
from adapters.sql.tables import Tables
from application.audit import AuditLog
from application.link_events import record_change, record_pairs, record_removal
from application.ports import ConcurrentUpdate, LinkChange, LinkedEntities, LinkReader, Links
from application.relationships import Association, ToMany

Pair = tuple[int, int]

_REMOVAL_BATCH: Final = 500
"""The number of ids that one statement removes: MariaDB would read all pairs for 1000 or more."""
_COUNT: Final = bindparam("count", type_=Integer())
_SOURCE: Final = bindparam("source_id", type_=BigInteger())
_MAX_STATEMENTS: Final = 16
_WITHOUT_SOURCE: Final = itemgetter(slice(1, None))
"""Returns the columns of the related entity in a row that begins with the id of the source."""


class LinkStatements:
    """The statements about the pairs of an association, from one of its ends."""

    def __init__(self, tables: Tables, relationship: ToMany) -> None:
        self.relationship = relationship
        link_table = tables.links[relationship.association]
        self.name = f"{relationship.source.name}.{relationship.name}"
        self._link_table = link_table
        table = link_table.table
        source, target = link_table.ids(relationship)
        self._source, self._target = source, target
        self._entities = tables.entities[relationship.target]
        owner = tables.entities[relationship.source].table
        of_source = source == _SOURCE
        self.lock_source = CompiledStatement(
            select(owner.c.id).where(owner.c.id == _SOURCE).with_for_update()
        )
        first = select(target).where(of_source).order_by(target).limit(_COUNT)
        self.lock_targets = CompiledStatement(first.with_for_update())
        self.remove = CompiledStatement(
            delete(table).where(of_source, is_among(target, "ids")).returning(target)
        )
        last = bindparam("last", type_=BigInteger())
        self.remove_to = CompiledStatement(
            delete(table).where(of_source, target <= last).returning(target)
        )
        columns = link_table.columns
        self.add = {
            database: CompiledStatement(make(columns)) for database, make in _INSERTS.items()
        }
        self.existing = _existing_pairs(columns)
        self._pairs_of_source = CompiledStatement(
            select(source, target)
            .where(of_source, target > bindparam("target_id", type_=BigInteger()))
            .order_by(source, target)
            .limit(_COUNT)
        )
        self._pairs_after_source = CompiledStatement(
            select(source, target).where(source > _SOURCE).order_by(source, target).limit(_COUNT)
        )
        self._first = lru_cache(_MAX_STATEMENTS)(self._build_first)

    @property
    def columns(self) -> Sequence[Column[Any]]:
        """The columns of the source and the target of the association."""
        return self._link_table.columns

    def first(
        self, connection: RawConnection, source_ids: Collection[int], limit: int
    ) -> dict[int, LinkedEntities]:
        """Returns the first related entities of each entity. See LinkReader."""
        ids = possible_ids(source_ids)
        if not ids:
            return {}
        database = connection.dialect.name
        values: dict[str, Any] = {"ids": ids, "count": limit + 1, "limit": limit}
        width = 0
        if database == "mariadb":
            width = 1 << (len(ids) - 1).bit_length()
            values |= {f"id{number}": 0 for number in range(width)}
            values |= {f"id{number}": each for number, each in enumerate(ids)}
        rows = self._first(database, width).rows(connection, values)
        return self._linked(rows, limit)

    def pairs(self, connection: RawConnection, after: Pair, limit: int) -> list[Pair]:
        """Returns the first pairs after a pair. See LinkReader.

        Every database reads exactly these two ranges of the primary key. A comparison of tuples
        makes MariaDB read all pairs.
        """
        values = {"source_id": after[0], "target_id": after[1], "count": limit}
        rows = self._pairs_of_source.rows(connection, values)
        if len(rows) < limit:
            values = {"source_id": after[0], "count": limit - len(rows)}
            rows += self._pairs_after_source.rows(connection, values)
        return [(row[0], row[1]) for row in rows]

    def _linked(self, rows: list[Sequence[Any]], limit: int) -> dict[int, LinkedEntities]:
        rows.sort(key=itemgetter(1 + self._entities.fields.index("id")))
        entities = map(self._entities.entity, map(_WITHOUT_SOURCE, rows))
        by_source: defaultdict[int, list[Any]] = defaultdict(list)
        for row, entity in zip(rows, entities, strict=True):
            by_source[row[0]].append(entity)
        return {
            source_id: LinkedEntities(linked[:limit], more=len(linked) > limit)
            for source_id, linked in by_source.items()
        }

    def _build_first(self, database: str, width: int) -> CompiledStatement:
        if database == "mariadb":
            return CompiledStatement(self._first_of_union(width))
        make = self._first_by_arrays if database == "postgresql" else self._first_up_to_bound
        return CompiledStatement(make())

    def _first_by_arrays(self) -> Select[Any]:
        """For PostgreSQL, which plans and runs an array of ids faster than LATERAL."""
        ids = cast(bindparam("ids", type_=IdList()), postgresql.ARRAY(BigInteger))
        sources = func.unnest(ids).table_valued(column("id", BigInteger))
        sources = sources.render_derived(name="_sources")
        first = (
            select(self._target)
            .where(self._source == sources.c.id)
            .order_by(self._target)
            .limit(_COUNT)
            .correlate(sources)
            .scalar_subquery()
        )
        entities = self._entities.table
        columns = [entities.c[name] for name in self._entities.fields]
        joined = sources.join(entities, entities.c.id == any_(func.array(first)))
        return select(sources.c.id, *columns).select_from(joined)

    def _first_up_to_bound(self) -> Select[Any]:
        """Selects the range of ids up to the last one required, for SQLite without LATERAL."""
        ids = bindparam("ids", type_=IdList())
        sources = func.json_each(ids).table_valued("value", name="_sources")
        source_id = sources.c.value
        others = self._link_table.table.alias("_others")
        source, target = others.c[self._source.name], others.c[self._target.name]
        last = (
            select(target)
            .where(source == source_id)
            .order_by(target)
            .limit(1)
            .offset(bindparam("limit", type_=Integer()))
            .scalar_subquery()
        )
        in_range = and_(self._source == source_id, self._target <= func.coalesce(last, MAX_ID))
        entities = self._entities.table
        joined = sources.join(self._link_table.table, in_range).join(
            entities, entities.c.id == self._target
        )
        columns = [entities.c[name] for name in self._entities.fields]
        return select(source_id, *columns).select_from(joined)

    def _first_of_union(self, width: int) -> Select[Any]:
        """For MariaDB, which has no LATERAL and would read all pairs up to any computed bound."""
        parts = [
            select(self._source.label("source_id"), self._target.label("id"))
            .where(self._source == bindparam(f"id{number}", type_=BigInteger()))
            .order_by(self._target)
            .limit(_COUNT)
            for number in range(width)
        ]
        first = (union_all(*parts) if width > 1 else parts[0]).subquery("_first")
        entities = self._entities.table
        columns = [entities.c[name] for name in self._entities.fields]
        joined = first.join(entities, entities.c.id == first.c.id)
        return select(first.c.source_id, *columns).select_from(joined)


def make_statements(tables: Tables) -> dict[ToMany, LinkStatements]:
    """Creates the statements of both ends of each association."""
    ends = (end for association in tables.links for end in association.ends)
    return {end: LinkStatements(tables, end) for end in ends}


def _insert_from_arrays(columns: Sequence[Column[Any]]) -> Any:
    """For PostgreSQL: the parameters are the two lists of ids."""
    lists = [
        cast(bindparam(name, type_=IdList()), postgresql.ARRAY(BigInteger))
        for name in ("sources", "targets")
    ]
    ids = [column(name, BigInteger) for name in ("source_id", "target_id")]
    pairs = func.unnest(*lists).table_valued(*ids).render_derived(name="_pairs")
    return _insert_missing(postgresql.insert(columns[0].table), columns, select(*pairs.c))


def _insert_from_json(columns: Sequence[Column[Any]]) -> Any:
    """For SQLite: the parameter is the list of pairs."""
    pairs = func.json_each(bindparam("pairs", type_=IdList())).table_valued("value", name="_pairs")
    ids = [func.json_extract(pairs.c.value, path) for path in ("$[0]", "$[1]")]
    # SQLite takes ON for a part of the join if there is no WHERE.
    return _insert_missing(
        sqlite.insert(columns[0].table), columns, select(*ids).where(pairs.c.value.is_not(None))
    )


def _insert_missing(
    insert: postgresql.Insert | sqlite.Insert, columns: Sequence[Column[Any]], pairs: Select[Any]
) -> Insert:
    """Inserts the pairs that do not exist, and returns them."""
    inserted = insert.from_select([each.name for each in columns], pairs)
    return inserted.on_conflict_do_nothing().returning(*columns)


_INSERTS: Final[Mapping[str, Callable[[Sequence[Column[Any]]], Any]]] = {
    "postgresql": _insert_from_arrays,
    "sqlite": _insert_from_json,
}


def _existing_pairs(columns: Sequence[Column[Any]]) -> CompiledStatement:
    """For MariaDB: the pairs of the association among a list of pairs."""
    source, target = columns
    among = func.row(source, target).op("IN")(bindparam("pairs", type_=IdList()))
    return CompiledStatement(select(source, target).where(among))


class SqlLinks(Links):
    """The pairs of an association in an open transaction, from one of its ends."""

    def __init__(
        self, statements: LinkStatements, connection: RawConnection, audit: AuditLog
    ) -> None:
        self._statements = statements
        self._relationship = statements.relationship
        self._connection = connection
        self._audit = audit

    def change(
        self, source_id: int, *, add: Collection[int] = (), remove: Collection[int] = ()
    ) -> LinkChange:
        added = self._add([(source_id, each) for each in sorted(set(add))])
        change = LinkChange(
            sorted(target_id for _, target_id in added), [*self._removed(source_id, remove)]
        )
        record_change(self._audit, self._relationship, source_id, change)
        return change

    def lock(self, source_id: int, *, limit: int) -> Sequence[int]:
        values: dict[str, Any] = {"source_id": source_id}
        if self._statements.lock_source.row(self._connection, values) is None:
            raise ConcurrentUpdate  # it was deleted since the unit read it
        certify(self._connection, self._statements.name, source_id)
        values["count"] = limit
        return [row[0] for row in self._statements.lock_targets.rows(self._connection, values)]

    def remove_all(self, source_id: int, *, limit: int) -> int:
        values: dict[str, Any] = {"source_id": source_id, "count": limit}
        first = self._statements.lock_targets.rows(self._connection, values)
        if not first:
            return 0
        to_last = {"source_id": source_id, "last": first[-1][0]}
        removed = self._statements.remove_to.rows(self._connection, to_last)
        ids = sorted(row[0] for row in removed)
        record_removal(self._audit, self._relationship, source_id, ids)
        return len(ids)

    def add_pairs(self, pairs: Sequence[Pair]) -> int:
        added = self._add(sorted(set(pairs)))
        record_pairs(self._audit, self._relationship, added)
        return len(added)

    def first(self, source_ids: Collection[int], *, limit: int) -> Mapping[int, LinkedEntities]:
        return self._statements.first(self._connection, source_ids, limit)

    def _removed(self, source_id: int, ids: Iterable[int]) -> Iterator[int]:
        possible = possible_ids(ids)
        for start in range(0, len(possible), _REMOVAL_BATCH):
            values = {"source_id": source_id, "ids": possible[start : start + _REMOVAL_BATCH]}
            rows = self._statements.remove.rows(self._connection, values)
            yield from sorted(row[0] for row in rows)

    def _add(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Inserts those of the pairs that do not exist, and returns them.

        Sorted pairs are inserted in the same order by all units, so that these do not deadlock.
        """
        if not pairs:
            return []
        is_source = self._relationship.is_source
        rows = pairs if is_source else [(target, source) for source, target in pairs]
        try:
            added = self._insert(rows)
        except VIOLATIONS as error:  # an entity does not exist, or another unit added a pair
            raise ConcurrentUpdate from error
        return added if is_source else [(source, target) for target, source in added]

    def _insert(self, rows: Sequence[Pair]) -> list[Pair]:
        database = self._connection.dialect.name
        if database == "mariadb":
            existing = {
                (row[0], row[1])
                for row in self._statements.existing.rows(self._connection, {"pairs": rows})
            }
            missing = [row for row in rows if row not in existing]
            if missing:
                insert_rows(self._connection, self._statements.columns, missing)
            return missing
        sources, targets = zip(*rows, strict=True)
        values = {"pairs": rows, "sources": sources, "targets": targets}
        inserted = self._statements.add[database].rows(self._connection, values)
        return [(row[0], row[1]) for row in inserted]


class SqlLinkReader(LinkReader):
    """Reads the committed pairs."""

    def __init__(self, tables: Tables, source: Engine | Reads) -> None:
        self._statements = make_statements(tables)
        self._read = reads_from(source)

    def first(
        self, relationship: ToMany, source_ids: Collection[int], *, limit: int
    ) -> Mapping[int, LinkedEntities]:
        statements = self._statements[relationship]
        return self._read(lambda connection: statements.first(connection, source_ids, limit))

    def pairs(self, association: Association, *, after: Pair, limit: int) -> Sequence[Pair]:
        statements = self._statements[association.ends[0]]
        return self._read(lambda connection: statements.pairs(connection, after, limit))
