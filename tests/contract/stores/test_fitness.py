"""Ready is a database in which a user can be created, with every table and privilege it takes."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import make_url

from adapters.sql import schema
from adapters.sql.database_checks import check_database
from adapters.sql.engine import make_engine
from adapters.sql.metadata import METADATA
from application.ports import Context, Unavailable
from application.users import USER_TYPE
from domain.users import NewUser

NOBODY = Context()
ANN = NewUser(email="ann@example.org", name="Ann")
TABLES = sorted(METADATA.tables)
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")
_numbers = count(1)


class Granted:
    """A migrated database, and a user of it that may do what serving takes."""

    def __init__(self, server, kind: str) -> None:
        self.kind = kind
        self._server = server
        self._owner = server.new_database()
        self.name = make_url(self._owner).database
        engine = make_engine(self._owner)
        schema.upgrade(engine)
        engine.dispose()
        self.role = f"server_{kind}_{next(_numbers)}"
        if kind == "mariadb":
            self.execute(f"CREATE USER {self.role}@localhost")
            for table in TABLES:
                grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {self.name}.{table}"
                self.execute(f"{grant} TO {self.role}@localhost")
            version = f"{self.name}.{schema.VERSION_TABLE}"
            self.execute(f"GRANT SELECT ON {version} TO {self.role}@localhost")
            self.url = self._owner.replace("roster@", f"{self.role}@")
            return
        self.execute(f"CREATE ROLE {self.role} LOGIN")
        self.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO {self.role}")
        self.execute(f"GRANT SELECT ON {schema.VERSION_TABLE} TO {self.role}")
        self.url = self._owner.replace("postgres@", f"{self.role}@")

    def execute(self, *statements: str) -> None:
        """As the superuser, in this database."""
        if self.kind == "mariadb":
            for statement in statements:
                self._server.execute(statement)
            return
        engine = make_engine(self._owner)
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def revoke(self, privilege: str, table: str) -> None:
        if self.kind == "mariadb":
            self.execute(f"REVOKE {privilege} ON {self.name}.{table} FROM {self.role}@localhost")
        else:
            self.execute(f"REVOKE {privilege} ON {table} FROM {self.role}")


@pytest.fixture(scope="module", params=["postgresql_18", "postgresql_15", "mariadb"])
def server(request: pytest.FixtureRequest) -> tuple[object, str]:
    return request.getfixturevalue(request.param), request.param


@pytest.fixture
def granted(server) -> Granted:
    return Granted(*server)


def refusal_of(url: str, directory_of: Callable) -> Unavailable:
    """Why the database is not ready; the start is refused for the same reason."""
    engine = make_engine(url)
    with pytest.raises(Unavailable) as refusal:
        directory_of(engine).ready()
    with pytest.raises(Unavailable) as at_start:
        check_database(engine)
    assert at_start.value.code == refusal.value.code
    return refusal.value


def test_a_user_with_the_documented_privileges_is_ready_and_serves(
    granted: Granted, directory_of: Callable
) -> None:
    directory = directory_of(make_engine(granted.url))
    directory.ready()
    user = directory.commands.create(ANN, NOBODY)
    directory.commands.delete(user.id, NOBODY)
    directory.commands.erase(user.id, NOBODY)
    assert directory.events.read_from(0, size=10)


def test_each_privilege_on_each_table_is_checked(granted: Granted, directory_of: Callable) -> None:
    engine = make_engine(granted.url)
    directory = directory_of(engine)
    undo = "GRANT {} ON {}{} TO {}{}"
    for table in TABLES:
        for privilege in PRIVILEGES:
            granted.revoke(privilege, table)
            with pytest.raises(Unavailable) as refusal:
                directory.ready()
            assert refusal.value.code == "not_permitted", (privilege, table)
            assert table in refusal.value.explanation
            assert privilege in refusal.value.explanation
            assert table not in refusal.value.detail, "clients are not told"
            of_maria = granted.kind == "mariadb"
            database, host = (f"{granted.name}.", "@localhost") if of_maria else ("", "")
            granted.execute(undo.format(privilege, database, table, granted.role, host))
    directory.ready()


def test_the_version_must_be_readable(granted: Granted, directory_of: Callable) -> None:
    granted.revoke("SELECT", schema.VERSION_TABLE)
    refusal = refusal_of(granted.url, directory_of)
    assert refusal.code == "not_permitted"
    assert schema.VERSION_TABLE in refusal.explanation


def test_a_request_without_the_privilege_is_not_told_that_nothing_can_be_reached(
    granted: Granted, directory_of: Callable
) -> None:
    granted.revoke("INSERT", "events")
    directory = directory_of(make_engine(granted.url))
    with pytest.raises(Unavailable) as refusal:
        directory.commands.create(ANN, NOBODY)
    assert refusal.value.code == "not_permitted"
    assert "events" in refusal.value.explanation
    assert "events" not in refusal.value.detail


@pytest.fixture(params=["sqlite_url", "postgresql_url", "mariadb_url"])
def owned(request: pytest.FixtureRequest) -> Iterator:
    """An engine of a migrated database, whose owner uses it."""
    engine = make_engine(request.getfixturevalue(request.param))
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def referring_to(table: str) -> list[str]:
    """The tables with foreign keys to the table, those that no other refers to first."""
    return [
        each.name
        for each in reversed(METADATA.sorted_tables)
        if any(key.column.table.name == table for key in each.foreign_keys)
    ]


@pytest.mark.parametrize("table", TABLES)
def test_each_table_must_be_there(owned, directory_of: Callable, table: str) -> None:
    with owned.connect() as connection:
        if owned.dialect.name == "postgresql":
            connection.exec_driver_sql(f"DROP TABLE {table} CASCADE")
        else:
            for each in (*referring_to(table), table):
                connection.exec_driver_sql(f"DROP TABLE {each}")
    with pytest.raises(Unavailable) as refusal:
        directory_of(owned).ready()
    assert refusal.value.code == "not_migrated"
    assert table in refusal.value.explanation


def test_a_column_that_is_missing_is_no_internal_error(owned, directory_of: Callable) -> None:
    with owned.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE events RENAME COLUMN changes TO differences")
    with pytest.raises(Unavailable) as refusal:
        directory_of(owned).ready()
    assert "changes" in str(refusal.value.__cause__) or "1054" in str(refusal.value.__cause__)


@pytest.fixture(params=["postgresql_18", "postgresql_15"])
def in_schema(request: pytest.FixtureRequest) -> Granted:
    """As `granted`, but the tables are in a schema of their own."""
    made = Granted(request.getfixturevalue(request.param), request.param)
    tables = [*TABLES, schema.VERSION_TABLE]
    made.execute(
        "CREATE SCHEMA people",
        *(f"ALTER TABLE {table} SET SCHEMA people" for table in tables),
    )
    return made


def test_a_schema_that_is_not_searched_is_named(in_schema: Granted, directory_of) -> None:
    in_schema.execute(f"GRANT USAGE ON SCHEMA people TO {in_schema.role}")
    refusal = refusal_of(in_schema.url, directory_of)
    assert refusal.code == "not_migrated"
    assert "people" in refusal.explanation
    assert "search_path" in refusal.explanation
    in_schema.execute(f"ALTER ROLE {in_schema.role} SET search_path = people")
    directory = directory_of(make_engine(in_schema.url))
    directory.ready()
    directory.commands.create(ANN, NOBODY)


def test_a_schema_without_usage_is_named(in_schema: Granted, directory_of) -> None:
    in_schema.execute(f"ALTER ROLE {in_schema.role} SET search_path = people")
    refusal = refusal_of(in_schema.url, directory_of)
    assert refusal.code == "not_permitted"
    assert "USAGE" in refusal.explanation
    assert "people" in refusal.explanation


def test_tables_of_two_schemas_are_not_mixed(in_schema: Granted, directory_of) -> None:
    in_schema.execute(
        f"GRANT USAGE ON SCHEMA people TO {in_schema.role}",
        "CREATE TABLE public.events (id integer)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON public.events TO {in_schema.role}",
        f"ALTER ROLE {in_schema.role} SET search_path = public, people",
    )
    refusal = refusal_of(in_schema.url, directory_of)
    assert refusal.code == "foreign_table"
    assert "public.events" in refusal.explanation
    assert "people.users" in refusal.explanation


def test_a_role_without_a_schema_is_told_so_in_words(in_schema: Granted) -> None:
    in_schema.execute(f"ALTER ROLE {in_schema.role} SET search_path = ''")
    engine = make_engine(in_schema.url)
    with pytest.raises(Unavailable) as refusal:
        schema.upgrade(engine)
    assert "search_path" in refusal.value.explanation
    engine.dispose()


def test_a_server_that_says_nothing_is_not_ready_within_the_time_of_a_probe(
    directory_of: Callable, postgresql_18
) -> None:
    engine = make_engine(postgresql_18.new_database())
    schema.upgrade(engine)
    directory = directory_of(engine)
    directory.ready()
    with postgresql_18.frozen():
        began = monotonic()
        with pytest.raises(Unavailable):
            directory.ready()
        assert monotonic() - began < 3


def test_a_user_that_may_not_enter_is_told_so_by_the_server(granted: Granted) -> None:
    if granted.kind != "mariadb":
        granted.execute(f"REVOKE CONNECT ON DATABASE {granted.name} FROM PUBLIC")
    else:
        granted.execute(f"REVOKE ALL, GRANT OPTION FROM {granted.role}@localhost")
    engine = make_engine(granted.url)
    with pytest.raises(Unavailable) as refusal:
        schema.current(engine)
    assert granted.name in refusal.value.explanation
    assert "denied" in refusal.value.explanation


GRANTS = re.findall(
    "```sql\n(.*?)```",
    (Path(__file__).parents[3] / "docs/operations/databases.md")
    .read_text()
    .partition("## A role that only serves")[2]
    .partition("\n## ")[0],
    re.DOTALL,
)


def test_the_documented_grants_hold_for_the_tables_of_later_releases_too(
    server, directory_of: Callable
) -> None:
    database_server, kind = server
    owner = database_server.new_database()
    name, role = make_url(owner).database, f"documented_{kind}"
    engine = make_engine(owner)
    schema.upgrade(engine, "0003")
    on_postgresql, on_mariadb = GRANTS
    if kind == "mariadb":
        script = on_mariadb.replace("roster.*", f"{name}.*").replace("'%'", "localhost")
        url = owner.replace("roster@", f"{role}:secret@")
    else:
        script = on_postgresql
        url = owner.replace("postgres@", f"{role}:secret@")
    script = script.replace("roster_serve", role).replace("'…'", "'secret'")
    for statement in re.sub("--.*", "", script).split(";"):
        if not statement.strip():
            continue
        if kind == "mariadb":
            database_server.execute(statement)
        else:
            with engine.connect() as connection:
                connection.exec_driver_sql(statement)
    schema.upgrade(engine)
    engine.dispose()
    directory = directory_of(make_engine(url, alone=True))
    directory.ready()
    new = [NewUser(email=f"user{n}@example.org", name="Ann") for n in range(3)]
    with directory.begin(NOBODY) as work:
        assert not work.repository(USER_TYPE).add_many(new, at=work.now)
    user = directory.commands.create(ANN, NOBODY)
    directory.commands.erase(user.id, NOBODY)
    assert directory.events.read_from(0, size=10)


@pytest.mark.parametrize("table", ["users", "events"])
def test_row_level_security_that_applies_to_the_role_is_refused(
    granted: Granted, directory_of: Callable, table: str
) -> None:
    """It would hide users, and refuse the creations that /readyz promises."""
    if granted.kind == "mariadb":
        return
    granted.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    refusal = refusal_of(granted.url, directory_of)
    assert refusal.code == "not_permitted"
    assert f"Row-level security of {table}" in refusal.explanation


@pytest.mark.parametrize("replaced", [True, False])
def test_a_file_that_was_deleted_is_not_written_to(
    directory_of: Callable, tmp_path: Path, replaced: bool
) -> None:
    """SQLite would go on with the deleted file, so that acknowledged changes would be lost."""
    file = tmp_path / "roster.db"
    engine = make_engine(f"sqlite:///{file}")
    schema.upgrade(engine)
    directory = directory_of(engine)
    directory.ready()
    for each in tmp_path.iterdir():
        each.unlink()
    if replaced:
        other = make_engine(f"sqlite:///{file}")
        schema.upgrade(other)
        other.dispose()
        user = directory.commands.create(ANN, NOBODY)
        found = make_engine(f"sqlite:///{file}")
        assert directory_of(found).reader.get(user.id).email == ANN.email
        return
    assert refusal_of(f"sqlite:///{file}", directory_of).code == "not_migrated"
    with pytest.raises(Unavailable):
        directory.ready()
    with pytest.raises(Unavailable):
        directory.commands.create(ANN, NOBODY)


def test_a_file_that_becomes_writable_is_written_to(tmp_path: Path) -> None:
    """A connection that was opened when the file could only be read is not used again."""
    file = tmp_path / "roster.db"
    engine = make_engine(f"sqlite:///{file}")
    schema.upgrade(engine)
    file.chmod(0o444)
    with engine.connect() as connection:
        first = connection.connection.dbapi_connection
    file.chmod(0o600)
    with engine.connect() as connection:
        second = connection.connection.dbapi_connection
    with engine.connect() as connection:
        assert second is not first
        assert connection.connection.dbapi_connection is second


@pytest.fixture
def small_disk(tmp_path: Path, lacking: Callable[[str], None]) -> Iterator[Path]:
    """A file system of its own, of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "roster", folder]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        lacking("the right to mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_not_ready_and_still_read(small_disk: Path, directory_of: Callable) -> None:
    """Otherwise a load balancer would go on sending creations, which get 503."""
    (small_disk.parent / "link.db").symlink_to(small_disk / "roster.db")
    engine = make_engine(f"sqlite:///{small_disk.parent}/link.db")
    schema.upgrade(engine)
    directory = directory_of(engine)
    user = directory.commands.create(ANN, NOBODY)
    directory.ready()
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    with pytest.raises(Unavailable) as refusal:
        directory.ready()
    assert refusal.value.code == "unavailable"
    assert str(small_disk) in refusal.value.explanation
    assert str(small_disk) not in refusal.value.detail
    check_database(engine)
    assert directory.reader.get(user.id) == user
    ballast.unlink()
    directory.ready()
    engine.dispose()
