"""The composition root: what is built out of what. Nothing else knows dependency-injector."""

from datetime import UTC, datetime
from functools import partial
from secrets import token_bytes
from typing import TYPE_CHECKING

from dependency_injector import containers, providers

from adapters.jsonapi.cursors import Cursors
from adapters.memory.audit import MemoryEventReader
from adapters.memory.secrets import MemorySecrets
from adapters.memory.store import MemoryStore
from adapters.memory.users import MemoryUserReader
from adapters.sql.audit import SqlEventReader
from adapters.sql.engine import DeadlinePool, make_engine
from adapters.sql.secrets import SqlSecrets
from adapters.sql.store import SqlStore
from adapters.sql.users import SqlUserCopies, SqlUserReader
from application.audit import History
from application.deadlines import deadline
from application.keys import Keys
from application.ports import Secrets, Unavailable, UnitRunner, UserReader
from application.units import retrying
from application.user_import import UserImport
from application.users import AUDITED_USERS, UserCommands
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from flask import Flask


def utc_now() -> datetime:
    """The time, cut to the whole milliseconds that every store keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


_LOG_KEY_SECONDS = 2.0
CURSOR_SECRET = "cursors"
"""The name of the stored secret that stands in for ROSTER_CURSOR_SECRET."""


def make_keys(cursor_secret: str | None, secrets: Secrets) -> Keys:
    """Make the keys out of ROSTER_CURSOR_SECRET, or of a stored secret if it is not set."""
    if cursor_secret is None:
        return Keys(partial(secrets.get_or_create, CURSOR_SECRET))
    secret = cursor_secret.encode("utf-8", "surrogateescape")
    return Keys(lambda: secret)


def make_app(
    settings: Settings,
    run: UnitRunner,
    reader: UserReader,
    user_history: History,
    cursors: Cursors,
    store: MemoryStore | SqlStore,
    pool: DeadlinePool | None,
    log_key: bytes,
) -> "Flask":
    """The web application. The command line does without, and without its import."""
    from entrypoints.web import make_app

    return make_app(settings, run, reader, user_history, cursors, store.ready, pool, log_key)


def make_log_key(settings: Settings, keys: Keys) -> bytes:
    """The key of the hashes that stand for principals in the log.

    All processes of a service have the same key. A process that cannot read the secret when it
    starts has one of its own. An open service has no principals.
    """
    if settings.is_open:
        return token_bytes(32)
    try:
        with deadline(_LOG_KEY_SECONDS):
            return keys.derive("log")
    except Unavailable:
        return token_bytes(32)


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
    user_history = providers.Singleton(
        History, AUDITED_USERS, event_reader, user_reader.provided.get
    )
    user_copies = providers.Selector(
        settings.provided.store,
        memory=providers.Object(None),
        sql=providers.Singleton(SqlUserCopies, engine),
    )
    run = providers.Singleton(retrying, store.provided.begin)
    user_commands = providers.Singleton(UserCommands, run)
    user_import = providers.Singleton(UserImport, store.provided.begin)
    secrets = providers.Selector(
        settings.provided.store,
        memory=providers.Singleton(MemorySecrets),
        sql=providers.Singleton(SqlSecrets, engine, clock),
    )
    keys = providers.Singleton(make_keys, settings.provided.cursor_secret, secrets)
    cursors = providers.Singleton(Cursors, keys)
    pool = providers.Selector(
        settings.provided.store, memory=providers.Object(None), sql=engine.provided.pool
    )
    log_key = providers.Singleton(make_log_key, settings, keys)
    app = providers.Singleton(
        make_app, settings, run, user_reader, user_history, cursors, store, pool, log_key
    )
