"""Searches of related entities read as much for a large group as for a small one, at any depth.

Indexes find users by their texts. The tests measure this on each database.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from contract.sql.work import Work, cost
from sqlalchemy import Engine

from adapters.sql import schema, statistics
from adapters.sql.bulk import insert_rows
from adapters.sql.engine import make_engine
from adapters.sql.groups import GROUPS_TABLE, MEMBERSHIPS_TABLE
from adapters.sql.links import SqlLinkReader
from adapters.sql.reads import reads_from
from adapters.sql.repository import SqlReader
from adapters.sql.tables import Tables
from adapters.sql.transactions import Transactions
from adapters.sql.users import USERS_TABLE
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.inclusion import Step
from application.relationship_queries import RelationshipQueries, related_to
from application.relationships import Relationships
from application.search import (
    AnyOf,
    Condition,
    Numbered,
    Op,
    Order,
    Related,
    Search,
    Slice,
    Test,
    WordSearch,
    total_order,
)
from application.users import USER_TYPE

pytestmark = pytest.mark.slow

USERS = 20_000
LARGE, SMALL = 1, 2
"""The ids of a group of all users, and of one of every 20th user."""
TINY = 100
"""The number of other groups, of five users each."""
MEMBERS, GROUPS = MEMBERSHIPS.ends
TABLES = Tables([USERS_TABLE, GROUPS_TABLE], [MEMBERSHIPS_TABLE], [OWNER])
TIME = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(
    scope="module",
    params=["sqlite", "sqlite_with_statistics", "postgresql_18", "postgresql_15", "mariadb"],
)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    if request.param.startswith("sqlite"):
        url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/roster.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    filling = make_engine(url, exclusive=True)
    schema.upgrade(filling)
    fill(filling)
    if request.param == "sqlite_with_statistics":
        with Transactions(filling).open() as connection:
            statistics.update(connection)
    filling.dispose()
    engine = make_engine(url, pool_size=1)
    yield engine
    engine.dispose()


def fill(engine: Engine) -> None:
    of_all = {"creation_time": TIME, "update_time": TIME, "version": 1}
    ids = range(1, USERS + 1)
    users = [
        {
            "id": n,
            "email": f"u{n}@x.org",
            "email_key": f"u{n}@x.org",
            "name": f"n{n % 977}",
            "name_key": f"n{n % 977}",
            "is_active": n % 3 > 0,
            "role": "admin" if n % 10 == 0 else "user",
            **of_all,
        }
        for n in ids
    ]
    groups = [
        {"id": n, "name": f"g{n}", "name_key": f"g{n}", "owner": n, **of_all}
        for n in range(1, TINY + 3)
    ]
    pairs = [(LARGE, n) for n in ids] + [(SMALL, n) for n in ids[::20]]
    pairs += [(3 + n, 1 + (7 * n + 131 * each) % USERS) for n in range(TINY) for each in range(5)]
    with Transactions(engine).open() as connection:
        for table, rows in ((USERS_TABLE.table, users), (GROUPS_TABLE.table, groups)):
            columns = [table.c[name] for name in rows[0]]
            insert_rows(connection, columns, [list(row.values()) for row in rows])
        insert_rows(connection, MEMBERSHIPS_TABLE.columns, pairs)
    with engine.connect() as connection:
        for statement in {
            "postgresql": ("VACUUM ANALYZE users, groups, memberships",),
            "mariadb": ("ANALYZE TABLE users, groups, memberships",),
        }.get(engine.name, ()):
            connection.exec_driver_sql(statement)


def page_of_users(engine: Engine, *tests: Test, **more: Any) -> Callable[[], list[int]]:
    orders = total_order(more.pop("orders", ()))
    place = more.pop("place", None) or Slice(100, **more)
    reader = SqlReader(USERS_TABLE, engine, TABLES.searches(USER_TYPE))

    def ask() -> list[int]:
        return [each.id for each in reader.page(Search(tests, orders, place)).items]

    return ask


@pytest.mark.parametrize("place", [{}, {"after": (18_000,)}, {"before": (18_000,)}])
@pytest.mark.parametrize("extra", [(), (Condition("is_active", Op.EQ, (True,)),)])
def test_a_page_of_members_costs_as_much_in_a_large_group(
    engine: Engine, place: dict[str, Any], extra: tuple[Test, ...]
) -> None:
    small = cost(engine, page_of_users(engine, related_to(MEMBERS, SMALL), *extra))
    large = cost(engine, page_of_users(engine, related_to(MEMBERS, LARGE), *extra, **place))
    most = 1.5 if extra else 1.2  # every third member of the large group is not active
    assert 0 < large.amount <= most * small.amount + 10, (small.amount, large.amount, large.plans)


def test_a_group_is_found_by_its_name(engine: Engine) -> None:
    def named(group: int) -> Related:
        return Related("groups", (Condition("name", Op.EQ, (f"g{group}",), folded=True),))

    small = cost(engine, page_of_users(engine, named(SMALL)))
    large = cost(engine, page_of_users(engine, named(LARGE), after=(18_000,)))
    assert 0 < large.amount <= 1.2 * small.amount + 10, (small.amount, large.amount, large.plans)


def test_several_groups_are_read_in_the_order_of_the_list(engine: Engine) -> None:
    def page(*groups: int, **more: Any) -> Work:
        ids = Related("groups", (Condition("id", Op.IN, groups),))
        return cost(engine, page_of_users(engine, ids, **more))

    one = page(SMALL)
    assert page(LARGE, SMALL).amount <= 3 * one.amount
    assert page(LARGE, SMALL, after=(18_000,)).amount <= 3 * one.amount


IS_ADMIN = Condition("role", Op.EQ, ("admin",))


@pytest.mark.parametrize("alternative", ["large group", "small group", "active in a large group"])
@pytest.mark.parametrize("after", [None, (18_000,)])
def test_alternatives_cost_little_more_than_the_most_expensive(
    engine: Engine, alternative: str, after: tuple[int] | None
) -> None:
    first: tuple[Test, ...] = {
        "large group": (related_to(MEMBERS, LARGE),),
        "small group": (related_to(MEMBERS, SMALL),),
        "active in a large group": (
            related_to(MEMBERS, LARGE),
            Condition("is_active", Op.EQ, (True,)),
        ),
    }[alternative]
    alone = max(
        cost(engine, page_of_users(engine, *each, after=after)).amount
        for each in (first, (IS_ADMIN,))
    )
    found = cost(engine, page_of_users(engine, AnyOf((first, (IS_ADMIN,))), after=after))
    # Merging the alternatives takes many steps of SQLite, but each is short.
    most = 5 if engine.name == "sqlite" else 3
    # If PostgreSQL reads a page of 100 rows from a few blocks, it looks up each row of a union.
    assert 0 < found.amount <= most * max(alone, 300), (alone, found.amount, found.plans)


def test_a_numbered_page_reads_pairs(engine: Engine) -> None:
    page = page_of_users(engine, related_to(MEMBERS, SMALL), place=Numbered(10, 3))
    assert page() == [n for n in range(1, USERS + 1) if n % 20 == 1][20:30]
    assert cost(engine, page).count == 1


def test_the_first_members_cost_as_much_in_a_large_group(engine: Engine) -> None:
    links = SqlLinkReader(TABLES, engine)

    def first(*groups: int) -> Work:
        return cost(engine, lambda: links.first(MEMBERS, groups, limit=25))

    small = first(SMALL)
    large = first(LARGE)
    assert 0 < large.amount <= 1.2 * small.amount + 10, (small.amount, large.amount, large.plans)
    among_others = first(LARGE, *range(3, 43))
    others = first(SMALL, *range(3, 43))
    assert among_others.amount <= 1.2 * others.amount, (others.amount, among_others.amount)


def test_each_step_of_an_inclusion_takes_one_statement(engine: Engine) -> None:
    readers = {each: SqlReader(TABLES.entities[each], engine) for each in TABLES.entities}
    relationships = Relationships(MEMBERSHIPS, OWNER)
    queries = RelationshipQueries(readers, SqlLinkReader(TABLES, engine), relationships)
    groups = readers[GROUP_TYPE].page(Search(place=Slice(30))).items
    steps = [Step(OWNER), Step(MEMBERS, (Step(GROUPS, (Step(OWNER),)),))]

    def include() -> None:
        included = queries.include(GROUP_TYPE, groups, steps, None)
        assert len(included.links[MEMBERS]) == 30
        assert len(included.links[GROUPS]) > 50

    assert cost(engine, include).count == 4


def test_many_entities_are_read_by_one_statement(engine: Engine) -> None:
    reader = SqlReader(USERS_TABLE, engine)
    ids = [*range(USERS + 5000, 0, -1)]
    work = cost(engine, lambda: reader.get_many(ids))
    assert work.count == 1
    assert [each.id for each in reader.get_many(ids)] == [*range(1, USERS + 1)]
    few = cost(engine, lambda: reader.get_many([5, 7, 10**30]))
    assert few.amount <= 100


def test_a_sorted_page_of_a_small_group_reads_the_group(engine: Engine) -> None:
    group = related_to(MEMBERS, 5)
    tiny = cost(engine, page_of_users(engine, group, orders=(Order("name"),)))
    assert tiny.amount <= 500, (tiny.amount, tiny.plans)


def test_a_thousand_keys_are_found_by_the_index(engine: Engine) -> None:
    read = reads_from(engine)
    (lookup,) = USERS_TABLE.ids_by_keys.values()
    keys = [f"u{number}@x.org" for number in range(USERS - 500, USERS + 500)]
    found: list[Mapping[str, int]] = []

    def find() -> None:
        found.append(read(lambda connection: lookup.ids(connection, keys, for_update=False)))

    work = cost(engine, find)
    assert found[0] == {f"u{number}@x.org": number for number in range(USERS - 500, USERS + 1)}
    assert "Seq Scan" not in str(work.plans)
    assert work.amount <= 25 * len(keys), (work.amount, work.plans)


MAX_TO_FIND_A_TEXT = {"sqlite": 2000, "postgresql": 100, "mariadb": 100}
"""Reading all users takes 200,000 steps on SQLite, 270 buffers on PostgreSQL, and 20,000 rows."""


@pytest.mark.parametrize(
    "condition",
    [
        Condition("email_key", Op.EQ, ("u777@x.org",)),
        Condition("email_key", Op.IN, ("u777@x.org", "u7@x.org")),
        Condition.folding("email", Op.STARTS_WITH, ("U7777",)),
        Condition.folding("name", Op.EQ, ("N97",)),
        Condition.folding("name", Op.IN, ("N97", "n98")),
        Condition.folding("name", Op.STARTS_WITH, ("N975",)),
        Condition("role", Op.EQ, ("owner",)),
        Condition.folding("role", Op.STARTS_WITH, ("OWN",)),
    ],
    ids=lambda each: f"{each.attribute}-{each.op.value}",
)
def test_an_index_finds_users_by_a_text(engine: Engine, condition: Condition) -> None:
    found = cost(engine, page_of_users(engine, condition))
    assert 0 < found.amount <= MAX_TO_FIND_A_TEXT[engine.name], (found.amount, found.plans)


@pytest.mark.parametrize("engine", ["postgresql_15"], indirect=True)
@pytest.mark.parametrize(
    "test",
    [
        Condition.folding("email", Op.CONTAINS, ("U7777@",)),
        Condition.folding("name", Op.CONTAINS, ("975",)),
        Condition.folding("role", Op.CONTAINS, ("Owner",)),
        WordSearch.folding(("email", "name"), ("U7777", "X.org")),
    ],
)
def test_trigrams_find_users_by_a_part_of_a_text(engine: Engine, test: Test) -> None:
    found = cost(engine, page_of_users(engine, test))
    assert 0 < found.amount <= MAX_TO_FIND_A_TEXT[engine.name], (found.amount, found.plans)


IS_ACTIVE = Condition("is_active", Op.EQ, (True,))


IS_USER = Condition("role", Op.EQ, ("user",))
MAX_COST = {"sqlite": 10_000, "postgresql": 50, "mariadb": 1000}


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize(
    ("engine", "extra"),
    [
        ("sqlite", ()),
        *(
            (server, extra)
            for server in ("sqlite_with_statistics", "postgresql_18", "mariadb")
            for extra in ((), (IS_ACTIVE,))
        ),
    ],
    indirect=["engine"],
)
@pytest.mark.parametrize("side", ["after", "before"])
def test_a_page_among_equal_values_does_not_read_them_all(
    engine: Engine, is_descending: bool, extra: tuple[Test, ...], side: str
) -> None:
    orders, place = (Order("role", is_descending),), {side: ("user", 10_001)}
    found = cost(engine, page_of_users(engine, *extra, orders=orders, **place))
    assert 0 < found.amount <= MAX_COST[engine.name], found.amount


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("attribute", ["email", "name", "update_time"])
@pytest.mark.parametrize("place", ["first", "after", "before"])
def test_a_sorted_page_does_not_read_the_whole_list(
    engine: Engine, attribute: str, is_descending: bool, place: str
) -> None:
    middle = {"email": "u5@x.org", "name": "n5", "update_time": TIME}[attribute]
    slice_ = {} if place == "first" else {place: (middle, 10_001)}
    found = cost(engine, page_of_users(engine, orders=(Order(attribute, is_descending),), **slice_))
    assert 0 < found.amount <= 4 * MAX_COST[engine.name], (found.amount, found.plans)


@pytest.mark.parametrize(
    "engine", ["sqlite_with_statistics", "postgresql_18", "mariadb"], indirect=True
)
@pytest.mark.parametrize("order", [Order("name"), Order("email", True)])
@pytest.mark.parametrize("test", [IS_USER, IS_ACTIVE])
def test_a_common_filter_with_another_sort_does_not_read_all_matching_rows(
    engine: Engine, order: Order, test: Test
) -> None:
    found = cost(engine, page_of_users(engine, test, orders=(order,)))
    assert 0 < found.amount <= 10 * MAX_COST[engine.name], (found.amount, found.plans)


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("tests", [(IS_USER,), (IS_ADMIN,), (IS_ACTIVE,), (IS_USER, IS_ACTIVE)])
@pytest.mark.parametrize("place", [{}, {"after": (10_001,)}, {"before": (10_001,)}])
def test_a_page_of_users_with_one_value_does_not_read_all_of_them(
    engine: Engine, is_descending: bool, tests: tuple[Test, ...], place: dict[str, Any]
) -> None:
    orders = (Order("id", is_descending),)
    found = cost(engine, page_of_users(engine, *tests, orders=orders, **place))
    assert 0 < found.amount <= MAX_COST[engine.name], (found.amount, found.plans)
