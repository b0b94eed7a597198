"""Units of work when a database fails, on real databases with real failures."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pymysql
import pytest
from contract.stores.directories import ANONYMOUS, Directory
from database_servers import MariaServer, PostgresServer
from sqlalchemy import Engine, make_url, text

from adapters.sql import schema
from adapters.sql.audit import SqlEvents
from adapters.sql.connection import RawConnection
from adapters.sql.engine import make_engine
from adapters.sql.failures import UnknownFailure, translate_errors
from adapters.sql.repository import SqlRepository
from adapters.sql.store import SqlStore
from adapters.sql.transactions import Transactions, core_connection
from adapters.sql.users import USERS_TABLE
from application.audit import AuditLog
from application.deadlines import deadline, restart_deadline, time_left
from application.ports import ConcurrentUpdate, OutcomeUnknown, Unavailable, UnitOfWork
from application.search import Search, Slice
from application.units import retrying
from application.users import USER_TYPE
from domain.users import EmailTaken, NewUser, User, UserChanges

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 22, tzinfo=UTC)
POSTGRESQL = ["postgresql_18", "postgresql_15"]
SERVERS = [*POSTGRESQL, "mariadb"]
SQL = ["sqlite", *SERVERS]
ANN = NewUser(email="ann@example.org", name="Ann")
on_sql = pytest.mark.parametrize("kind", SQL)
on_servers = pytest.mark.parametrize("kind", SERVERS)
on_postgresql = pytest.mark.parametrize("kind", POSTGRESQL)
on_mariadb = pytest.mark.parametrize("kind", ["mariadb"])


@contextmanager
def altered(engine: Engine, change: str, undo: str) -> Iterator[None]:
    def run(script: str) -> None:
        with engine.connect() as connection:
            for statement in script.split(";;"):
                connection.exec_driver_sql(statement)

    run(change)
    try:
        yield
    finally:
        run(undo)


FAILURE_AT_COMMIT = {
    "sqlite": (
        "CREATE TABLE shadow (id INTEGER REFERENCES users(id) DEFERRABLE INITIALLY DEFERRED);;"
        "CREATE TRIGGER refuse AFTER INSERT ON users BEGIN INSERT INTO shadow VALUES (-1); END",
        "DROP TRIGGER refuse;;DROP TABLE shadow",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE integrity_constraint_violation; END';;"
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION refuse()",
        "DROP TRIGGER refuse ON users;;DROP FUNCTION refuse",
    ),
}


@pytest.mark.parametrize("kind", ["sqlite", *POSTGRESQL])
def test_a_rejected_commit_changes_nothing(directory: Directory) -> None:
    runs = 0
    with altered(directory.engine, *FAILURE_AT_COMMIT[directory.engine.name]):

        def unit(work: UnitOfWork) -> None:
            nonlocal runs
            runs += 1
            work.repository(USER_TYPE).add(ANN, at=work.now)

        with pytest.raises(Unavailable) as caught:
            retrying(directory.begin)(ANONYMOUS, unit)
    assert (caught.value.code, runs) == ("unavailable", 1)
    assert directory.find() == []
    directory.commands.create(ANN, ANONYMOUS)


@on_postgresql
def test_retries_a_commit_that_another_transaction_prevents(directory: Directory) -> None:
    runs = 0
    fail_once = (
        "CREATE SEQUENCE commits;;"
        "CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF nextval(''commits'') = 1 THEN RAISE serialization_failure; END IF;"
        " RETURN NULL; END';;"
        "CREATE CONSTRAINT TRIGGER fail_once AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION fail_once()"
    )
    undo = "DROP TRIGGER fail_once ON users;;DROP FUNCTION fail_once;;DROP SEQUENCE commits"
    with altered(directory.engine, fail_once, undo):

        def unit(work: UnitOfWork) -> None:
            nonlocal runs
            runs += 1
            work.repository(USER_TYPE).add(ANN, at=work.now)

        retrying(directory.begin)(ANONYMOUS, unit)
    assert (runs, directory.emails()) == (2, [ANN.email])


@on_mariadb
def test_a_commit_on_a_read_only_server_changes_nothing(
    mariadb: MariaServer, directory: Directory
) -> None:
    fails = pytest.raises(Unavailable)
    with ExitStack() as at_commit, fails as caught, directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add(ANN, at=work.now)
        work.audit.flush()
        at_commit.enter_context(read_only(mariadb))
    assert caught.value.code == "unavailable"
    assert directory.find() == []
    directory.commands.create(ANN, ANONYMOUS)


@contextmanager
def read_only(mariadb: MariaServer) -> Iterator[None]:
    """In the block, the server accepts only writes of root."""
    mariadb.execute("SET GLOBAL read_only = 1")
    try:
        yield
    finally:
        mariadb.execute("SET GLOBAL read_only = 0")


@on_servers
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_unit_whose_connection_is_killed_changes_nothing(directory: Directory, when: str) -> None:
    with pytest.raises(Unavailable) as caught, directory.begin(ANONYMOUS) as work:
        if when == "after":
            work.repository(USER_TYPE).add(ANN, at=work.now)
        work.audit.flush()
        kill_others(directory.engine)
        work.repository(USER_TYPE).get(1)
    assert caught.value.code == "unavailable"
    assert directory.find() == []


@on_servers
def test_the_outcome_is_unknown_if_the_connection_is_killed_before_the_commit(
    directory: Directory,
) -> None:
    with pytest.raises(OutcomeUnknown), directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add(ANN, at=work.now)
        work.audit.flush()
        kill_others(directory.engine)
    assert directory.find() == []


@on_servers
def test_replaces_closed_connections_without_an_error(directory: Directory) -> None:
    user = directory.commands.create(ANN, ANONYMOUS)
    kill_others(directory.engine)
    assert directory.reader.get(user.id) == user
    kill_others(directory.engine)
    directory.commands.change(user.id, UserChanges({"name": "Bo"}), ANONYMOUS)


def kill_others(engine: Engine) -> None:
    """Ends every other connection to the database, and waits until they are closed."""
    with closing(make_engine(engine.url.render_as_string(False)).raw_connection()) as own:
        cursor = own.cursor()
        cursor.execute(OTHERS[engine.name])
        while others := cursor.fetchall():
            for (other,) in others:
                with suppress(pymysql.err.OperationalError):  # it is closed already
                    cursor.execute(KILL[engine.name].format(other))
            cursor.execute(OTHERS[engine.name])
        own.detach()


OTHERS = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    "mariadb": "SELECT id FROM information_schema.processlist"
    " WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}
KILL = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL {}"}


@contextmanager
def dropping_commit_responses(server_socket: Path) -> Iterator[int]:
    """The port of a proxy that drops the response to COMMIT."""

    def serve(client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(server_socket))
            dropping = threading.Event()
            responses = threading.Thread(target=forward, args=(server, client, dropping))
            responses.start()
            with suppress(OSError):
                while data := client.recv(65536):
                    if data.endswith((b"COMMIT\0", b"COMMIT")):
                        dropping.set()
                    server.sendall(data)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            responses.join()

    def forward(server: socket.socket, client: socket.socket, dropping: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if dropping.is_set():
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)

    threads: list[threading.Thread] = []

    def accept(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                thread = threading.Thread(target=serve, args=(listening.accept()[0],))
                threads.append(thread)
                thread.start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        accepting = threading.Thread(target=accept, args=(listening,))
        accepting.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for thread in [accepting, *threads]:
                thread.join(10)


@on_servers
def test_the_outcome_is_unknown_if_the_response_to_commit_is_lost(
    request: pytest.FixtureRequest, directory: Directory, kind: str
) -> None:
    server = request.getfixturevalue(kind)
    runs = 0

    def unit(work: UnitOfWork) -> None:
        nonlocal runs
        runs += 1
        work.repository(USER_TYPE).add(ANN, at=work.now)

    with dropping_commit_responses(server.address) as port:
        engine = make_engine(server.url(directory.engine.url.database, port=port))
        with pytest.raises(OutcomeUnknown), deadline(5):
            retrying(
                SqlStore(engine, lambda: datetime(2026, 11, 22, tzinfo=UTC), [USERS_TABLE]).begin
            )(ANONYMOUS, unit)
        engine.dispose()
    assert runs == 1, "a unit with an unknown outcome is not repeated"
    assert directory.emails() == [ANN.email], "the unit was committed"


@on_postgresql
def test_the_outcome_is_unknown_if_the_response_to_commit_is_late(directory: Directory) -> None:
    slow = (
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';;"
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    undo = "DROP TRIGGER slow ON users;;DROP FUNCTION slow"  # waits for the commit
    with altered(directory.engine, slow, undo), pytest.raises(OutcomeUnknown), deadline(0.4):
        directory.commands.create(ANN, ANONYMOUS)
    assert directory.emails() == [ANN.email], "statement_timeout does not apply to a commit"


@on_postgresql
def test_the_outcome_is_unknown_if_the_connection_is_killed_during_the_commit(
    directory: Directory,
) -> None:
    deadly = (
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';;"
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION die()"
    )
    undo = "DROP TRIGGER die ON users;;DROP FUNCTION die"
    with altered(directory.engine, deadly, undo), pytest.raises(OutcomeUnknown):
        directory.commands.create(ANN, ANONYMOUS)


@on_servers
def test_the_outcome_is_unknown_if_the_server_freezes_at_commit(
    request: pytest.FixtureRequest, directory: Directory, kind: str
) -> None:
    frozen = request.getfixturevalue(kind).frozen()
    fails = pytest.raises(OutcomeUnknown)
    with ExitStack() as until_thawed, fails, directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add(ANN, at=work.now)
        work.audit.flush()
        until_thawed.enter_context(frozen)
        restart_deadline(0.4)
    assert directory.emails() in ([], [ANN.email])


@on_sql
def test_does_not_commit_a_unit_after_its_deadline(directory: Directory) -> None:
    fails = pytest.raises(Unavailable)
    with fails as caught, deadline(0.1), directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add(ANN, at=work.now)
        while time_left():
            pass
    assert caught.value.code == "unavailable"
    assert directory.find() == []


@on_postgresql
def test_continuing_after_an_error_is_not_a_silent_rollback(directory: Directory) -> None:
    directory.commands.create(ANN, ANONYMOUS)
    with pytest.raises(RuntimeError), directory.begin(ANONYMOUS) as work, suppress(EmailTaken):
        work.repository(USER_TYPE).add(ANN, at=work.now)


@on_postgresql
def test_a_serialization_failure_is_a_conflict(directory: Directory) -> None:
    user = directory.commands.create(ANN, ANONYMOUS)
    bo = UserChanges({"name": "Bo"})
    transactions = Transactions(directory.engine)
    with pytest.raises(ConcurrentUpdate), transactions.open() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text("SELECT * FROM users")).all()
        directory.commands.change(user.id, bo, ANONYMOUS)
        connection.execute(text("UPDATE users SET version = 9"))


@on_postgresql
def test_a_statement_for_several_rows_is_part_of_its_transaction(directory: Directory) -> None:
    """The driver has a method of its own for it."""
    new = [NewUser(email=f"{name}@example.org", name=name) for name in ("ann", "bob")]
    users = [directory.commands.create(each, ANONYMOUS) for each in new]
    rename = text("UPDATE users SET name = :name WHERE id = :user_id")

    def change(connection: RawConnection, name: str) -> None:
        connection.execute(rename, [{"name": name, "user_id": user.id} for user in users])

    with Transactions(directory.engine).open() as connection:
        change(connection, "Cy")
    with pytest.raises(RuntimeError), Transactions(directory.engine).open() as connection:
        change(connection, "Di")
        raise RuntimeError
    assert [user.name for user in directory.find()] == ["Cy", "Cy"]


@on_mariadb
def test_a_read_only_server_rejects_writes(mariadb: MariaServer, directory: Directory) -> None:
    with read_only(mariadb):
        directory.reader.page(Search())
        assert_rejects_writes(directory)
    directory.ready()


_AUTHORITY = "ssl_ca={certificate}"


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        (_AUTHORITY, ["localhost"]),
        (f"{_AUTHORITY}&ssl_verify_cert=true", ["localhost"]),
        (f"{_AUTHORITY}&ssl_verify_identity=true", ["localhost"]),
        (f"{_AUTHORITY}&ssl_verify_cert=true&ssl_verify_identity=true", ["localhost"]),
        (f"{_AUTHORITY}&ssl_check_hostname=true", ["localhost"]),
        (f"{_AUTHORITY}&ssl_check_hostname=false", ["localhost", "127.0.0.1"]),
        (f"{_AUTHORITY}&ssl_verify_identity=false", ["localhost", "127.0.0.1"]),
        (f"{_AUTHORITY}&ssl_verify_cert=false", ["localhost", "127.0.0.1"]),
        ("ssl_verify_cert=true", []),
        ("ssl_verify_identity=true", []),
        ("ssl_check_hostname=true", []),
        ("ssl_verify_cert=false", ["localhost", "127.0.0.1"]),
    ],
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_every_option_of_tls_applies(
    mariadb: MariaServer, mariadb_url: str, host: str, options: str, accepted: list[str]
) -> None:
    """The certificate is its own authority, and its only name is localhost."""
    chosen = options.format(certificate=_certificate(mariadb))
    assert _is_encrypted(mariadb, mariadb_url, host, chosen) == (host in accepted)


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        ("ssl_verify_cert=true", ["localhost", "127.0.0.1"]),
        ("ssl_verify_identity=true", ["localhost"]),
        ("ssl_check_hostname=true", ["localhost"]),
    ],
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_authorities_of_the_system_verify_the_identity_of_a_server(
    mariadb: MariaServer,
    mariadb_url: str,
    host: str,
    options: str,
    accepted: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", _certificate(mariadb))
    assert _is_encrypted(mariadb, mariadb_url, host, options) == (host in accepted)


def _certificate(mariadb: MariaServer) -> str:
    return str(mariadb.address.with_name("cert.pem"))


def _is_encrypted(mariadb: MariaServer, url: str, host: str, options: str) -> bool:
    """Connects with TLS. Returns False if the certificate is rejected."""
    encrypted = mariadb.url(make_url(url).database or "", encrypted=True)
    engine = make_engine(f"{encrypted}&{options}".replace("@localhost", f"@{host}"))
    try:
        with core_connection(engine) as connection:
            return bool(connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()[1])
    except Unavailable as error:
        if "certificate verify failed" not in error.explanation:
            raise
        return False
    finally:
        engine.dispose()


def test_rejects_a_server_that_is_not_supported(
    mariadb_url: str, directory_of: Callable[[Engine], Directory], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = directory_of(make_engine(mariadb_url))
    monkeypatch.setattr(
        "adapters.sql.dialects.mariadb.MIN_VERSION", (1000, 0)
    )  # no such server is available
    with pytest.raises(Unavailable) as caught:
        directory.ready()
    assert caught.value.code == "unsupported_server"


@on_mariadb
def test_sends_no_rollback_after_a_commit(
    directory: Directory, directory_of: Callable[[Engine], Directory]
) -> None:
    url = directory.engine.url.render_as_string(False)
    own = directory_of(make_engine(url, pool_size=1))

    def rollbacks() -> int:
        with core_connection(own.engine) as connection:
            return int(connection.execute(text("SHOW STATUS LIKE 'Com_rollback'")).one()[1])

    own.commands.create(ANN, ANONYMOUS)
    own.reader.page(Search())
    assert rollbacks() == 0


@on_mariadb
def test_a_change_since_the_snapshot_is_a_conflict(directory: Directory) -> None:
    user = directory.commands.create(ANN, ANONYMOUS)
    with directory.engine.connect() as connection:
        connection.exec_driver_sql("SET SESSION innodb_snapshot_isolation = ON")
        connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("START TRANSACTION")
        connection.execute(text("SELECT * FROM users")).all()
        directory.commands.change(user.id, UserChanges({"name": "Bo"}), ANONYMOUS)
        with pytest.raises(ConcurrentUpdate), translate_errors():
            connection.execute(text("UPDATE users SET version = 9"))
        connection.invalidate()


@on_mariadb
def test_does_not_truncate_a_text_that_is_too_long(directory: Directory) -> None:
    user = directory.commands.create(ANN, ANONYMOUS)
    with (
        pytest.raises(UnknownFailure, match="1406"),
        Transactions(directory.engine).open() as connection,
    ):
        connection.execute(text("UPDATE users SET role = REPEAT('x', 51)"))
    assert directory.reader.get(user.id) == user


@on_mariadb
@pytest.mark.parametrize("language", ["ja_JP", "de_DE", "ru_RU", "fr_FR"])
def test_recognizes_a_taken_email_in_any_language_of_the_server(
    directory: Directory, language: str
) -> None:
    directory.commands.create(NewUser(email="o'neill@example.org", name="O'Neill"), ANONYMOUS)
    with pytest.raises(EmailTaken), Transactions(directory.engine).open() as connection:
        connection.execute(text(f"SET SESSION lc_messages = {language}"))
        audit = AuditLog(SqlEvents(connection, ANONYMOUS, NOW))
        users = SqlRepository(USERS_TABLE, connection, audit, for_update=False)
        try:
            users.add(NewUser(email="O'Neill@example.org", name="O'Neill"), at=NOW)
        finally:
            connection.execute(text("SET SESSION lc_messages = DEFAULT"))


@on_postgresql
def test_a_read_only_database_rejects_writes(directory: Directory) -> None:
    name = directory.engine.url.database
    change = f"ALTER DATABASE {name} SET default_transaction_read_only = "
    with altered(
        directory.engine, f"{change}on", f"SET default_transaction_read_only=off;;{change}off"
    ):
        directory.engine.dispose()
        directory.reader.page(Search())
        assert_rejects_writes(directory)
        directory.engine.dispose()
    directory.engine.dispose()
    directory.ready()


READ_ONLY_SESSIONS = {
    "postgresql": "ALTER DATABASE {} SET default_transaction_read_only = {}",
    "mariadb": "SET GLOBAL tx_read_only = {1}",
}


@on_servers
def test_a_connection_that_refused_a_write_is_not_used_again(
    request: pytest.FixtureRequest, directory: Directory, kind: str
) -> None:
    server = request.getfixturevalue(kind)
    statement, name = READ_ONLY_SESSIONS[directory.engine.name], directory.engine.url.database
    directory.engine.dispose()
    server.execute(statement.format(name, "on"))  # for sessions that begin from now on
    try:
        assert_rejects_writes(directory)
    finally:
        server.execute(statement.format(name, "off"))
    directory.ready()
    directory.commands.create(ANN, ANONYMOUS)
    assert directory.emails() == [ANN.email]


def test_a_read_only_file_rejects_writes(
    directory_of: Callable[[Engine], Directory], sqlite_url: str
) -> None:
    engine = make_engine(sqlite_url)
    schema.upgrade(engine)
    engine.dispose()
    path = sqlite_url.removeprefix("sqlite:///")
    engine = make_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    directory = directory_of(engine)
    directory.reader.page(Search())
    assert_rejects_writes(directory)
    engine.dispose()


def assert_rejects_writes(directory: Directory) -> None:
    for attempt in (directory.ready, lambda: directory.commands.create(ANN, ANONYMOUS)):
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.code == "writes_refused"


@pytest.mark.parametrize("url", ["sqlite_url", "postgresql_url", "mariadb_url"])
def test_reports_that_a_database_is_not_migrated(
    request: pytest.FixtureRequest, directory_of: Callable[[Engine], Directory], url: str
) -> None:
    engine = make_engine(request.getfixturevalue(url))
    directory = directory_of(engine)
    attempts = (
        directory.ready,
        lambda: directory.reader.page(Search()),
        lambda: directory.commands.create(ANN, ANONYMOUS),
    )
    for attempt in attempts:
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.code == "not_migrated"
    schema.upgrade(engine)
    for attempt in attempts:
        attempt()
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "mariadb"])
def test_a_database_of_a_newer_release_is_ready_and_of_an_older_one_is_not(
    directory: Directory,
) -> None:
    change = "UPDATE roster_version SET version_num = "
    undo = f"{change}'{schema.REVISION}'"
    with altered(directory.engine, f"{change}'9999'", undo):
        directory.ready()
    older = altered(directory.engine, f"{change}'0000'", undo)
    with older, pytest.raises(Unavailable) as caught:
        directory.ready()
    assert caught.value.code == "not_migrated"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////no/such/directory/roster.db",
        "postgresql://ann:secret@127.0.0.1:1/roster",
        "postgresql://ann:secret@no-such-host.invalid/roster",
        "postgresql:///roster?host=/no/such/directory",
        "mysql+pymysql://ann:secret@127.0.0.1:1/roster",
        "mariadb+pymysql://ann:secret@no-such-host.invalid/roster",
        "mariadb+pymysql://ann:secret@/roster?unix_socket=/no/such/socket",
    ],
)
def test_a_database_that_cannot_be_reached_is_unavailable(
    directory_of: Callable[[Engine], Directory], url: str
) -> None:
    engine = make_engine(url)
    with pytest.raises(Unavailable) as caught, deadline(5):
        directory_of(engine).ready()
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize("missing", ["not a database", "no such database"])
def test_a_database_that_does_not_exist_is_unavailable(
    directory_of: Callable[[Engine], Directory],
    postgresql_18: PostgresServer,
    tmp_path: Path,
    missing: str,
) -> None:
    (tmp_path / "roster.db").write_text("This text is not a database. " * 99)
    url = f"sqlite:///{tmp_path}/roster.db"
    engine = make_engine(url if missing == "not a database" else postgresql_18.url("nowhere"))
    with pytest.raises(Unavailable):
        directory_of(engine).ready()
    engine.dispose()


@pytest.mark.parametrize(
    ("user", "database"), [("unknown", "roster"), ("roster", "mysql"), ("roster", "roster_nowhere")]
)
def test_a_database_that_denies_access_is_unavailable(
    mariadb: MariaServer, directory_of: Callable[[Engine], Directory], user: str, database: str
) -> None:
    url = mariadb.url(database).replace("roster@", f"{user}@")
    with pytest.raises(Unavailable) as caught:
        directory_of(make_engine(url)).ready()
    assert caught.value.code == "unavailable"


@on_mariadb
@pytest.mark.parametrize(
    ("limit", "least", "undo"),
    [
        ("SET GLOBAL max_connections = ", 10, "SET GLOBAL max_connections = DEFAULT"),
        ("ALTER USER roster@localhost WITH MAX_USER_CONNECTIONS ", 1, None),
    ],
    ids=["server", "user"],
)
def test_a_mariadb_without_a_free_connection_is_unavailable(
    mariadb: MariaServer, directory: Directory, limit: str, least: int, undo: str | None
) -> None:
    directory.engine.dispose()
    with ExitStack() as stack:
        mariadb.execute(f"{limit}{least}")
        stack.callback(mariadb.execute, undo or f"{limit}0")
        engine = make_engine(directory.engine.url.render_as_string(False), pool_size=least + 2)
        stack.callback(engine.dispose)
        with pytest.raises(Unavailable) as caught:
            for _ in range(least + 2):
                stack.enter_context(core_connection(engine))
    assert caught.value.code == "unavailable"
    directory.ready()


@on_postgresql
def test_a_server_without_a_free_connection_is_unavailable(
    request: pytest.FixtureRequest, directory: Directory, kind: str
) -> None:
    server = request.getfixturevalue(kind)
    name = directory.engine.url.database
    server.execute("CREATE ROLE modest LOGIN")
    server.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    engine = make_engine(server.url(name).replace("postgres@", "modest@"))
    with pytest.raises(Unavailable), core_connection(engine):
        pass
    server.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
    server.execute("DROP ROLE modest")


@on_postgresql
def test_a_syntax_error_is_described_without_the_message_of_the_server(
    directory: Directory,
) -> None:
    """The message quotes a part of the statement, which may be a value."""
    with pytest.raises(UnknownFailure) as caught, core_connection(directory.engine) as connection:
        connection.execute(text("SELEKT 1"))
    timeout = r"SET LOCAL statement_timeout=\d+"
    assert re.fullmatch(f"SyntaxError; 42601; {timeout}; SELEKT 1", str(caught.value))


@on_postgresql
@pytest.mark.parametrize("as_type", ["integer", "date", "json"])
def test_a_wrong_value_is_described_without_the_message_of_the_server(
    directory: Directory, as_type: str
) -> None:
    """The messages of all errors of class 22 may quote a value."""
    statement = text(f"SELECT CAST(:value AS {as_type})")
    with pytest.raises(UnknownFailure) as caught, core_connection(directory.engine) as connection:
        connection.execute(statement, {"value": "needle"})
    assert "; 22" in str(caught.value)
    assert "needle" not in str(caught.value)


@on_sql
def test_does_not_hide_an_invalid_statement(directory: Directory) -> None:
    with (
        pytest.raises(UnknownFailure, match="SELEKT 1"),
        core_connection(directory.engine) as connection,
    ):
        connection.execute(text("SELEKT 1"))
    with (
        pytest.raises(UnknownFailure, match="INSERT INTO"),
        Transactions(directory.engine).open() as connection,
    ):
        connection.execute(text("INSERT INTO users (email) VALUES (NULL)"))
    directory.ready()


def test_a_full_database_rejects_writes_until_there_is_space(
    directory_of: Callable[[Engine], Directory], sqlite_url: str
) -> None:
    engine = make_engine(sqlite_url, pool_size=1)
    schema.upgrade(engine)
    directory = directory_of(engine)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    added: list[User] = []
    with pytest.raises(Unavailable) as caught:
        while True:
            email = f"user{len(added)}@example.org"
            added.append(directory.commands.create(NewUser(email=email, name="x" * 250), ANONYMOUS))
    assert caught.value.code == "unavailable"
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=100000")
    directory.commands.create(ANN, ANONYMOUS)
    assert len(directory.reader.page(Search(place=Slice(1000))).items) == len(added) + 1
    engine.dispose()


_RAISE = (
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN RAISE {} 'not %%', NEW.email{}; END$$",
    "CREATE TRIGGER refuse BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse()",
)
REJECTIONS = {
    "sqlite, no ids": ["INSERT INTO sqlite_sequence VALUES ('users', 9223372036854775807)"],
    "sqlite, trigger": [
        "CREATE TRIGGER refuse BEFORE INSERT ON users"
        " BEGIN SELECT RAISE(ABORT, 'not ann@example.org'); END"
    ],
    "postgresql, no ids": [
        "SELECT setval(pg_get_serial_sequence('users', 'id'), 9223372036854775807)"
    ],
    "postgresql, trigger": [_RAISE[0].format("EXCEPTION", ""), _RAISE[1]],
    "postgresql, trigger with a code": [
        _RAISE[0].format("EXCEPTION", " USING ERRCODE = '23000'"),
        _RAISE[1],
    ],
    "mariadb, no ids": [
        "INSERT INTO users VALUES (9223372036854775807, 'x@x.test', 'x@x.test', 'X', 'x', 1,"
        " 'user', NOW(), NOW(), 1, NULL)"
    ],
    "mariadb, trigger": [
        "CREATE TRIGGER refuse BEFORE INSERT ON users FOR EACH ROW"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not ann@example.org'"
    ],
    "mariadb, latin1": ["ALTER TABLE users CONVERT TO CHARACTER SET latin1"],
}


@pytest.mark.parametrize("rejection", REJECTIONS)
def test_an_unknown_error_of_the_database_is_unavailable(
    request: pytest.FixtureRequest, directory_of: Callable[[Engine], Directory], rejection: str
) -> None:
    engine = make_engine(request.getfixturevalue(f"{rejection.partition(',')[0]}_url"))
    schema.upgrade(engine)
    with engine.connect() as connection:
        for statement in REJECTIONS[rejection]:
            connection.exec_driver_sql(statement)
    directory = directory_of(engine)
    new = NewUser(email="ann@example.org", name="李小龍")
    with pytest.raises(Unavailable) as one:
        directory.commands.create(new, ANONYMOUS)
    with pytest.raises(Unavailable) as many, directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add_many([new], at=work.now)
    for error in (one.value, many.value):
        expected = "unsupported_encoding" if "latin1" in rejection else "unavailable"
        assert error.code == expected
        assert error.reason is not None
        assert "example.org" not in error.explanation


def test_rejects_the_information_schema_of_mariadb_with_a_reason(mariadb: MariaServer) -> None:
    engine = make_engine(mariadb.url("information_schema"))
    with pytest.raises(Unavailable) as caught:
        schema.upgrade(engine)
    assert "information_schema" in caught.value.explanation
    engine.dispose()
