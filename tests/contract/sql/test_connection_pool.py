"""The connection pool reuses connections, and never has more of them than its size."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

from adapters.sql.connection_pool import DeadlinePool
from adapters.sql.engine import make_engine
from adapters.sql.transactions import core_connection, execute_raw, read_connection
from application.deadlines import deadline
from application.ports import Unavailable

SIZE = 2


@pytest.fixture(params=["sqlite", "postgresql_18", "postgresql_15", "mariadb"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('pool')}/roster.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    engine = make_engine(url, pool_size=SIZE)
    yield engine
    engine.dispose()


@pytest.fixture
def opened(engine: Engine) -> list[Any]:
    """The connections that the pool has opened."""
    opened: list[Any] = []
    event.listen(engine, "connect", lambda connection, _: opened.append(connection))
    return opened


def read(engine: Engine) -> Any:
    """Uses a connection, and returns it."""
    with read_connection(engine) as connection:
        execute_raw(connection, "SELECT 1")
        return connection.connection.dbapi_connection


def read_with_core(engine: Engine) -> Any:
    with core_connection(engine) as connection:
        connection.exec_driver_sql("SELECT 1")
        return connection.connection.dbapi_connection


def check_size(engine: Engine) -> None:
    """Exactly SIZE connections can be used at the same time."""
    assert isinstance(engine.pool, DeadlinePool)
    assert engine.pool.checkedout() == 0
    with ExitStack() as stack:
        for _ in range(SIZE):
            stack.enter_context(read_connection(engine))
        assert engine.pool.checkedout() == SIZE
        with deadline(0.01), pytest.raises(Unavailable), read_connection(engine):
            pass
    assert engine.pool.checkedout() == 0


def test_consecutive_uses_share_one_connection(engine: Engine, opened: list[Any]) -> None:
    uses = (read, read_with_core, read, read, read_with_core, read_with_core, read)
    assert [each(engine) for each in uses] == opened * len(uses)
    assert len(opened) == 1


def test_opens_at_most_as_many_connections_as_its_size(engine: Engine, opened: list[Any]) -> None:
    check_size(engine)
    read_with_core(engine)
    check_size(engine)
    assert len(opened) == SIZE


def test_replaces_a_connection_that_is_found_closed(engine: Engine, opened: list[Any]) -> None:
    check_size(engine)
    closed = set(opened)

    def find_closed(connection: Any, *_: object) -> None:
        if connection in closed:
            raise DisconnectionError

    event.listen(engine, "checkout", find_closed)
    check_size(engine)
    assert len(opened) == 2 * SIZE


def test_a_failed_checkout_does_not_use_up_the_pool(engine: Engine) -> None:
    read(engine)
    failures = [OSError("no"), OSError("no"), OSError("no")]

    def fail(*_: object) -> None:
        if failures:
            raise failures.pop()

    event.listen(engine, "checkout", fail)
    for _ in range(3):
        with pytest.raises(OSError, match="no"):
            read(engine)
    check_size(engine)


def test_a_server_that_closes_each_new_connection_is_unavailable(engine: Engine) -> None:
    read(engine)

    def find_closed(*_: object) -> None:
        raise DisconnectionError

    event.listen(engine, "checkout", find_closed)
    for use in (read, read_with_core, read):
        with pytest.raises(Unavailable) as failure:
            use(engine)
        assert failure.value.reason == "the server closes new connections."
    event.remove(engine, "checkout", find_closed)
    check_size(engine)


def test_closes_a_discarded_connection(engine: Engine, opened: list[Any]) -> None:
    with read_connection(engine) as connection:
        connection.invalidate()
    assert read(engine) is opened[1]
    check_size(engine)


def test_disposing_closes_the_idle_connections(engine: Engine) -> None:
    closed: list[Any] = []
    event.listen(engine, "close", lambda connection, _: closed.append(connection))
    with read_connection(engine) as inner:
        execute_raw(inner, "SELECT 1")
        used = [read(engine), inner.connection.dbapi_connection]
    pool = engine.pool
    pool.dispose()
    assert sorted(map(id, closed)) == sorted(map(id, used))
    check_size(engine)


def test_notifies_listeners_of_each_use(engine: Engine) -> None:
    events: list[str] = []
    for name in ("checkout", "checkin"):
        event.listen(engine, name, lambda *_, name=name: events.append(name))
    for use in (read, read, read_with_core, read):
        use(engine)
    assert events == ["checkout", "checkin"] * 4


def test_other_code_can_close_a_connection_as_usual(engine: Engine, opened: list[Any]) -> None:
    with closing(engine.raw_connection()) as connection:
        assert connection.dbapi_connection is opened[0]
    assert read(engine) is opened[0]
    with closing(engine.raw_connection()) as connection:
        assert connection.dbapi_connection is opened[0]
    check_size(engine)
