"""Databases that are shared with another application, or with an older release of Roster."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from database_servers import PostgresServer
from sqlalchemy import Engine, inspect, text

from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.revisions import revisions
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.ports import Unavailable
from entrypoints.resources import RESOURCES

OLD_RELEASES = [f"{number:04}" for number in range(1, int(schema.LAST_LEGACY) + 1)]
TABLES = sorted({each for resource in RESOURCES for each in resource.table.table.metadata.tables})
FOREIGN = ["1975ea83b712", "0003", "0005", "9999", "head"]


@pytest.fixture(params=["sqlite_url", "postgresql_url", "mariadb_url"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine of an empty database."""
    engine = make_engine(request.getfixturevalue(request.param))
    yield engine
    engine.dispose()


def run(engine: Engine, *statements: str) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def versions(engine: Engine, table: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT version_num FROM {table}")).scalars())


def now() -> datetime:
    return datetime.now(UTC)


def add_foreign_version(engine: Engine, *values: str) -> None:
    """Creates the tables of another application that uses Alembic."""
    run(
        engine,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
        *(f"INSERT INTO alembic_version VALUES ('{value}')" for value in values),
    )


def migrate_as_before(engine: Engine, revision: str) -> None:
    """Upgrades to the revision like a release that used Alembic's version table."""
    schema.upgrade(engine, revision)
    run(engine, f"DROP TABLE {schema.VERSION_TABLE}")
    add_foreign_version(engine, revision)


def is_served_by(engine: Engine, release: str) -> bool:
    """Returns True if a release up to 0005 finds its tables."""
    with engine.connect() as connection:
        question = text("SELECT version_num FROM alembic_version")
        found = connection.execute(question).scalar_one_or_none()
    return found is not None and found >= release


def names(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"sqlite_sequence"}


@pytest.mark.parametrize(
    ("engine", "value"),
    [
        *(("sqlite_url", value) for value in FOREIGN),
        *product(("postgresql_url", "mariadb_url"), FOREIGN[:2]),
    ],
    indirect=["engine"],
)
def test_the_version_of_another_application_is_neither_used_nor_changed(
    engine: Engine, value: str
) -> None:
    add_foreign_version(engine, value)
    assert schema.current(engine) is None
    schema.upgrade(engine)
    assert schema.current(engine) == schema.REVISION
    assert versions(engine, "alembic_version") == [value]
    SqlStore(engine, now, [USERS_TABLE]).ready()
    assert schema.drift(engine) == []
    for revision in ("0004", "0003", "0001"):
        schema.downgrade(engine, revision)
        assert versions(engine, "alembic_version") == [value]
        assert schema.current(engine) == revision
    schema.upgrade(engine)
    schema.downgrade(engine, "base")
    assert versions(engine, "alembic_version") == [value]
    assert schema.current(engine) is None


def test_does_not_change_several_versions_of_another_application(engine: Engine) -> None:
    add_foreign_version(engine, "0002", "0003")
    schema.upgrade(engine)
    assert sorted(versions(engine, "alembic_version")) == ["0002", "0003"]


def test_does_not_change_a_version_table_of_another_shape(engine: Engine) -> None:
    run(engine, "CREATE TABLE alembic_version (head INTEGER)")
    schema.upgrade(engine)
    assert schema.current(engine) == schema.REVISION


@pytest.mark.parametrize("revision", OLD_RELEASES)
def test_the_tables_of_an_older_release_are_taken_over_while_it_serves(
    engine: Engine, revision: str
) -> None:
    migrate_as_before(engine, revision)
    assert schema.current(engine) == revision
    schema.upgrade(engine)
    assert versions(engine, schema.VERSION_TABLE) == [schema.REVISION]
    assert is_served_by(engine, revision)
    assert is_served_by(engine, schema.LAST_LEGACY)
    SqlStore(engine, now, [USERS_TABLE]).ready()
    assert schema.drift(engine) == []
    schema.upgrade(engine)
    assert is_served_by(engine, schema.LAST_LEGACY)


def test_older_releases_also_recognize_a_downgrade(engine: Engine) -> None:
    migrate_as_before(engine, schema.LAST_LEGACY)
    schema.upgrade(engine)
    schema.downgrade(engine, "0003")
    assert versions(engine, schema.VERSION_TABLE) == ["0003"]
    assert versions(engine, "alembic_version") == ["0003"]
    assert is_served_by(engine, "0003")
    assert not is_served_by(engine, "0004")
    schema.upgrade(engine)
    assert versions(engine, "alembic_version") == [schema.LAST_LEGACY]
    schema.downgrade(engine, "base")
    assert versions(engine, "alembic_version") == []
    assert schema.current(engine) is None
    schema.upgrade(engine)
    assert schema.current(engine) == schema.REVISION


def test_serves_a_newer_schema_without_changing_it(engine: Engine) -> None:
    schema.upgrade(engine)
    run(engine, f"UPDATE {schema.VERSION_TABLE} SET version_num = '0999'")
    SqlStore(engine, now, [USERS_TABLE]).ready()
    schema.upgrade(engine)
    assert schema.current(engine) == "0999"


@pytest.mark.parametrize("value", ["1975ea83b712", "12", "00012", "0005x", "", " 0005"])
def test_rejects_a_version_that_roster_never_writes(engine: Engine, value: str) -> None:
    schema.upgrade(engine)
    run(engine, f"UPDATE {schema.VERSION_TABLE} SET version_num = '{value}'")
    for attempt in (
        SqlStore(engine, now, [USERS_TABLE]).ready,
        lambda: schema.current(engine),
        lambda: schema.upgrade(engine),
    ):
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.code == "unknown_revision"
        assert schema.VERSION_TABLE in caught.value.explanation


@pytest.mark.parametrize(
    ("since", "table"),
    [
        (since, table)
        for since in (None, "0003")
        for revision in revisions()
        if revision.number > (since or "")
        for table in revision.tables
    ],
)
def test_a_foreign_table_of_the_same_name_stops_the_upgrade_before_it_changes_anything(
    engine: Engine, table: str, since: str | None
) -> None:
    if since:
        schema.upgrade(engine, since)
    run(engine, f"CREATE TABLE {table} (id INTEGER, email VARCHAR(50), name VARCHAR(50))")
    before = names(engine)
    with pytest.raises(Unavailable) as caught:
        schema.upgrade(engine)
    assert caught.value.code == "foreign_table"
    assert table in caught.value.explanation
    assert names(engine) - {schema.VERSION_TABLE} == before - {schema.VERSION_TABLE}
    assert schema.current(engine) == since


def test_a_foreign_view_also_stops_the_upgrade(engine: Engine) -> None:
    run(engine, "CREATE VIEW events AS SELECT 1 AS id")
    with pytest.raises(Unavailable) as caught:
        schema.upgrade(engine)
    assert caught.value.code == "foreign_table"
    assert not names(engine) & set(TABLES)


def test_tables_of_other_applications_are_not_a_difference(engine: Engine) -> None:
    schema.upgrade(engine)
    run(engine, "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER)")
    run(engine, "CREATE INDEX ix_orders ON orders (user_id)")
    assert schema.drift(engine) == []


def test_each_table_is_created_by_its_known_revision() -> None:
    created = [name for revision in revisions() for name in revision.tables]
    assert sorted(created) == TABLES


def test_rejects_an_upgrade_that_would_create_tables_in_another_schema(
    postgresql_18: PostgresServer, postgresql_url: str
) -> None:
    engine = make_engine(postgresql_url)
    schema.upgrade(engine, "0003")
    run(engine, "CREATE SCHEMA other")
    database = engine.url.database
    postgresql_18.execute(f"ALTER DATABASE {database} SET search_path = other, public")
    engine.dispose()
    with pytest.raises(Unavailable) as caught:
        schema.upgrade(engine)
    assert caught.value.code == "foreign_table"
    assert "public" in caught.value.explanation
    assert "other" in caught.value.explanation
    engine.dispose()


@pytest.fixture
def command(
    engine: Engine, roster_program: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `roster` over the database, with nothing on standard input."""
    url = engine.url.render_as_string(hide_password=False)

    def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [roster_program, *arguments],
            env={"ROSTER_DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run_command


def test_the_command_reports_a_newer_schema(engine: Engine, command: Any) -> None:
    assert command("db", "upgrade").returncode == 0
    run(engine, f"UPDATE {schema.VERSION_TABLE} SET version_num = '0999'")
    done = command("db", "upgrade")
    assert (done.returncode, done.stdout) == (0, "0999\n")
    assert "newer" in done.stderr
    result = command("db", "downgrade", "0003", "--yes")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: newer_schema: ")
    result = command("db", "check")
    assert f"this release at {schema.REVISION}: use a newer release." in result.stderr
    assert schema.current(engine) == "0999"


def test_a_downgrade_lists_the_data_it_deletes_and_asks_for_confirmation(
    engine: Engine, command: Any
) -> None:
    command("db", "upgrade")
    for name in ("ann", "bob"):
        created = command("users", "create", "--email", f"{name}@example.org", "--name", name)
        assert created.returncode == 0
    before = names(engine)
    result = command("db", "downgrade", "0003")
    assert (result.returncode, result.stdout) == (2, "")
    assert "events (2 rows)" in result.stderr
    assert "event_positions (1 row)" in result.stderr
    assert "--yes" in result.stderr
    assert names(engine) == before
    done = command("db", "downgrade", "0003", "--yes")
    assert (done.returncode, done.stdout) == (0, "0003\n")
    assert "events (2 rows)" in done.stderr
    assert "table users (" not in done.stderr
    assert "column email_folded of users (0 rows)" in done.stderr
    done = command("db", "downgrade", "base", "--yes")
    assert (done.returncode, done.stdout) == (0, "base\n")
    assert "users (2 rows)" in done.stderr
    assert "answers (0 rows)" in done.stderr


@pytest.mark.parametrize("revision", ["4711", "nonsense", "0005"])
def test_rejects_a_downgrade_to_a_later_or_unknown_revision(command: Any, revision: str) -> None:
    command("db", "upgrade", "0004")
    result = command("db", "downgrade", revision, "--yes")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: no_such_revision: ")
    assert result.stderr.count("\n") == 1
