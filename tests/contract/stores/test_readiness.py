"""A database is ready if a user can be created: with every table and every privilege."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from time import monotonic

import pytest
from contract.stores.directories import ANONYMOUS, Directory
from database_servers import MariaServer, PostgresServer
from disks import fill
from sqlalchemy import Engine, make_url

from adapters.sql import schema
from adapters.sql.database_checks import check_database
from adapters.sql.engine import make_engine
from adapters.sql.metadata import METADATA
from application.ports import Unavailable
from application.users import USER_TYPE
from domain.users import NewUser

pytestmark = pytest.mark.slow

ANN = NewUser(email="ann@example.org", name="Ann")
TABLES = sorted(METADATA.tables)
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")
_numbers = count(1)
AnyServer = PostgresServer | MariaServer


def new_migrated_database(server: AnyServer) -> str:
    """Creates a migrated database, and returns its URL. PostgreSQL copies one that it has."""
    if isinstance(server, PostgresServer):
        return server.new_database(_template(server))
    url = server.new_database()
    migrate(url)
    return url


@cache
def _template(server: PostgresServer) -> str:
    url = server.new_database()
    migrate(url)
    return make_url(url).database or ""


def migrate(url: str) -> None:
    engine = make_engine(url)
    schema.upgrade(engine)
    engine.dispose()


class Granted:
    """A migrated database, and a database user with the privileges of a serving process."""

    def __init__(self, server: AnyServer, kind: str) -> None:
        self.kind = kind
        self._server = server
        self._owner = new_migrated_database(server)
        self.name = make_url(self._owner).database or ""
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
        """Runs statements in this database, as the superuser."""
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
def server(request: pytest.FixtureRequest) -> tuple[AnyServer, str]:
    return request.getfixturevalue(request.param), request.param


@pytest.fixture
def granted(server: tuple[AnyServer, str]) -> Granted:
    return Granted(*server)


def error_of(url: str, directory_of: Callable[[Engine], Directory]) -> Unavailable:
    """Returns why the database is not ready. A server does not start for the same reason."""
    engine = make_engine(url)
    with pytest.raises(Unavailable) as caught:
        directory_of(engine).ready()
    with pytest.raises(Unavailable) as at_start:
        check_database(engine)
    assert at_start.value.code == caught.value.code
    return caught.value


def test_a_user_with_the_documented_privileges_is_ready(
    granted: Granted, directory_of: Callable[[Engine], Directory]
) -> None:
    directory = directory_of(make_engine(granted.url))
    directory.ready()
    user = directory.commands.create(ANN, ANONYMOUS)
    directory.commands.delete(user.id, ANONYMOUS)
    directory.commands.erase(user.id, ANONYMOUS)
    actions = [event.action for _, event in directory.events.read_from(0, size=10)]
    assert actions == ["created", "deleted", "erased"]


def test_each_privilege_on_each_table_is_checked(
    granted: Granted, directory_of: Callable[[Engine], Directory]
) -> None:
    engine = make_engine(granted.url)
    directory = directory_of(engine)
    undo = "GRANT {} ON {}{} TO {}{}"
    for table in TABLES:
        for privilege in PRIVILEGES:
            granted.revoke(privilege, table)
            with pytest.raises(Unavailable) as caught:
                directory.ready()
            assert caught.value.code == "not_permitted", (privilege, table)
            assert table in caught.value.explanation
            assert privilege in caught.value.explanation
            assert table not in caught.value.detail, "the detail is for clients"
            on_mariadb = granted.kind == "mariadb"
            database, host = (f"{granted.name}.", "@localhost") if on_mariadb else ("", "")
            granted.execute(undo.format(privilege, database, table, granted.role, host))
    directory.ready()


def test_the_version_must_be_readable(
    granted: Granted, directory_of: Callable[[Engine], Directory]
) -> None:
    granted.revoke("SELECT", schema.VERSION_TABLE)
    error = error_of(granted.url, directory_of)
    assert error.code == "not_permitted"
    assert schema.VERSION_TABLE in error.explanation


def test_a_request_without_the_privilege_is_not_permitted(
    granted: Granted, directory_of: Callable[[Engine], Directory]
) -> None:
    granted.revoke("INSERT", "events")
    directory = directory_of(make_engine(granted.url))
    with pytest.raises(Unavailable) as caught:
        directory.commands.create(ANN, ANONYMOUS)
    assert caught.value.code == "not_permitted"
    assert "events" in caught.value.explanation
    assert "events" not in caught.value.detail


@pytest.fixture(params=["sqlite", "postgresql_18", "mariadb"])
def owned(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine of a migrated database, whose owner uses it."""
    if request.param == "sqlite":
        url = request.getfixturevalue("sqlite_url")
        migrate(url)
    else:
        url = new_migrated_database(request.getfixturevalue(request.param))
    engine = make_engine(url)
    yield engine
    engine.dispose()


