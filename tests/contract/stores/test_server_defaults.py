"""Roster works under any defaults of a server, a database or a role."""

import csv
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest
from contract.stores.directories import ANONYMOUS, Directory
from sqlalchemy import Engine, make_url, text

from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.failures import UnsupportedServer, translate_errors
from adapters.sql.repository import SqlCsvExporter
from adapters.sql.transactions import Transactions, core_connection
from adapters.sql.users import USERS_TABLE
from application.deadlines import deadline
from application.ports import StoredResponse, Unavailable, UnitOfWork
from application.search import Condition, Op, Order, Search, Slice
from application.units import retrying
from application.users import USER_TYPE
from domain.users import EmailTaken, NewUser, User, UserChanges

pytestmark = pytest.mark.slow

ROSTER = str(Path(sys.executable).with_name("roster"))
NAMES = ["Jürgen", "Ēve 😀", r"Back\slash", r"O'Neill\'s", "100%_sure", 'Quo"te']
DEFAULTS_OF_POSTGRESQL = {
    "client_encoding": "'LATIN1'",
    "default_transaction_isolation": "'serializable'",
    "default_transaction_deferrable": "on",
    "DateStyle": "'SQL, DMY'",
    "TimeZone": "'Asia/Kathmandu'",
    "IntervalStyle": "'sql_standard'",
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "bytea_output": "'escape'",
    "extra_float_digits": "0",
    "transform_null_equals": "on",
    "statement_timeout": "'20s'",
    "lock_timeout": "'20s'",
    "idle_in_transaction_session_timeout": "'20s'",
}
DEFAULTS_OF_MARIADB = {
    "sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,NO_ZERO_DATE'",
    "tx_isolation": "'SERIALIZABLE'",
    "autocommit": "0",
    "completion_type": "'CHAIN'",
    "character_set_client": "latin1",
    "character_set_connection": "latin1",
    "character_set_results": "latin1",
    "collation_connection": "latin1_german1_ci",
    "sql_safe_updates": "1",
    "sql_select_limit": "1",
    "sql_big_selects": "0",
    "max_join_size": "1",
    "sql_auto_is_null": "1",
    "unique_checks": "0",
    "foreign_key_checks": "0",
    "time_zone": "'+05:45'",
    "div_precision_increment": "0",
}


