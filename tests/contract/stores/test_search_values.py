"""How every store searches by null, decimals, dates, UUIDs and large integers.

The expected result is computed by plain Python from the same rows.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Engine,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    insert,
    select,
)
from sqlalchemy.exc import StatementError

from adapters.memory.search import page_of
from adapters.sql.bulk import insert_rows
from adapters.sql.columns import (
    BigIntId,
    FixedDecimal,
    Json,
    NullsLowest,
    Timestamp,
    Uuid,
    text,
)
from adapters.sql.engine import make_engine
from adapters.sql.search import SearchStatements
from adapters.sql.searchable import Searchable
from adapters.sql.transactions import Transactions, read_connection
from application.search import (
    Condition,
    Key,
    Numbered,
    Op,
    Order,
    Page,
    Search,
    Slice,
    Test,
    WordSearch,
    key_of,
    total_order,
    walk,
)
from domain.text import fold

pytestmark = pytest.mark.slow

SPECIMENS = Table(
    "specimens",
    MetaData(),
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("kind", text(50), nullable=False),
    Column("kind_key", text(50), nullable=False),
    Column("label", text(50)),
    Column("label_key", text()),
    Column("legs", Integer),
    Column("cells", BigInteger),
    Column("weight", FixedDecimal(18, 2)),
    Column("seen", Timestamp),
    Column("born", Date),
    Column("tag", Uuid),
    Column("alive", Boolean),
    Column("notes", Json),
    mariadb_engine="InnoDB",
    mariadb_default_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
)
for _name in ("label", "weight"):
    Index(f"ix_specimens_{_name}_id", NullsLowest(SPECIMENS.c[_name]), SPECIMENS.c.id)
    Index(
        f"ix_specimens_{_name}_desc_id",
        NullsLowest(SPECIMENS.c[_name], descending=True),
        SPECIMENS.c.id,
    )


class Specimen(NamedTuple):
    id: int
    kind: str
    label: str | None
    legs: int | None
    cells: int | None
    weight: Decimal | None
    seen: datetime | None
    born: date | None
    tag: UUID | None
    alive: bool | None
    notes: Any


POOLS: dict[str, list[Any]] = {
    "kind": ["plant", "animal", "Fungus"],
    "label": [None, "", "a", "Ab", "ab", "ä", "\uffff", "𝒜"],
    "legs": [None, -1, 0, 8, 10, 2**31 - 1],
    "cells": [None, -(2**63), 0, 7, 2**53 + 1, 2**63 - 1],
    # Values that a double cannot distinguish, and values that text would sort differently.
    "weight": [
        None,
        *map(Decimal, ("-10.00", "-9.50", "0.00", "0.10", "9.00", "10.00", "100.00")),
        *map(Decimal, ("9999999999999999.98", "9999999999999999.99", "-9999999999999999.99")),
    ],
    "seen": [
        None,
        datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
        datetime(2026, 11, 28, 12, 0, 0, 1000, tzinfo=UTC),
        datetime(2026, 11, 28, 12, 0, 0, 2000, tzinfo=UTC),
    ],
    "born": [None, date(1, 1, 1), date(1999, 12, 31), date(2000, 1, 1), date(9999, 12, 31)],
    # MariaDB's own type sorts by the last group first.
    "tag": [
        None,
        UUID("00000000-0000-4000-8000-ffffffffffff"),
        UUID("0000000a-0000-4000-8000-000000000000"),
        UUID("f0000000-0000-4000-8000-000000000001"),
    ],
    "alive": [None, False, True],
}
NOTES = [None, {}, [1, 1.5, 10**30, "\0ä\\"], {"b": None, "a": [False]}, "text", 0]
NULLABLE = tuple(name for name, pool in POOLS.items() if None in pool)


def _specimens() -> list[Specimen]:
    random = Random(15)
    rows = [
        Specimen(
            number,
            notes=random.choice(NOTES),
            **{name: random.choice(pool) for name, pool in POOLS.items()},
        )
        for number in range(1, 71)
    ]
    for name, pool in POOLS.items():  # each value at least once
        for number, value in enumerate(pool):
            rows[number] = rows[number]._replace(**{name: value})
    return rows


ROWS = _specimens()
COLUMNS = tuple(SPECIMENS.c[name] for name in Specimen._fields)


@dataclass(frozen=True)
class Collection:
    """The specimens in one store."""

    page: Callable[[Search], Page[Specimen]]
    database: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine of a store in a database."""
        assert self.database
        return self.database

    def find_ids(self, *conditions: Condition) -> list[int]:
        return [row.id for row in self.page(Search(conditions, place=Slice(1000))).items]