def referring_to(table: str) -> list[str]:
    """The tables that refer to the table, also through others. The last one is the closest."""
    found = [table]
    for each in METADATA.sorted_tables:  # a table follows those that it refers to
        if any(key.column.table.name in found for key in each.foreign_keys):
            found.append(each.name)
    return found[:0:-1]


@pytest.mark.parametrize("table", TABLES)
def test_reports_each_missing_table(
    owned: Engine, directory_of: Callable[[Engine], Directory], table: str
) -> None:
    with owned.connect() as connection:
        if owned.dialect.name == "postgresql":
            connection.exec_driver_sql(f"DROP TABLE {table} CASCADE")
        else:
            for each in (*referring_to(table), table):
                connection.exec_driver_sql(f"DROP TABLE {each}")
    with pytest.raises(Unavailable) as caught:
        directory_of(owned).ready()
    assert caught.value.code == "not_migrated"
    assert table in caught.value.explanation


def test_a_missing_column_is_not_an_internal_error(
    owned: Engine, directory_of: Callable[[Engine], Directory]
) -> None:
    with owned.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE events RENAME COLUMN changes TO differences")
    with pytest.raises(Unavailable) as caught:
        directory_of(owned).ready()
    assert "changes" in str(caught.value.__cause__) or "1054" in str(caught.value.__cause__)


@pytest.fixture(params=["postgresql_18", "postgresql_15"])
def in_schema(request: pytest.FixtureRequest) -> Granted:
    """Like `granted`, but the tables are in their own schema."""
    granted = Granted(request.getfixturevalue(request.param), request.param)
    tables = [*TABLES, schema.VERSION_TABLE]
    granted.execute(
        "CREATE SCHEMA people",
        *(f"ALTER TABLE {table} SET SCHEMA people" for table in tables),
    )
    return granted


def test_names_a_schema_that_is_not_in_the_search_path(
    in_schema: Granted, directory_of: Callable[[Engine], Directory]
) -> None:
    in_schema.execute(f"GRANT USAGE ON SCHEMA people TO {in_schema.role}")
    error = error_of(in_schema.url, directory_of)
    assert error.code == "not_migrated"
    assert "people" in error.explanation
    assert "search_path" in error.explanation
    in_schema.execute(f"ALTER ROLE {in_schema.role} SET search_path = people")
    directory = directory_of(make_engine(in_schema.url))
    directory.ready()
    directory.commands.create(ANN, ANONYMOUS)


def test_names_a_schema_without_the_usage_privilege(
    in_schema: Granted, directory_of: Callable[[Engine], Directory]
) -> None:
    in_schema.execute(f"ALTER ROLE {in_schema.role} SET search_path = people")
    error = error_of(in_schema.url, directory_of)
    assert error.code == "not_permitted"
    assert "USAGE" in error.explanation
    assert "people" in error.explanation


def test_does_not_mix_tables_of_two_schemas(
    in_schema: Granted, directory_of: Callable[[Engine], Directory]
) -> None:
    in_schema.execute(
        f"GRANT USAGE ON SCHEMA people TO {in_schema.role}",
        "CREATE TABLE public.events (id integer)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON public.events TO {in_schema.role}",
        f"ALTER ROLE {in_schema.role} SET search_path = public, people",
    )
    error = error_of(in_schema.url, directory_of)
    assert error.code == "foreign_table"
    assert "public.events" in error.explanation
    assert "people.users" in error.explanation


def test_the_error_for_a_role_without_a_schema_names_the_setting(in_schema: Granted) -> None:
    in_schema.execute(f"ALTER ROLE {in_schema.role} SET search_path = ''")
    engine = make_engine(in_schema.url)
    with pytest.raises(Unavailable) as caught:
        schema.upgrade(engine)
    assert "search_path" in caught.value.explanation
    engine.dispose()


