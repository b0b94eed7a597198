"""Secrets that all processes share, on every store."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest
from contract.stores.directories import Directory
from database_processes import in_processes, read_secret
from sqlalchemy import URL, text

from adapters.memory.secrets import MemorySecrets
from adapters.sql.engine import make_engine
from adapters.sql.failures import UnknownFailure
from adapters.sql.secrets import SqlSecrets
from application.deadlines import deadline
from application.ports import SECRET_BYTES, Secrets, Unavailable
from entrypoints.container import utc_now

THREADS = 12
PROCESSES = 2
SQL = ("sqlite", "postgresql_18", "postgresql_15", "mariadb")
ON_SQL = pytest.mark.parametrize("kind", SQL)


@pytest.fixture
def secrets(directory: Directory) -> Secrets:
    """The secrets of a directory, without those that other tests created."""
    if directory.database is None:
        return MemorySecrets()
    with directory.engine.begin() as connection:
        connection.execute(text("DELETE FROM secrets WHERE name <> 'cursors'"))
    return SqlSecrets(directory.engine, utc_now)


def test_a_secret_is_created_once(secrets: Secrets) -> None:
    first = secrets.get_or_create("first")
    assert len(first) == SECRET_BYTES
    assert [secrets.get_or_create("first") for _ in range(3)] == [first] * 3
    assert secrets.get_or_create("second") != first
    assert secrets.get_or_create("First") != first


def test_concurrent_threads_get_the_same_secret(secrets: Secrets) -> None:
    start = Barrier(THREADS)

    def get(_: int) -> bytes:
        start.wait()
        with deadline(30):
            return secrets.get_or_create("contended")

    with ThreadPoolExecutor(THREADS) as threads:
        values = set(threads.map(get, range(THREADS)))
    assert values == {secrets.get_or_create("contended")}


@ON_SQL
def test_concurrent_processes_get_the_same_secret(directory: Directory, secrets: Secrets) -> None:
    values = in_processes(read_secret, directory.engine, [("shared",)] * PROCESSES)
    assert set(values) == {secrets.get_or_create("shared")}


@ON_SQL
def test_another_connection_reads_the_same_secret(directory: Directory, secrets: Secrets) -> None:
    value = secrets.get_or_create("shared")
    with directory.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT value, creation_time FROM secrets WHERE name = 'shared'")
        ).all()
    assert [bytes(row.value) for row in rows] == [value]
    assert rows[0].creation_time is not None


@pytest.fixture
def read_only(request: pytest.FixtureRequest, directory: Directory, kind: str) -> Iterator[Secrets]:
    """The same secrets, over read-only connections, like those of a standby."""
    with ExitStack() as stack:
        engine = directory.engine
        if kind != "mariadb":
            engine = make_engine(READ_ONLY[engine.name](engine.url))
            stack.callback(engine.dispose)
        else:
            server = request.getfixturevalue("mariadb")
            server.execute("SET GLOBAL read_only = 1")
            stack.callback(server.execute, "SET GLOBAL read_only = 0")
        yield SqlSecrets(engine, utc_now)


READ_ONLY: dict[str, Callable[[URL], str]] = {
    "sqlite": lambda url: f"sqlite:///file:{url.database}?mode=ro&uri=true",
    "postgresql": lambda url: url.update_query_dict(
        {"options": "-c default_transaction_read_only=on"}
    ).render_as_string(hide_password=False),
}


@ON_SQL
def test_a_standby_creates_no_secret(secrets: Secrets, read_only: Secrets) -> None:
    with pytest.raises(Unavailable) as caught:
        read_only.get_or_create("new")
    assert caught.value.code == "writes_refused"


@ON_SQL
def test_a_standby_reads_the_secret_of_the_migration(
    directory: Directory, secrets: Secrets, read_only: Secrets
) -> None:
    with directory.engine.connect() as connection:
        (value,) = connection.execute(text("SELECT value FROM secrets")).one()
    assert read_only.get_or_create("cursors") == bytes(value)
    assert len(value) == SECRET_BYTES


@pytest.mark.parametrize("kind", SQL[1:])
def test_a_failure_to_create_a_secret_does_not_show_it(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = b"hush" * 8
    monkeypatch.setattr("adapters.sql.secrets.token_bytes", lambda _: value)
    with pytest.raises(UnknownFailure) as failure:
        secrets.get_or_create("n" * 65)
    message = f"{failure.value!r} {failure.value.__cause__!r}"
    assert value.decode() not in message
    assert value.hex() not in message
