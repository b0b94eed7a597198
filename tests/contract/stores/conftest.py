"""The stores that must fulfil the contract. Each test gets one of them, empty."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from adapters.memory.audit import MemoryEventReader
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from adapters.sql import schema
from adapters.sql.audit import SqlEventReader
from adapters.sql.engine import make_engine
from adapters.sql.repository import SqlReader
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.audit import EventReader
from application.commands import Commands
from application.ports import Begin, Context, Reader
from application.search import Search, Slice, Test
from application.units import retrying
from application.users import USER_TYPE
from domain.users import NewUser, User

SQL = ("sqlite", "postgresql_18", "postgresql_15", "mariadb")
START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ANONYMOUS = Context()


class TickingClock:
    """A clock that advances by a millisecond on each call."""

    def __init__(self) -> None:
        self._ticks = count()

    def __call__(self) -> datetime:
        return START + timedelta(milliseconds=next(self._ticks))


@dataclass(frozen=True)
class Directory:
    """A store with its ports, and helpers for tests."""

    name: str
    begin: Begin
    reader: Reader
    events: EventReader
    ready: Callable[[], None]
    engine: Engine | None = None
    commands: Commands = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "commands", Commands(USER_TYPE, retrying(self.begin)))

    def add(self, email: str, name: str = "Ann", **attributes: object) -> User:
        """Creates a user."""
        new = NewUser(email=email, name=name, **attributes)
        return self.commands.create(new, ANONYMOUS)

    def find(self, *conditions: Test) -> list[User]:
        """The users who meet the conditions, by id."""
        return list(self.reader.page(Search(conditions, place=Slice(5000))).items)

    def emails(self) -> list[str]:
        return [user.email for user in self.find()]

    @classmethod
    def of_engine(cls, name: str, engine: Engine) -> "Directory":
        store = SqlStore(engine, TickingClock(), [USERS_TABLE])
        return cls(
            name,
            store.begin,
            SqlReader(USERS_TABLE, engine),
            SqlEventReader(engine),
            store.ready,
            engine,
        )


def _memory() -> Directory:
    store = MemoryStore(TickingClock())
    return Directory(
        "memory", store.begin, MemoryReader(USER_TYPE, store), MemoryEventReader(store), store.ready
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
def directory(
    request: pytest.FixtureRequest, engines: Callable[[str], Engine], kind: str
) -> Directory:
    if kind == "memory":
        return _memory()
    engine = engines(kind)
    with engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM users")
        connection.exec_driver_sql("DELETE FROM answers")
        connection.exec_driver_sql("DELETE FROM answer_totals")
        connection.exec_driver_sql("DELETE FROM events")
    return Directory.of_engine(kind, engine)


@pytest.fixture(params=["memory", *SQL])
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