SQL = ["sqlite", "postgresql_18", "postgresql_15", "mariadb"]


@pytest.fixture(scope="module", params=["memory", *SQL])
def collection(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collection]:
    kind = request.param
    if kind == "memory":
        yield Collection(lambda search: page_of(ROWS, search))
        return
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('specimens')}/roster.db"
    else:
        url = request.getfixturevalue(kind).new_database()
    engine = make_engine(url)
    SPECIMENS.create(engine)
    _fill(engine, Random(1).sample(ROWS, len(ROWS)))
    folded = {"label": SPECIMENS.c.label_key, "kind": SPECIMENS.c.kind_key}
    searches = SearchStatements(Searchable(COLUMNS, folded))

    def page(search: Search) -> Page[Specimen]:
        with read_connection(engine) as connection:
            return searches.page(connection, search, Specimen._make)

    yield Collection(page, engine)
    engine.dispose()


def _fill(engine: Engine, rows: Sequence[Specimen]) -> None:
    """Half of the rows by statements of Core, half in bulk."""
    values = [
        row._asdict()
        | {"label_key": None if row.label is None else fold(row.label)}
        | {"kind_key": fold(row.kind)}
        for row in rows
    ]
    with engine.connect() as connection:
        for each in values[::2]:
            connection.execute(insert(SPECIMENS), each)
    with Transactions(engine).open() as connection:
        columns = list(SPECIMENS.c)
        bulk = [[each[column.name] for column in columns] for each in values[1::2]]
        insert_rows(connection, columns, bulk)


COMPARISONS: dict[Op, Callable[[Any, Any], bool]] = {
    Op.EQ: operator.eq,
    Op.IN: operator.eq,
    Op.NE: operator.ne,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
    Op.CONTAINS: lambda stored, part: part in stored,
    Op.STARTS_WITH: lambda stored, prefix: stored.startswith(prefix),
}
OF_TEXT = (Op.CONTAINS, Op.STARTS_WITH)


def holds(condition: Test, row: Specimen) -> bool:
    if isinstance(condition, WordSearch):
        texts = [fold(getattr(row, name) or "") for name in condition.attributes]
        return all(any(word in text for text in texts) for word in condition.words)
    assert isinstance(condition, Condition)
    stored = getattr(row, condition.attribute)
    if stored is None:
        return condition.op is Op.NE
    if condition.folded:
        stored = fold(stored)
    return any(COMPARISONS[condition.op](stored, value) for value in condition.values)


def rank(value: Any) -> tuple[bool, Any]:
    return (value is not None, value)


def in_order(ordering: Sequence[Order], *conditions: Test) -> list[Specimen]:
    """Sorts stably by each attribute, the least important one first."""
    rows = [row for row in ROWS if all(holds(each, row) for each in conditions)]
    for order in reversed(ordering):
        rows.sort(key=lambda row: rank(getattr(row, order.attribute)), reverse=order.descending)
    return rows


def place(key: Key, ordering: Sequence[Order]) -> list[Any]:
    """A value that can be compared with other keys of the same ordering."""
    return [
        _Descending(rank(value)) if order.descending else rank(value)
        for value, order in zip(key, ordering, strict=True)
    ]


@dataclass(frozen=True, order=False)
class _Descending:
    rank: tuple[bool, Any]

    def __lt__(self, other: "_Descending") -> bool:
        return other.rank < self.rank


# Values that no row has, and values that some rows have.
BETWEEN: dict[str, list[Any]] = {
    "legs": [5],
    "weight": [
        *map(
            Decimal, ("9.50", "9.005", "-9.995", "1E+2", "1E-400", "-1E-400", "1E+400", "-1E+400")
        ),
        *map(Decimal, ("9999999999999999.985", "-9999999999999999.995", "100." + 50 * "0")),
    ],
    "born": [date(1000, 1, 1)],
    "tag": [UUID(int=5)],
    "label": ["zz", "A"],
}
values_of = {
    name: [value for value in (*pool, *BETWEEN.get(name, ())) if value is not None]
    for name, pool in POOLS.items()
}


