"""The stores that must fulfill the contract. Each test gets one of them, empty."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contract.stores.directories import REACTIONS, Directory, RelatedDirectory, TickingClock
from sqlalchemy import Engine

from adapters.memory.accounts import MemoryAccountReader
from adapters.memory.audit import MemoryEventReader
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from adapters.sql import schema
from adapters.sql.engine import make_engine
from application.reactions import NO_REACTIONS, Reactions
from application.users import USER_TYPE

SQL = ("sqlite", "postgresql_18", "postgresql_15", "mariadb")
KINDS = ("memory", *SQL)


def _memory() -> Directory:
    store = MemoryStore(TickingClock(), reactions=REACTIONS)
    return Directory(
        "memory",
        store,
        MemoryReader(USER_TYPE, store),
        MemoryEventReader(store),
        MemoryAccountReader(store),
    )


@pytest.fixture(scope="session")
def engines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Engine]]:
    """A migrated database of each kind, for the whole run."""
    by_kind: dict[str, Engine] = {}

    def engine_of(kind: str) -> Engine:
        if kind not in by_kind:
            by_kind[kind] = make_engine(_url(request, kind, tmp_path_factory), pool_size=8)
            schema.upgrade(by_kind[kind])
        return by_kind[kind]

    yield engine_of
    for engine in by_kind.values():
        engine.dispose()


def _url(
    request: pytest.FixtureRequest, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    if kind == "sqlite":
        directory: Path = tmp_path_factory.mktemp("sqlite")
        return f"sqlite:///{directory}/roster.db"
    return str(request.getfixturevalue(kind).new_database())


@pytest.fixture
def directory(engines: Callable[[str], Engine], kind: str) -> Directory:
    return new_directory(kind, engines)


def new_directory(kind: str, engines: Callable[[str], Engine]) -> Directory:
    """Returns an empty directory. Directories on one database share its tables."""
    if kind == "memory":
        return _memory()
    engine = engines(kind)
    _empty(engine)
    return Directory.of_engine(kind, engine)


def _empty(engine: Engine) -> None:
    tables = ["memberships", "groups", "users", "answers", "answer_totals", "events"]
    tables += ["emailed_links", "outbox", "counters", "revocations"]
    with engine.connect() as connection:
        for table in tables:
            connection.exec_driver_sql(f"DELETE FROM {table}")


@pytest.fixture
def new_related(engines: Callable[[str], Engine], kind: str) -> Callable[..., RelatedDirectory]:
    """Creates an empty directory of users and groups on each store."""

    def create(reactions: Reactions = NO_REACTIONS) -> RelatedDirectory:
        if kind == "memory":
            return RelatedDirectory(kind, None, reactions)
        engine = engines(kind)
        _empty(engine)
        return RelatedDirectory(kind, engine, reactions)

    return create


@pytest.fixture
def related(new_related: Callable[[], RelatedDirectory]) -> RelatedDirectory:
    """An empty directory of users and groups on each store."""
    return new_related()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every store. A test or module that runs only on some of them parametrizes this name."""
    return str(request.param)


@pytest.fixture
def directory_of() -> Iterator[Callable[[Engine], Directory]]:
    """Builds a directory on an engine of the test, and disposes the engine at the end."""
    engines: list[Engine] = []

    def build(engine: Engine) -> Directory:
        engines.append(engine)
        return Directory.of_engine("custom", engine)

    yield build
    for engine in engines:
        engine.dispose()
