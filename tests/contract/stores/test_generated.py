"""Generated users and searches have the same results on every database as in memory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import pytest
from contract.stores.directories import ANONYMOUS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from adapters.sql.repository import SqlReader
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.ports import Begin
from application.search import (
    Condition,
    Numbered,
    Op,
    Order,
    Search,
    Slice,
    WordSearch,
    total_order,
)
from application.users import USER_TYPE
from domain.errors import Invalid
from domain.users import EmailTaken, NewUser, User

ATTRIBUTES = ("email", "name", "is_active", "role", "creation_time", "update_time")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

# Few letters, so that values repeat. Each could be sorted or folded wrongly in a different way.
LETTERS = "aAbßéÉ\u0301åǆﬁ%_\\'. -0９٣Ωω\uffe5𝒜😀\U0010fffd"
names = st.text(LETTERS, min_size=1, max_size=4)
emails = st.builds("{}@{}.org".format, st.text("aAbéÉ０", min_size=1, max_size=2), st.just("x"))
roles = st.sampled_from(["user", "admin", "a-b", "a_b", "ab"])
times = st.integers(0, 3).map(lambda count: NOON + timedelta(milliseconds=count))


def _new(email: str, name: str, is_active: bool, role: str) -> NewUser | None:
    try:
        return NewUser(email=email, name=name, is_active=is_active, role=role)
    except Invalid:
        return None


people = st.lists(
    st.tuples(st.builds(_new, emails, names, st.booleans(), roles), times), max_size=12
)
ordering = st.lists(st.builds(Order, st.sampled_from(ATTRIBUTES), st.booleans()), max_size=3).map(
    lambda orders: total_order(tuple(orders))
)
of_attribute: dict[str, st.SearchStrategy[Any]] = {
    "email": emails,
    "name": names,
    "is_active": st.booleans(),
    "role": roles,
    "creation_time": times | times.map(lambda time: time + timedelta(microseconds=500)),
    "update_time": times,
}
in_order = st.sampled_from([Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE])


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    attribute = draw(st.sampled_from(ATTRIBUTES))
    values = of_attribute[attribute]
    if draw(st.booleans()):
        return Condition(attribute, Op.IN, tuple(draw(st.lists(values, max_size=3))))
    if attribute in ("email", "name", "role") and draw(st.booleans()):
        op = draw(st.sampled_from([Op.CONTAINS, Op.STARTS_WITH, Op.EQ, Op.NE]))
        return Condition.folding(attribute, op, (draw(st.text(LETTERS, max_size=2)),))
    return Condition(attribute, draw(in_order), (draw(values),))


attributes = st.lists(st.sampled_from(["email", "name", "role"]), min_size=1, unique=True)
word_searches = st.builds(
    lambda searched, words: WordSearch.folding(tuple(searched), words),
    attributes,
    st.lists(st.text(LETTERS, min_size=1, max_size=2), min_size=1, max_size=3),
)
tests_of_users = st.lists(conditions() | word_searches, max_size=2)


def _filled(begin: Begin, new_users: list[tuple[NewUser | None, datetime]]) -> list[User | None]:
    """Adds users, and returns them; None for each that was rejected."""
    added: list[User | None] = []
    for new, at in new_users:
        try:
            with begin(ANONYMOUS) as work:
                added.append(work.repository(USER_TYPE).add(new, at=at) if new else None)
        except EmailTaken:
            added.append(None)
    return added


def _without_id(user: User | None) -> Any:
    """All attributes except the id, which differs between stores."""
    return user and attrgetter(*ATTRIBUTES, "version")(user)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "postgresql_15", "mariadb"])
@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(new_users=people, data=st.data())
def test_databases_return_the_same_users_as_memory(
    engines: Callable[[str], Engine], kind: str, new_users: Any, data: st.DataObject
) -> None:
    engine: Engine = engines(kind)
    with engine.connect() as connection:
        for table in ("memberships", "groups", "users"):
            connection.exec_driver_sql(
                f"DELETE FROM {connection.dialect.identifier_preparer.quote(table)}"
            )
    memory, database = MemoryStore(lambda: NOON), SqlStore(engine, lambda: NOON, [USERS_TABLE])
    expected_users = _filled(memory.begin, new_users)
    users = _filled(database.begin, new_users)
    assert [_without_id(user) for user in users] == [_without_id(user) for user in expected_users]
    pairs = {
        expected.id: user.id
        for expected, user in zip(expected_users, users, strict=True)
        if expected and user
    }

    for _ in range(3):
        search = data.draw(searches([user for user in expected_users if user]))
        expected = MemoryReader(USER_TYPE, memory).page(search)
        page = SqlReader(USERS_TABLE, engine).page(_with_ids(search, pairs))
        assert [user.id for user in page.items] == [pairs[user.id] for user in expected.items]
        assert (page.more, page.total) == (expected.more, expected.total)


@st.composite
def searches(draw: st.DrawFn, users: list[User]) -> Search:
    conditions = tuple(draw(tests_of_users))
    orders = draw(ordering)
    size = draw(st.integers(1, 5))
    if draw(st.booleans()):
        return Search(conditions, orders, Numbered(size, draw(st.integers(1, 4))))
    key = attrgetter(
        *(order.attribute for order in orders), "version"
    )  # several attributes, so that the result is a tuple
    keys = st.none() | st.sampled_from([key(user)[:-1] for user in users]) if users else st.none()
    place = Slice(size, after=draw(keys), before=draw(keys), total=draw(st.booleans()))
    return Search(conditions, orders, place)


def _with_ids(search: Search, pairs: dict[int, int]) -> Search:
    """The same search with the keys of another store."""

    def key(of_memory: Any) -> Any:
        return of_memory and (*of_memory[:-1], pairs[of_memory[-1]])

    if isinstance(search.place, Numbered):
        return search
    place = search.place
    moved = replace(place, after=key(place.after), before=key(place.before))
    return replace(search, place=moved)
