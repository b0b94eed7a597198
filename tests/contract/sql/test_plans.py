"""The cost of searches among a million users, from the query plans of PostgreSQL.

There are few roles and states. 300,000 of the users were imported together, with equal times.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from database_servers import PostgresServer
from psycopg2 import extensions
from sqlalchemy import Engine

from adapters.sql import schema
from adapters.sql.audit import SqlEventReader
from adapters.sql.engine import make_engine
from adapters.sql.repository import SqlReader
from adapters.sql.users import USERS_TABLE
from application.audit import History
from application.search import (
    Condition,
    Key,
    Op,
    Order,
    Search,
    Slice,
    Test,
    WordSearch,
    total_order,
)
from application.users import USER_TYPE
from domain.text import email_key

pytestmark = pytest.mark.long

USERS = 1_000_000
ATTRIBUTES = ("id", "email", "name", "is_active", "role", "creation_time", "update_time")
FILL = f"""
    INSERT INTO users (email, email_key, email_folded, name, name_key, is_active, role,
                       creation_time, update_time, version)
    SELECT 'person' || i || CASE WHEN i %% 100 = 0 THEN '@exämple.org' ELSE '@example.org' END,
           'person' || i || CASE WHEN i %% 100 = 0 THEN '@xn--exmple-cua.org'
                                 ELSE '@example.org' END,
           CASE WHEN i %% 100 = 0 THEN 'person' || i || '@exämple.org' END,
           'Name ' || i * 7919 %% 20011, 'name ' || i * 7919 %% 20011, i %% 3 <> 0,
           CASE WHEN i %% 10 = 0 THEN 'admin' WHEN i %% 10 < 3 THEN 'editor' ELSE 'user' END,
           moment, moment, 1
    FROM (SELECT i, timestamptz '2020-01-01Z' + greatest(i - 300000, 0) * interval '1 s' AS moment
          FROM generate_series(1, {USERS}::bigint) AS i) AS numbered
"""
# Ten events about each of 100,000 users.
FILL_AUDIT_LOG = f"""
    INSERT INTO events (position, time, action, subject_type, subject_id, version, changes)
    SELECT i, '2026-11-22Z', 'changed', 'users', 1 + i %% 100000, 1 + i / 100000, '{{}}'
    FROM generate_series(1, {USERS}::bigint) AS i
