"""No call waits longer than its deadline for a database, and all calls work afterwards."""

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest
from contract.stores.directories import ANONYMOUS, Directory
from database_servers import MariaServer, PostgresServer
from sqlalchemy import Connection, Engine, make_url, text

from adapters.sql.engine import make_engine
from adapters.sql.transactions import core_connection
from application.deadlines import deadline
from application.ports import Unavailable
from application.users import USER_TYPE
from domain.errors import RosterError
from domain.users import NewUser, UserChanges

pytestmark = pytest.mark.slow

POSTGRESQL = ["postgresql_18", "postgresql_15"]
SERVERS = [*POSTGRESQL, "mariadb"]
SQL = ["sqlite", *SERVERS]
SECONDS = 0.4
on_servers = pytest.mark.parametrize("kind", SERVERS)
on_mariadb = pytest.mark.parametrize("kind", ["mariadb"])
on_postgresql = pytest.mark.parametrize("kind", POSTGRESQL)
on_sqlite = pytest.mark.parametrize("kind", ["sqlite"])


@contextmanager
def ends_unavailable(seconds: float = SECONDS) -> Iterator[None]:
    """The block must raise Unavailable, at most 0.3 s after the deadline.

    The time in which the machine is busy with other processes does not count.
    """
    with watching_delays() as delays, pytest.raises(Unavailable) as caught, deadline(seconds):
        start = monotonic()
        yield
    assert caught.value.code == "unavailable"
    assert monotonic() - start < seconds + 0.3 + sum(delays)


@contextmanager
def watching_delays() -> Iterator[list[float]]:
    """Collects how much longer than requested another thread sleeps, which is short if idle."""
    delays: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            start = monotonic()
            over.wait(0.02)
            delays.append(max(0.0, monotonic() - start - 0.02))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield delays
    finally:
        over.set()
        watching.join()


@contextmanager
def every_connection_taken(engine: Engine) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(engine.connect())
        yield


@pytest.mark.parametrize("kind", SQL)
def test_does_not_wait_for_a_connection_after_the_deadline(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    with every_connection_taken(directory.engine):
        with ends_unavailable():
            directory.reader.get(user.id)
        with ends_unavailable():
            directory.commands.delete(user.id, ANONYMOUS)
    assert directory.reader.get(user.id) == user


@on_servers
def test_does_not_wait_for_a_frozen_server(
    request: pytest.FixtureRequest, directory: Directory, kind: str
) -> None:
    user = directory.add("ann@example.org")
    with request.getfixturevalue(kind).frozen():
        with ends_unavailable():
            directory.reader.get(user.id)
        with ends_unavailable():
            directory.commands.change(user.id, UserChanges({"name": "Bo"}), ANONYMOUS)
        directory.engine.dispose()
        with ends_unavailable():  # also on a new connection
            directory.reader.get(user.id)
    assert directory.reader.get(user.id) == user
    directory.commands.change(user.id, UserChanges({"name": "Bo"}), ANONYMOUS)


@on_servers
def test_does_not_wait_for_a_server_that_freezes_during_a_unit(
    request: pytest.FixtureRequest, directory: Directory, kind: str
) -> None:
    with ExitStack() as until_thawed, ends_unavailable(), directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add(NewUser(email="ann@example.org", name="Ann"), at=work.now)
        until_thawed.enter_context(request.getfixturevalue(kind).frozen())
        work.repository(USER_TYPE).get(1)
    directory.add("ann@example.org")


SLOW = {"postgresql": "SELECT pg_sleep(20), 'slow'", "mariadb": "SELECT SLEEP(20), 'slow'"}
BUSY = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND state = 'active' AND query LIKE '%''slow''%' AND pid <> pg_backend_pid()",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE()"
    " AND info LIKE '%''slow''%' AND id <> CONNECTION_ID()",
}
SESSION = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}


def session(connection: Connection) -> int:
    return connection.execute(text(SESSION[connection.dialect.name])).scalar_one()


def fall_asleep(engine: Engine) -> None:
    with core_connection(engine) as connection:
        connection.execute(text(SLOW[engine.name])).all()


@on_servers
def test_a_slow_query_also_ends_on_the_server(directory: Directory) -> None:
    with ends_unavailable():
        fall_asleep(directory.engine)
    with core_connection(directory.engine) as connection:
        assert connection.execute(text(BUSY[directory.engine.name])).scalar_one() == 0


@on_servers
def test_a_slow_query_does_not_close_its_connection(directory: Directory) -> None:
    def only_session() -> int:
        with core_connection(directory.engine) as connection:
            return session(connection)

    directory.engine.dispose()
    before = only_session()
    # The server ends it slightly before the client would.
    with ends_unavailable(2):
        fall_asleep(directory.engine)
    assert only_session() == before


@on_servers
def test_a_frozen_server_closes_only_the_connections_that_waited(
    request: pytest.FixtureRequest, directory: Directory, kind: str
) -> None:
    def sessions() -> set[int]:
        with core_connection(directory.engine) as one, core_connection(directory.engine) as other:
            return {session(one), session(other)}

    directory.engine.dispose()
    before = sessions()
    with request.getfixturevalue(kind).frozen(), ends_unavailable():
        directory.reader.get(1)
    assert len(sessions() & before) == 1


