"""A long history costs as much per event as a short one, on each database."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from contract.sql.work import cost
from sqlalchemy import Engine

from adapters.sql import schema
from adapters.sql.audit import EVENTS, SqlEventReader, SqlEvents
from adapters.sql.bulk import insert_rows
from adapters.sql.engine import make_engine
from adapters.sql.transactions import Transactions
from application.audit import about
from application.ports import Context
from application.search import Order, Search, Slice, total_order

pytestmark = pytest.mark.slow

LONG, SHORT = 1, 2
"""The ids of users with 20,000 events and with 1,000 events."""
EVENT_COUNTS = {LONG: 20_000, SHORT: 1_000}
TIME = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture(scope="module", params=["sqlite", "postgresql_18", "postgresql_15", "mariadb"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/roster.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    filling = make_engine(url, exclusive=True)
    schema.upgrade(filling)
    names = ("time", "action", "subject_type", "subject_id", "version", "changes")
    rows = [
        (TIME, "changed", "users", subject, version, "{}")
        for subject, number in EVENT_COUNTS.items()
        for version in range(number)
    ]
    with Transactions(filling).open() as connection:
        insert_rows(connection, [EVENTS.c[name] for name in names], rows)
    filling.dispose()
    engine = make_engine(url, pool_size=1)
    statement = {"postgresql": "VACUUM ANALYZE events", "mariadb": "ANALYZE TABLE events"}
    if engine.name in statement:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement[engine.name])
    yield engine
    engine.dispose()


def test_reading_a_history_of_any_length_reads_each_event_once(engine: Engine) -> None:
    def read(subject: int) -> float:
        def read_all() -> None:
            with Transactions(engine).open() as connection:
                events = SqlEvents(connection, Context(), TIME)
                assert len([*events.changes_about("users", subject)]) == EVENT_COUNTS[subject]

        return cost(engine, read_all).amount / EVENT_COUNTS[subject]

    short, long = read(SHORT), read(LONG)
    assert 0 < long <= 1.5 * short, (long, short)


@pytest.mark.parametrize("is_descending", [False, True])
def test_a_page_deep_in_a_long_history_reads_only_the_page(
    engine: Engine, is_descending: bool
) -> None:
    reader = SqlEventReader(engine)
    ordering = total_order((Order("id", is_descending),))

    def page(subject: int, position: int) -> float:
        search = Search(about("users", subject), ordering, Slice(100, after=(position,)))
        return cost(engine, lambda: reader.page(search)).amount

    short, long = page(SHORT, 20_500), page(LONG, 10_000)
    assert 0 < long <= 1.5 * short + 10, (long, short)
