"""The server deletes what has expired, and remnants of erased values, by itself."""

import os
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from process.server import Serve
from sqlalchemy import select
from waiting import until

from adapters.sql import schema
from adapters.sql.account_tables import COUNTERS
from adapters.sql.engine import make_engine
from adapters.sql.idempotency import ANSWERS
from application.ports import IDEMPOTENCY_TTL
from entrypoints.container import utc_now


@pytest.mark.parametrize("database", ["sqlite_url", "postgresql_url", "mariadb_url"])
def test_expired_rows_are_deleted_at_the_start_without_any_request(
    start: Serve, request: pytest.FixtureRequest, database: str
) -> None:
    url = request.getfixturevalue(database)
    engine = make_engine(url)
    schema.upgrade(engine)
    now, later = utc_now(), utc_now() + timedelta(hours=1)
    with engine.connect() as connection:
        for number in range(250):
            expired = {
                "request_key": str(number),
                "digest": "",
                "creation_time": now - IDEMPOTENCY_TTL,
            }
            connection.execute(ANSWERS.insert(), expired)
            expired = {"key": str(number), "times": [], "expiry_time": now}
            connection.execute(COUNTERS.insert(), expired)
        fresh = {"request_key": "fresh", "digest": "", "creation_time": now}
        connection.execute(ANSWERS.insert(), fresh)
        connection.execute(COUNTERS.insert(), {**expired, "key": "fresh", "expiry_time": later})

    def keys() -> list[str]:
        with engine.connect() as connection:
            return [
                *connection.execute(select(ANSWERS.c.request_key)).scalars(),
                *connection.execute(select(COUNTERS.c.key)).scalars(),
            ]

    server = start("--workers", "2", ROSTER_DATABASE_URL=url)
    until(lambda: keys() == ["fresh", "fresh"], within=30)
    engine.dispose()
    server.terminate()


def test_remnants_of_erased_values_are_removed_at_the_start(serve: Serve, tmp_path: Path) -> None:
    """An incomplete erasure has marked the file."""
    file = tmp_path / "roster.db"
    engine = make_engine(f"sqlite:///{file}")
    schema.upgrade(engine)
    engine.dispose()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("CREATE TABLE other (name TEXT)")
        connection.execute("INSERT INTO other VALUES ('needle')")
        connection.execute("DROP TABLE other")
        connection.execute("PRAGMA user_version=1")
    assert b"needle" in file.read_bytes()
    serve(ROSTER_DATABASE_URL=f"sqlite:///{file}")
    files = [file, tmp_path / "roster.db-wal"]
    until(lambda: not any(b"needle" in each.read_bytes() for each in files), within=30)


def test_the_file_of_a_new_server_is_readable_by_its_owner_only(
    serve: Serve, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        server = serve()
    finally:
        os.umask(before)
    assert server.post(server.user()).status_code == 201
    found = [*tmp_path.glob("roster.db*")]
    assert {stat.S_IMODE(each.stat().st_mode) for each in found} == {0o600}
    assert "Warning" not in server.log()


def test_the_server_warns_of_a_file_that_other_users_can_read(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "roster.db"
    file.touch(0o644)
    file.chmod(0o644)
    server = serve(ROSTER_DATABASE_URL=f"sqlite:///{file}")
    assert server.log().count(f"Warning: other users of this machine can read {file}") == 1
    assert server.log().count('"database_readable_by_others"') == 1
