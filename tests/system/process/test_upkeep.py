"""What the service does by itself: expired responses and remnants of erased values."""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.idempotency import ANSWERS
from application.ports import IDEMPOTENCY_TTL
from entrypoints.container import utc_now

Serve = Callable[..., Any]
Eventually = Callable[..., None]


@pytest.mark.parametrize("database", ["sqlite_url", "postgresql_url", "mariadb_url"])
def test_expired_responses_are_deleted_at_the_start_without_any_request(
    begin: Serve, eventually: Eventually, request: pytest.FixtureRequest, database: str
) -> None:
    url = request.getfixturevalue(database)
    engine = make_engine(url)
    schema.upgrade(engine)
    now = utc_now()
    with engine.connect() as connection:
        for number in range(250):
            expired = {
                "request_key": str(number),
                "digest": "",
                "creation_time": now - IDEMPOTENCY_TTL,
            }
            connection.execute(ANSWERS.insert(), expired)
        fresh = {"request_key": "fresh", "digest": "", "creation_time": now}
        connection.execute(ANSWERS.insert(), fresh)

    def keys() -> list[str]:
        with engine.connect() as connection:
            return [row.request_key for row in connection.execute(ANSWERS.select())]

    server = begin("--workers", "2", ROSTER_DATABASE_URL=url)
    eventually(lambda: keys() == ["fresh"], within=30)
    engine.dispose()
    server.process.terminate()
    assert server.process.wait(15) == 0


def test_what_is_left_of_erased_values_is_removed_at_the_start(
    serve: Serve, eventually: Eventually, tmp_path: Path
) -> None:
    """An erasure that could not do it, or was killed before, has left a mark."""
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
    eventually(lambda: not any(b"needle" in each.read_bytes() for each in files), within=30)


def test_the_file_of_a_new_service_is_readable_by_its_owner_only(
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


def test_a_file_that_others_can_read_is_told_at_the_start(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "roster.db"
    file.touch(0o644)
    file.chmod(0o644)
    server = serve(ROSTER_DATABASE_URL=f"sqlite:///{file}")
    assert server.log().count(f"Warning: other users of this machine can read {file}") == 1
    assert server.log().count('"database_readable_by_others"') == 1