@pytest.fixture(params=["postgresql_18", "postgresql_15", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database with defaults that are as unusual as possible."""
    server = request.getfixturevalue(request.param)
    url = server.new_database()
    if request.param != "mariadb":
        for name, value in DEFAULTS_OF_POSTGRESQL.items():
            server.execute(f"ALTER DATABASE {make_url(url).database} SET {name} = {value}")
        yield url
        return
    with closing(pymysql.connect(unix_socket=str(server.address), user="root")) as root:
        cursor = root.cursor()
        before = {}
        for name in DEFAULTS_OF_MARIADB:
            cursor.execute(f"SELECT @@GLOBAL.{name}")
            before[name] = cursor.fetchone()[0]
        try:
            for name, value in DEFAULTS_OF_MARIADB.items():
                cursor.execute(f"SET GLOBAL {name} = {value}")
            yield url
        finally:
            for name, value in before.items():
                cursor.execute(f"SET GLOBAL {name} = %s", (value,))


def upgrade(url: str) -> None:
    """Runs the command, which must succeed."""
    subprocess.run(
        [ROSTER, "db", "upgrade"],
        env={"ROSTER_DATABASE_URL": url},
        check=True,
        capture_output=True,
        timeout=60,
    )


def test_everything_works_under_other_defaults(
    url: str, directory_of: Callable[[Engine], Directory]
) -> None:
    upgrade(url)
    engine = make_engine(url)
    assert schema.drift(engine) == []
    directory = directory_of(engine)
    directory.ready()

    users = [directory.add(f"user{n}@example.org", name) for n, name in enumerate(NAMES)]
    for user in users:
        assert directory.reader.get(user.id) == user
        assert find(directory, "name", Op.EQ, user.name, folded=True) == [user]
        assert find(directory, "name", Op.CONTAINS, user.name[2:], folded=True) == [user]
        assert user in find(directory, "creation_time", Op.GE, user.creation_time)
        assert user not in find(directory, "creation_time", Op.GT, user.creation_time)
    pages = directory.reader.page(Search(ordering=(Order("name"),), place=Slice(100)))
    assert [each.name for each in pages.items] == sorted(NAMES)

    changed = directory.commands.change(users[0].id, UserChanges({"name": "Ý"}), ANONYMOUS)
    assert changed.update_time - changed.creation_time < timedelta(minutes=1)
    directory.commands.delete(users[1].id, ANONYMOUS)
    directory.commands.erase(users[1].id, ANONYMOUS)
    assert len(directory.events.read_from(0, size=100)) >= len(NAMES) + 2
    with pytest.raises(EmailTaken):
        directory.add("USER2@example.org")

    body = bytes(range(256))
    response = StoredResponse(201, {"ETag": '"é"'}, body)
    with directory.begin(ANONYMOUS) as work:
        work.idempotency.reserve("k", "d", owner="o", at=work.now)
        work.idempotency.store("k", response)
    with directory.begin(ANONYMOUS) as work:
        assert work.idempotency.reserve("k", "d", owner="o", at=work.now) == response


def find(
    directory: Directory, attribute: str, op: Op, value: Any, *, folded: bool = False
) -> list[User]:
    condition = (
        Condition.folding(attribute, op, (value,)) if folded else Condition(attribute, op, (value,))
    )
    return list(directory.reader.page(Search((condition,), place=Slice(100))).items)


def test_imports_and_exports_under_other_defaults(
    url: str, directory_of: Callable[[Engine], Directory]
) -> None:
    upgrade(url)
    engine = make_engine(url, pool_size=2, exclusive=True)
    directory = directory_of(engine)
    new = [NewUser(email=f"user{n}@example.org", name=name) for n, name in enumerate(NAMES)]

    def unit(work: UnitOfWork) -> Any:
        return work.repository(USER_TYPE).add_many([*new, new[0]], at=work.now)

    assert list(retrying(directory.begin)(ANONYMOUS, unit)) == [len(new)]
    users = directory.find()
    assert [user.name for user in users] == NAMES
    assert len(directory.events.read_from(0, size=100)) == len(NAMES)
    copies = SqlCsvExporter(USERS_TABLE, engine)
    if copies.available:
        written = BytesIO()
        copies.write(["id", "name", "creation_time"], written)
        time = users[0].creation_time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        rows = [*csv.reader(StringIO(written.getvalue().decode()))]
        assert rows == [[str(user.id), user.name, time] for user in users]


def test_a_unit_of_work_reads_changes_that_are_committed_meanwhile(
    url: str, directory_of: Callable[[Engine], Directory]
) -> None:
    upgrade(url)
    directory = directory_of(make_engine(url))
    user = directory.add("ann@example.org")
    with Transactions(directory.engine).open() as connection:
        select_names = text("SELECT name FROM users")
        assert connection.execute(select_names).scalars().all() == ["Ann"]
        directory.commands.change(user.id, UserChanges({"name": "Bo"}), ANONYMOUS)
        assert connection.execute(select_names).scalars().all() == ["Bo"]


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_reads_at_an_isolation_level_that_a_standby_allows(
    request: pytest.FixtureRequest, kind: str
) -> None:
    """A standby rejects serializable transactions."""
    server = request.getfixturevalue(kind)
    url = server.new_database()
    name = make_url(url).database
    server.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    engine = make_engine(url)
    with deadline(5), core_connection(engine) as connection:
        level = connection.execute(text("SELECT current_setting('transaction_isolation')"))
        assert level.scalar_one() == "read committed"
    engine.dispose()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_rejects_a_database_in_another_encoding(
    request: pytest.FixtureRequest,
    directory_of: Callable[[Engine], Directory],
    kind: str,
    encoding: str,
) -> None:
    server = request.getfixturevalue(kind)
    name = make_url(server.new_database()).database
    server.execute(f"DROP DATABASE {name}")
    server.execute(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'"
        f" LC_COLLATE 'C' LC_CTYPE 'C'{' LOCALE_PROVIDER libc' if kind == 'postgresql_15' else ''}"
    )
    engine = make_engine(server.url(name))
    directory = directory_of(engine)
    for attempt in (lambda: schema.upgrade(engine), directory.ready):
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.code == "unsupported_encoding"
        assert encoding in caught.value.explanation
    with closing(psycopg2.connect(server.url(name))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_rejects_an_sqlite_file_in_utf_16(
    tmp_path: Path, directory_of: Callable[[Engine], Directory], encoding: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE notes (text TEXT)")
    engine = make_engine(f"sqlite:///{tmp_path}/other.db")
    for attempt in (lambda: schema.upgrade(engine), directory_of(engine).ready):
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.code == "unsupported_encoding"
        assert encoding in caught.value.explanation


def test_a_mariadb_with_a_statement_based_log_is_not_supported() -> None:
    """Otherwise every change would fail with 500."""
    error = pymysql.err.OperationalError(
        1665, "Cannot execute statement: impossible to write to binary log since BINLOG_FORMAT = ST"
    )
    with pytest.raises(UnsupportedServer) as caught, translate_errors():
        raise error
    assert "binlog_format" in caught.value.explanation


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
@pytest.mark.filterwarnings("error")
def test_compares_types_if_identifiers_are_quoted(
    request: pytest.FixtureRequest, kind: str
) -> None:
    url = request.getfixturevalue(kind).new_database()
    engine = make_engine(url)
    schema.upgrade(engine)
    with engine.connect() as connection:
        name = make_url(url).database
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET quote_all_identifiers = on")
    engine.dispose()
    engine = make_engine(url)
    assert schema.drift(engine) == []
    with engine.connect() as connection:
        connection.exec_driver_sql("ALTER TABLE events ALTER actor TYPE bytea USING actor::bytea")
    assert len(schema.drift(engine)) == 1
    engine.dispose()
