"""The stores that the contract binds. Each test gets one of them, empty."""

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
from application.units import retrying
from application.users import USER_TYPE
from domain.users import NewUser, User

SQL = ("sqlite", "postgresql_18", "postgresql_15", "mariadb")
START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NOBODY = Context()


class TickingClock:
    """Each look at it is a millisecond later."""

    def __init__(self) -> None:
        self._ticks = count()

    def __call__(self) -> datetime:
        return START + timedelta(milliseconds=next(self._ticks))


@dataclass(frozen=True)
class Directory:
    """A store with its ways in, and shorthands for tests."""

    name: str
    begin: Begin
    reader: Reader
    events: EventReader
    ready: Callable[[], None]
    engine: Engine | None = None
    commands: Commands = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "commands", Commands(USER_TYPE, retrying(self.begin)))

    def add(self, email: str, name: str = "Ann", **more: object) -> User:
        return self.commands.create(NewUser(email=email, name=name, **more), NOBODY)

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
    made: dict[str, Engine] = {}

    def engine_of(kind: str) -> Engine:
        if kind not in made:
            made[kind] = make_engine(_url(request, kind, tmp_path_factory), pool_size=8)
            schema.upgrade(made[kind])
        return made[kind]

    yield engine_of
    for engine in made.values():
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
    """Every store; a test or module that is about some of them parametrizes it."""
    return str(request.param)


@pytest.fixture
def directory_of() -> Iterator[Callable[[Engine], Directory]]:
    """Makes a directory out of a test's own engine, which is closed at the end."""
    engines: list[Engine] = []

    def made(engine: Engine) -> Directory:
        engines.append(engine)
        return Directory.of_engine("of its own", engine)

    yield made
    for engine in engines:
        engine.dispose()