"""


@dataclass(frozen=True)
class Cost:
    """The work in the query plans of a search."""

    nodes: list[dict[str, Any]]

    @property
    def explanation(self) -> list[dict[str, Any]]:
        """The part of the plans that explains a failed test."""
        names = ("Node Type", "Index Name", "Index Cond", "Filter", "Actual Rows")
        return [{name: node[name] for name in names if name in node} for node in self.nodes]

    @property
    def scans(self) -> set[str]:
        return {node["Node Type"] for node in self.nodes}

    @property
    def sorted_rows(self) -> float:
        """The number of rows that the largest sort reads."""
        sorts = [node for node in self.nodes if node["Node Type"].endswith("Sort")]
        return max((input_rows(node) for node in sorts), default=0)

    @property
    def rows(self) -> float:
        """The number of rows that were read, including those that do not match."""
        scans = [node for node in self.nodes if "Relation Name" in node]
        return sum(returned_rows(node) + removed_rows(node) for node in scans)

    @property
    def buffers(self) -> int:
        top = self.nodes[0]
        return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def returned_rows(node: dict[str, Any]) -> float:
    return float(node["Actual Rows"] * node["Actual Loops"])


def removed_rows(node: dict[str, Any]) -> float:
    return float(node.get("Rows Removed by Filter", 0) * node["Actual Loops"])


def input_rows(node: dict[str, Any]) -> float:
    return sum(map(returned_rows, node["Plans"]))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


@pytest.fixture(scope="module")
def engine(postgresql_18: PostgresServer) -> Iterator[Engine]:
    yield from filled(postgresql_18.new_database())


@pytest.fixture(scope="module")
def engine_with_trigrams(postgresql_15: PostgresServer) -> Iterator[Engine]:
    yield from filled(postgresql_15.new_database())


def filled(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    schema.upgrade(engine)
    with engine.connect() as connection:
        for statement in (FILL, FILL_AUDIT_LOG, "VACUUM ANALYZE users, events"):
            connection.exec_driver_sql(statement)
    yield engine
    engine.dispose()


def cost(engine: Engine, search: Callable[[Engine], object]) -> Cost:
    """Runs a search, and returns the cost of running its statements again."""
    plans: list[dict[str, Any]] = []
    statements: list[str] = []

    class Recording(extensions.cursor):
        def execute(self, statement: Any, values: Any = None) -> None:
            text = self.mogrify(statement, values).decode()
            if query := text.partition("; ")[2]:  # after the statement timeout
                statements.append(query)
            super().execute(statement, values)

    with engine.connect() as connection:
        session: Any = connection.connection.dbapi_connection
        session.cursor_factory = Recording
    try:
        search(engine)
    finally:
        session.cursor_factory = None
    with session.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
            ((plan,),) = cursor.fetchall()
            plans += nodes(plan[0]["Plan"])
    assert plans, "the search ran no statement"
    return Cost(plans)


def page(*orders: Order, conditions: tuple[Test, ...] = (), **place: Any) -> Search:
    return Search(conditions, total_order(orders), Slice(100, **place))


def read_page(engine: Engine, search: Search) -> object:
    """Reads a page of users."""
    return SqlReader(USERS_TABLE, engine).page(search)


def key_at(
    engine: Engine, attribute: str, part: float, *, descending: bool = False, where: str = "true"
) -> Key:
    """The key of the user who is preceded by `part` of the list."""
    ids = "" if attribute == "id" else ", id"
    statement = (
        f"WITH list AS (SELECT * FROM users WHERE {where}) SELECT {attribute}{ids} FROM list"
        f" ORDER BY {attribute} {'DESC' if descending else 'ASC'}{ids}"
        f" LIMIT 1 OFFSET (SELECT count(*) * {part} FROM list)"
    )
    with engine.connect() as connection:
        return tuple(connection.exec_driver_sql(statement).one())


def assert_flat(found: Cost, *, factor: float = 1) -> None:
    """The search reads about the rows of the page, and skips `factor` times as many."""
    assert "Seq Scan" not in found.scans, found.explanation
    assert found.sorted_rows <= 210 * factor, found.explanation
    assert found.rows <= 210 * factor, found.explanation
    assert found.buffers <= 240 * factor, found.explanation


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_page_reads_its_own_rows_at_any_depth(
    engine: Engine, attribute: str, descending: bool
) -> None:
    order = Order(attribute, descending)
    assert_flat(cost(engine, lambda engine: SqlReader(USERS_TABLE, engine).page(page(order))))
    for part in (0.1, 0.5, 0.9):
        key = key_at(engine, attribute, part, descending=descending)
        assert_flat(
            cost(
                engine,
                partial(read_page, search=page(order, after=key)),
            ),
            factor=10,
        )
        assert_flat(
            cost(
                engine,
                partial(read_page, search=page(order, before=key)),
            ),
            factor=10,
        )


FILTERS = {
    "role = 'user'": Condition("role", Op.EQ, ("user",)),
    "role = 'admin'": Condition("role", Op.EQ, ("admin",)),
    "not is_active": Condition("is_active", Op.EQ, (False,)),
    "name = 'Name 7'": Condition("name", Op.EQ, ("Name 7",)),
    "name_key = 'name 7'": Condition.folding("name", Op.EQ, ("NAME 7",)),
}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("where", FILTERS)
def test_a_filter_reads_few_other_rows(
    engine: Engine, where: str, attribute: str, descending: bool
) -> None:
    order, conditions = Order(attribute, descending), (FILTERS[where],)
    middle = key_at(engine, attribute, 0.5, descending=descending, where=where)
    for place in ({}, {"after": middle}):
        search = page(order, conditions=conditions, **place)
        assert_flat(
            cost(engine, partial(read_page, search=search)),
            factor=20,
        )


@pytest.mark.parametrize(
    "condition",
    [
        Condition("id", Op.EQ, (777_777,)),
        Condition("email_key", Op.EQ, (email_key("Person777@example.org"),)),
        Condition("email_key", Op.EQ, (email_key("Person700@exämple.org"),)),
    ],
)
def test_finds_one_user_by_an_index(engine: Engine, condition: Condition) -> None:
    search = page(conditions=(condition,))
    found = cost(engine, lambda engine: SqlReader(USERS_TABLE, engine).page(search))
    assert found.rows == 1
    assert found.buffers <= 6
    assert found.scans == {"Index Scan"}, "one row needs no order"


@pytest.mark.parametrize("op", [Op.EQ, Op.IN])
@pytest.mark.parametrize("name", ["NAME 7", "N" * 101, "Nobody"])
def test_finds_names_in_any_case_by_an_index(engine: Engine, name: str, op: Op) -> None:
    names = (name,) if op is Op.EQ else (name, "Name 8", "n" * 250)
    search = page(conditions=(Condition.folding("name", op, names),))
    found = cost(engine, lambda engine: SqlReader(USERS_TABLE, engine).page(search))
    assert "Seq Scan" not in found.scans, found.explanation
    assert found.rows <= 120, found.explanation


@pytest.mark.parametrize("text", [("email", "person7777"), ("name", "Name 777"), ("role", "adm")])
def test_finds_prefixes_by_an_index(engine: Engine, text: tuple[str, str]) -> None:
    attribute, beginning = text
    condition = Condition.folding(attribute, Op.STARTS_WITH, (beginning,))
    search = page(conditions=(condition,))
    found = cost(engine, lambda engine: SqlReader(USERS_TABLE, engine).page(search))
    assert "Seq Scan" not in found.scans
    assert found.rows <= 5000


@pytest.mark.parametrize(
    "text", [("email", "777777"), ("email", "7700@exä"), ("name", "e 19999"), ("role", "xyz")]
)
def test_finds_a_rare_part_by_trigrams(engine_with_trigrams: Engine, text: tuple[str, str]) -> None:
    attribute, part = text
    condition = Condition.folding(attribute, Op.CONTAINS, (part,))
    search = page(conditions=(condition,))
    found = cost(engine_with_trigrams, lambda engine: SqlReader(USERS_TABLE, engine).page(search))
    assert "Seq Scan" not in found.scans
    assert found.rows <= 500


@pytest.mark.parametrize("words", [["777777"], ["person", "777777"], ["7700@exä", "19"], ["xyz"]])
def test_finds_rare_words_by_trigrams(engine_with_trigrams: Engine, words: Sequence[str]) -> None:
    search = page(conditions=(WordSearch.folding(("email", "name"), words),))
    found = cost(engine_with_trigrams, lambda engine: SqlReader(USERS_TABLE, engine).page(search))
    assert "Seq Scan" not in found.scans, found.explanation
    assert found.rows <= 1000, found.explanation


@pytest.mark.parametrize("descending", [False, True])
def test_a_history_reads_its_own_events(engine: Engine, descending: bool) -> None:
    its = History(USER_TYPE, SqlEventReader(engine), SqlReader(USERS_TABLE, engine).get).about(777)
    search = Search(its, (Order("id", descending),), Slice(5))
    found = cost(engine, lambda engine: SqlEventReader(engine).page(search))
    assert found.rows <= 6, found.explanation
    assert found.buffers <= 15, found.explanation


def test_reading_the_audit_log_from_a_position_reads_only_new_events(engine: Engine) -> None:
    found = cost(engine, lambda engine: SqlEventReader(engine).read_from(USERS - 100, size=50))
    assert "Seq Scan" not in {
        node["Node Type"] for node in found.nodes if node.get("Relation Name") == "events"
    }
    assert found.rows <= 52, found.explanation
    assert found.buffers <= 70, found.explanation