@on_servers
def test_does_not_wait_for_a_locked_row_after_the_deadline(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    with directory.begin(ANONYMOUS, for_update=True) as work:
        work.repository(USER_TYPE).get(user.id)
        with ends_unavailable():
            directory.commands.change(user.id, UserChanges({"name": "Bo"}), ANONYMOUS)


@on_postgresql
def test_a_deadline_does_not_outlive_its_request(directory: Directory) -> None:
    with deadline(SECONDS):
        directory.add("ann@example.org")
    with core_connection(directory.engine) as connection:
        shown = connection.exec_driver_sql("SHOW statement_timeout").scalar_one()
    with directory.engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "0"
    assert shown != "0"


@on_mariadb
def test_a_deadline_does_not_outlive_its_statement(directory: Directory) -> None:
    shown = text("SELECT @@max_statement_time")
    with directory.engine.connect() as connection:
        with deadline(SECONDS):
            assert 0 < connection.execute(shown).scalar_one() < SECONDS
        assert connection.execute(shown).scalar_one() == 0


def test_does_not_wait_for_a_frozen_server_over_tls(mariadb: MariaServer, mariadb_url: str) -> None:
    engine = make_engine(mariadb.url(make_url(mariadb_url).database or "", encrypted=True))
    question = text("SHOW STATUS LIKE 'Ssl_version'")
    with core_connection(engine) as connection:
        assert connection.execute(question).one()[1].startswith("TLSv1")
    with mariadb.frozen():
        for _ in range(2):  # on the present connection, then on a new one
            with ends_unavailable(), core_connection(engine) as connection:
                connection.execute(question).all()
    with core_connection(engine) as connection:
        assert len(connection.execute(text("SELECT REPEAT('x', 3000000)")).scalar_one()) == 3000000
    engine.dispose()


def test_does_not_wait_for_a_server_that_sends_single_bytes(mariadb: MariaServer) -> None:
    with dripping(mariadb.address) as port:
        engine = make_engine(mariadb.url("roster", port=port))
        with ends_unavailable(), core_connection(engine):
            pass


@contextmanager
def dripping(address: Path) -> Iterator[int]:
    """The port of a proxy that forwards one byte of the server's data, then waits."""

    def serve(listening: socket.socket) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as server:
            client, _ = listening.accept()
            with client:
                server.connect(str(address))
                while byte := server.recv(1):
                    client.sendall(byte)
                    over.wait(SECONDS / 4)

    over = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            serving.join(10)


@on_sqlite
def test_does_not_wait_for_another_writer_after_the_deadline(directory: Directory) -> None:
    with directory.begin(ANONYMOUS):
        failed = in_a_thread(lambda: directory.add("ann@example.org"))
    assert isinstance(failed, Unavailable)


@on_sqlite
def test_does_not_wait_for_another_process_after_the_deadline(directory: Directory) -> None:
    with closing(
        sqlite3.connect(str(directory.engine.url.database), isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        with ends_unavailable():
            directory.add("ann@example.org")
        other.execute("ROLLBACK")
    directory.add("ann@example.org")


@on_sqlite
def test_readers_do_not_wait_for_a_writer(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    with directory.begin(ANONYMOUS) as work, deadline(SECONDS):
        work.repository(USER_TYPE).remove(user)
        assert directory.reader.get(user.id) == user
        assert in_a_thread(lambda: directory.reader.get(user.id)) == user


@on_sqlite
def test_a_slow_query_of_sqlite_ends_at_the_deadline(directory: Directory) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    )
    with ends_unavailable(), core_connection(directory.engine) as connection:
        connection.execute(text(endless))


def in_a_thread(work: Callable[[], object]) -> object:
    """Runs `work` in another thread within SECONDS, and returns its result or error."""
    results: list[object] = []

    def run() -> None:
        try:
            with deadline(SECONDS):
                results.append(work())
        except RosterError as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    return results[0]


@contextmanager
def silent_host() -> Iterator[int]:
    """The port of a host that accepts connections and sends nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://postgres@/{name}?host=127.0.0.1:{silent}&host={socket}"
        "&target_session_attrs=read-write",
        "postgresql://postgres@127.0.0.1:{silent},{quoted}/{name}?target_session_attrs=read-write",
        "postgres://postgres@/{name}?host=127.0.0.1,{socket}&port={silent},5432",
    ],
    ids=["as SQLAlchemy", "as libpq", "as lists"],
)
def test_tries_the_next_host_if_one_sends_nothing(postgresql_18: PostgresServer, url: str) -> None:
    parts = {"name": "postgres", "socket": postgresql_18.socket}
    quoted = str(postgresql_18.socket).replace("/", "%2F")
    with silent_host() as silent:
        engine = make_engine(url.format(**parts, silent=silent, quoted=quoted))
        for seconds in (4, SECONDS):  # the second time, the silent host is known
            start = monotonic()
            with deadline(seconds), core_connection(engine) as connection:
                assert connection.execute(text("SELECT 1")).scalar_one() == 1
            assert (monotonic() - start > 0.9) == (seconds == 4)
            engine.dispose()


def test_does_not_wait_for_a_mariadb_that_sends_nothing(mariadb: MariaServer) -> None:
    with silent_host() as port:
        engine = make_engine(mariadb.url("roster", port=port))
        with ends_unavailable(), core_connection(engine):
            pass


def test_does_not_wait_for_hosts_that_send_nothing() -> None:
    with silent_host() as one, silent_host() as other:
        engine = make_engine(f"postgresql://postgres@127.0.0.1:{one},127.0.0.1:{other}/postgres")
        with ends_unavailable(), core_connection(engine):
            pass