def _conditions() -> st.SearchStrategy[Test]:
    plain = st.sampled_from(sorted(POOLS)).flatmap(
        lambda name: st.builds(
            lambda op, values: Condition(name, op, tuple(values if op is Op.IN else values[:1])),
            st.sampled_from([op for op in Op if name in ("kind", "label") or op not in OF_TEXT]),
            st.lists(st.sampled_from(values_of[name]), min_size=1, max_size=3),
        )
    )
    folded = st.builds(
        lambda op, value: Condition.folding("label", op, (value,)),
        st.sampled_from(Op),
        st.sampled_from(values_of["label"]),
    )
    words = st.builds(
        lambda attributes, words: WordSearch.folding(tuple(attributes), words),
        st.lists(st.sampled_from(["label", "kind"]), min_size=1, unique=True),
        st.lists(
            st.sampled_from(["a", "B", "an", "fu", "ä", "x", "\uffff"]), min_size=1, max_size=8
        ),
    )
    return plain | folded | words


orderings = st.lists(
    st.builds(Order, st.sampled_from([*POOLS, "id"]), st.booleans()), max_size=3
).map(lambda orders: total_order(tuple(orders)))


@st.composite
def keys(draw: st.DrawFn, ordering: tuple[Order, ...]) -> Key:
    """The key of a row, or of a row that no longer exists."""
    if draw(st.booleans()):
        return key_of(draw(st.sampled_from(ROWS)), ordering)
    return tuple(
        draw(
            st.integers(0, 72) if each.attribute == "id" else st.sampled_from(POOLS[each.attribute])
        )
        for each in ordering
    )


@st.composite
def searches(draw: st.DrawFn) -> Search:
    conditions = tuple(draw(st.lists(_conditions(), max_size=2)))
    ordering = draw(orderings)
    size = draw(st.sampled_from((1, 3, 10, 100)))
    if draw(st.integers(0, 4)) == 0:
        return Search(conditions, ordering, Numbered(size, draw(st.integers(1, 5))))
    after = draw(st.none() | keys(ordering))
    before = draw(st.none() | keys(ordering))
    return Search(conditions, ordering, Slice(size, after, before, total=draw(st.booleans())))


def expected(search: Search) -> Page[Specimen]:
    rows = in_order(search.ordering, *search.conditions)
    part = search.place
    if isinstance(part, Numbered):
        end = part.offset + part.size
        return Page(tuple(rows[part.offset : end]), len(rows) > end, len(rows))
    total = len(rows) if part.total else None
    where = {row.id: place(key_of(row, search.ordering), search.ordering) for row in rows}
    if part.after is not None:
        rows = [row for row in rows if place(part.after, search.ordering) < where[row.id]]
    if part.before is not None:
        rows = [row for row in rows if where[row.id] < place(part.before, search.ordering)]
    items = rows[-part.size :] if part.backward else rows[: part.size]
    return Page(tuple(items), len(rows) > part.size, total)


unhurried = settings(suppress_health_check=[HealthCheck.too_slow])


@unhurried
@given(search=searches())
def test_every_search_finds_the_same_rows_as_plain_python(
    collection: Collection, search: Search
) -> None:
    assert collection.page(search) == expected(search)


