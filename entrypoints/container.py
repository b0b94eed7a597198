"""The composition root: what is built out of what. Nothing else knows dependency-injector."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dependency_injector import containers, providers

from adapters.jsonapi.cursors import Cursors
from adapters.memory.events import MemoryEventReader
from adapters.memory.store import MemoryStore
from adapters.memory.users import MemoryUserReader
from adapters.sql.engine import DeadlinePool, make_engine
from adapters.sql.events import SqlEventReader
from adapters.sql.store import SqlStore
from adapters.sql.users import SqlUserCopies, SqlUserReader
from application.ports import Run, UserReader
from application.trail import History
from application.units import repeating
from application.users import RECORDED, UserCommands
from application.users_io import UserImport
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from flask import Flask


def utc_now() -> datetime:
    """The time, cut to the whole milliseconds that every store keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def make_app(
    settings: Settings,
    run: Run,
    reader: UserReader,
    user_history: History,
    cursors: Cursors,
    store: MemoryStore | SqlStore,
    pool: DeadlinePool | None,
) -> "Flask":
    """The web application. The command line does without, and without its import."""
    from entrypoints.web import make_app

    return make_app(settings, run, reader, user_history, cursors, store.ready, pool)


class Container(containers.DeclarativeContainer):
    """Everything once. Resolve `app` before threads start: a Singleton isn't safe among them."""

    settings = providers.Dependency(instance_of=Settings)
    clock = providers.Object(utc_now)
    alone = providers.Object(False)
    engine = providers.Singleton(
        make_engine,
        settings.provided.database_url,
        pool_size=settings.provided.pool_size,
        alone=alone,
    )
    store = providers.Selector(
        settings.provided.store,
        memory=(
            memory_store := providers.Singleton(
                MemoryStore, clock, settings.provided.idempotency_bytes
            )
        ),
        sql=providers.Singleton(SqlStore, engine, clock, settings.provided.idempotency_bytes),
    )
    user_reader = providers.Selector(
        settings.provided.store,
        memory=providers.Singleton(MemoryUserReader, memory_store),
        sql=providers.Singleton(SqlUserReader, engine),
    )
    event_reader = providers.Selector(
        settings.provided.store,
        memory=providers.Singleton(MemoryEventReader, memory_store),
        sql=providers.Singleton(SqlEventReader, engine),
    )
    user_history = providers.Singleton(History, RECORDED, event_reader, user_reader.provided.get)
    user_copies = providers.Selector(
        settings.provided.store,
        memory=providers.Object(None),
        sql=providers.Singleton(SqlUserCopies, engine),
    )
    run = providers.Singleton(repeating, store.provided.begin)
    user_commands = providers.Singleton(UserCommands, run)
    user_import = providers.Singleton(UserImport, store.provided.begin)
    cursors = providers.Singleton(Cursors, settings.provided.cursor_secret)
    pool = providers.Selector(
        settings.provided.store, memory=providers.Object(None), sql=engine.provided.pool
    )
    app = providers.Singleton(
        make_app, settings, run, user_reader, user_history, cursors, store, pool
    )