def test_a_frozen_server_is_not_ready_within_the_time_of_a_probe(
    directory_of: Callable[[Engine], Directory], postgresql_18: PostgresServer
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


def test_a_user_without_access_gets_the_reason_of_the_server(granted: Granted) -> None:
    if granted.kind != "mariadb":
        granted.execute(f"REVOKE CONNECT ON DATABASE {granted.name} FROM PUBLIC")
    else:
        granted.execute(f"REVOKE ALL, GRANT OPTION FROM {granted.role}@localhost")
    engine = make_engine(granted.url)
    with pytest.raises(Unavailable) as caught:
        schema.current(engine)
    assert caught.value.explanation is not None
    assert granted.name in caught.value.explanation
    assert "denied" in caught.value.explanation


GRANTS = re.findall(
    "```sql\n(.*?)```",
    (Path(__file__).parents[3] / "docs/operations/databases.md")
    .read_text()
    .partition("## A role that only serves")[2]
    .partition("\n## ")[0],
    re.DOTALL,
)


def test_the_documented_grants_apply_to_tables_of_later_releases(
    server: tuple[AnyServer, str], directory_of: Callable[[Engine], Directory]
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
        create_role = "CREATE ROLE roster_serve LOGIN PASSWORD '…';"  # as createuser does
        script = create_role + on_postgresql
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
    directory = directory_of(make_engine(url, exclusive=True))
    directory.ready()
    new = [NewUser(email=f"user{n}@example.org", name="Ann") for n in range(3)]
    with directory.begin(ANONYMOUS) as work:
        assert list(work.repository(USER_TYPE).add_many(new, at=work.now)) == []
    user = directory.commands.create(ANN, ANONYMOUS)
    directory.commands.erase(user.id, ANONYMOUS)
    actions = [event.action for _, event in directory.events.read_from(0, size=10)]
    assert actions == ["created"] * 4 + ["deleted", "erased"]


@pytest.mark.parametrize("server", ["postgresql_18", "postgresql_15"], indirect=True)
@pytest.mark.parametrize("table", ["users", "events"])
def test_rejects_row_level_security_that_applies_to_the_role(
    granted: Granted, directory_of: Callable[[Engine], Directory], table: str
) -> None:
    """It would hide users, and reject creations although /readyz reports 200."""
    granted.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    error = error_of(granted.url, directory_of)
    assert error.code == "not_permitted"
    assert f"Row-level security of {table}" in error.explanation


@pytest.mark.parametrize("replaced", [True, False])
def test_does_not_write_to_a_deleted_file(
    directory_of: Callable[[Engine], Directory], tmp_path: Path, replaced: bool
) -> None:
    """SQLite would still use the deleted file, and acknowledged changes would be lost."""
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
        user = directory.commands.create(ANN, ANONYMOUS)
        reopened = make_engine(f"sqlite:///{file}")
        assert directory_of(reopened).reader.get(user.id).email == ANN.email
        return
    assert error_of(f"sqlite:///{file}", directory_of).code == "not_migrated"
    with pytest.raises(Unavailable):
        directory.ready()
    with pytest.raises(Unavailable):
        directory.commands.create(ANN, ANONYMOUS)


def test_writes_to_a_file_that_becomes_writable(tmp_path: Path) -> None:
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


def test_a_full_disk_is_not_ready_but_can_be_read(
    small_disk: Path, directory_of: Callable[[Engine], Directory]
) -> None:
    """Otherwise a load balancer would continue to send creations, which fail with 503."""
    (small_disk.parent / "link.db").symlink_to(small_disk / "roster.db")
    engine = make_engine(f"sqlite:///{small_disk.parent}/link.db")
    schema.upgrade(engine)
    directory = directory_of(engine)
    user = directory.commands.create(ANN, ANONYMOUS)
    directory.ready()
    ballast = fill(small_disk)
    with pytest.raises(Unavailable) as caught:
        directory.ready()
    assert caught.value.code == "unavailable"
    assert str(small_disk) in caught.value.explanation
    assert str(small_disk) not in caught.value.detail
    check_database(engine)
    assert directory.reader.get(user.id) == user
    ballast.unlink()
    directory.ready()
    engine.dispose()