@settings(unhurried, max_examples=settings().max_examples // 2)
@given(
    ordering=orderings,
    size=st.sampled_from((1, 7, 30)),
    conditions=st.lists(_conditions(), max_size=1),
)
def test_pages_forward_and_backward_return_every_row_once(
    collection: Collection, ordering: tuple[Order, ...], size: int, conditions: list[Test]
) -> None:
    rows = in_order(ordering, *conditions)
    search = Search(tuple(conditions), ordering)
    assert list(walk(collection.page, search, size=size)) == rows
    if not rows:
        return
    seen = [rows[-1]]
    more = True
    while more:
        part = Slice(size, before=key_of(seen[0], ordering))
        page = collection.page(Search(tuple(conditions), ordering, part))
        seen = [*page.items, *seen]
        more = page.more
    assert seen == rows


@pytest.mark.parametrize("name", NULLABLE)
def test_null_sorts_before_every_value(collection: Collection, name: str) -> None:
    for descending in (False, True):
        search = Search((), total_order((Order(name, descending),)), Slice(100))
        values = [getattr(row, name) for row in collection.page(search).items]
        count = values.count(None)
        assert count
        assert (values[-count:] if descending else values[:count]) == [None] * count
        rest = values[:-count] if descending else values[count:]
        assert rest == sorted(rest, reverse=descending)


@pytest.mark.parametrize("name", NULLABLE)
def test_null_matches_only_ne(collection: Collection, name: str) -> None:
    null = {row.id for row in ROWS if getattr(row, name) is None}
    for op, value in product(Op, values_of[name]):
        if op in OF_TEXT and name != "label":
            continue
        found = collection.find_ids(Condition(name, op, (value,)))
        assert null & {*found} == (null if op is Op.NE else set())


@pytest.mark.parametrize("name", POOLS)
def test_ne_is_the_complement_of_eq(collection: Collection, name: str) -> None:
    for value in values_of[name]:
        equal, unequal = (
            collection.find_ids(Condition(name, op, (value,))) for op in (Op.EQ, Op.NE)
        )
        assert sorted(equal + unequal) == [row.id for row in ROWS]


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("op", [op for op in Op if op not in OF_TEXT])
def test_values_are_compared_exactly(collection: Collection, name: str, op: Op) -> None:
    for value in values_of[name]:
        condition = Condition(name, op, (value,))
        assert collection.find_ids(condition) == [row.id for row in ROWS if holds(condition, row)]


def test_words_that_differ_by_an_accent_must_both_match(collection: Collection) -> None:
    search = Search((WordSearch.folding(("label",), ("a", "ä")),), place=Slice(1000))
    assert collection.page(search) == expected(search)


@pytest.mark.parametrize("op", [Op.LT, Op.LE, Op.GT, Op.GE, Op.NE, Op.IN])
def test_a_condition_holds_for_any_of_several_decimals(collection: Collection, op: Op) -> None:
    for values in ((Decimal("9.005"), Decimal(100)), (Decimal(9), Decimal("1E+40")), ()):
        condition = Condition("weight", op, values)
        matching = [row.id for row in ROWS if values and holds(condition, row)]
        assert collection.find_ids(condition) == matching


def test_a_key_can_contain_a_decimal_that_is_out_of_range(collection: Collection) -> None:
    ordering = total_order((Order("weight"),))
    for value, id_ in (("9.005", 100), ("1E+40", 100), ("-1E+40", 0)):
        after = Search((), ordering, Slice(100, after=(Decimal(value), id_)))
        greater = Condition("weight", Op.GT, (Decimal(value),))
        assert list(collection.page(after).items) == in_order(ordering, greater)


def test_reads_the_values_that_were_written(collection: Collection) -> None:
    rows = collection.page(Search(place=Slice(100))).items
    assert list(rows) == ROWS
    assert [tuple(map(type, row)) for row in rows] == [tuple(map(type, row)) for row in ROWS]
    assert [str(row.weight) for row in rows] == [str(row.weight) for row in ROWS]


@pytest.mark.parametrize("collection", SQL, indirect=True)
def test_core_reads_the_same_values(collection: Collection) -> None:
    with collection.engine.connect() as connection:
        rows = connection.execute(select(*COLUMNS).order_by(SPECIMENS.c.id))
        assert [Specimen._make(row) for row in rows] == ROWS


@pytest.mark.parametrize("collection", SQL, indirect=True)
@pytest.mark.parametrize("value", ["0.001", "10000000000000000.00", "-1E+20"])
def test_does_not_round_a_decimal(collection: Collection, value: str) -> None:
    with collection.engine.connect() as connection, pytest.raises(StatementError, match="hold"):
        connection.execute(insert(SPECIMENS), {"kind": "x", "weight": Decimal(value)})


@pytest.mark.parametrize(("digits", "scale"), [(19, 2), (2, 3), (5, -1)])
def test_a_decimal_column_has_at_most_18_digits(digits: int, scale: int) -> None:
    with pytest.raises(ValueError, match="digits"):
        FixedDecimal(digits, scale)
