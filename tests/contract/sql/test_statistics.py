"""Maintenance gives SQLite statistics, so that it reads a sorted list by the index of its order."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from adapters.sql import schema, statistics
from adapters.sql.engine import make_engine
from adapters.sql.repository import SqlReader
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.ports import Context
from application.search import Condition, Op, Order, Search, Slice, total_order
from application.users import USER_TYPE
from domain.users import NewUser

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ACTIVE_BY_NAME = Search(
    (Condition("is_active", Op.EQ, (True,)),), total_order((Order("name"),)), Slice(10)
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path}/roster.db", pool_size=1)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> SqlStore:
    return SqlStore(engine, lambda: NOW, [USERS_TABLE])


def add_users(store: SqlStore, first: int, last: int) -> None:
    users = [
        NewUser(email=f"u{n}@example.org", name=f"n{n}", is_active=n % 3 > 0)
        for n in range(first, last + 1)
    ]
    with store.begin(Context()) as work:
        work.repository(USER_TYPE).add_many(users, at=NOW)


def steps_of_list(engine: Engine) -> int:
    """The thousands of steps of SQLite that a page of active users by name takes."""
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1

    reader = SqlReader(USERS_TABLE, engine)
    reader.page(ACTIVE_BY_NAME)  # so that the statement is compiled
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.set_progress_handler(count, 1000)
    try:
        assert len(reader.page(ACTIVE_BY_NAME).items) == 10
    finally:
        driver.set_progress_handler(None, 0)
    return counted


def schema_version(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("PRAGMA schema_version").scalar_one())


def test_an_open_connection_uses_new_statistics(engine: Engine, store: SqlStore) -> None:
    add_users(store, 1, 5000)
    assert steps_of_list(engine) > 20
    other = make_engine(engine.url.render_as_string(), pool_size=1)
    SqlStore(other, lambda: NOW, [USERS_TABLE]).update_statistics()
    other.dispose()
    assert steps_of_list(engine) <= 1


def test_a_table_is_analyzed_again_only_after_it_has_doubled(
    engine: Engine, store: SqlStore
) -> None:
    before = schema_version(engine)
    add_users(store, 1, 999)
    store.update_statistics()
    assert schema_version(engine) == before  # a small table needs no statistics
    add_users(store, 1000, 1000)
    store.update_statistics()
    analyzed = schema_version(engine)
    assert analyzed > before
    add_users(store, 1001, 1999)
    store.update_statistics()
    assert schema_version(engine) == analyzed
    add_users(store, 2000, 2000)
    store.update_statistics()
    assert schema_version(engine) > analyzed


def test_a_large_file_is_not_analyzed(
    engine: Engine, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_users(store, 1, 1000)
    monkeypatch.setattr(statistics, "_MAX_BYTES", 100_000)
    before = schema_version(engine)
    store.update_statistics()
    assert schema_version(engine) == before
