"""A revision that adds a column waits for locks without blocking other transactions."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event

import psycopg2
import pytest
from sqlalchemy import Connection, Engine, event

from adapters.sql import schema
from adapters.sql.engine import make_engine


@pytest.fixture
def engine(postgresql_url: str) -> Iterator[Engine]:
    engine = make_engine(postgresql_url)
    schema.upgrade(engine, "0005")
    yield engine
    engine.dispose()


def test_a_long_transaction_delays_an_upgrade_but_no_writer(
    engine: Engine, postgresql_url: str
) -> None:
    attempts, tried = 0, Event()

    def count(_: Connection, __: object, statement: str, *___: object) -> None:
        nonlocal attempts
        attempts += statement.startswith("ALTER TABLE users ADD")
        if attempts == 3:
            tried.set()

    event.listen(engine, "before_cursor_execute", count)
    with (
        closing(psycopg2.connect(postgresql_url)) as reading,
        closing(psycopg2.connect(postgresql_url)) as writing,
        ThreadPoolExecutor(1) as pool,
    ):
        writing.autocommit = True
        with reading.cursor() as cursor:  # like a dump, in a transaction that remains open
            cursor.execute("SELECT count(*) FROM users")
        upgrading = pool.submit(schema.upgrade, engine)
        with writing.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
            while not tried.is_set():
                cursor.execute("UPDATE users SET version = version + 1 WHERE id = 1")
        assert not upgrading.done()
        reading.commit()
        upgrading.result(timeout=60)
    assert schema.current(engine) == schema.REVISION
