"""The composition root: creates and connects all components.

Only this module uses dependency-injector.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Any

from dependency_injector import containers, providers

from adapters.jsonapi.cursors import Cursors
from adapters.memory.accounts import MemoryAccountReader
from adapters.memory.audit import MemoryEventReader
from adapters.memory.links import MemoryLinkReader
from adapters.memory.repository import MemoryReader
from adapters.memory.secrets import MemorySecrets
from adapters.memory.store import MemoryStore
from adapters.sql.account_reader import SqlAccountReader
from adapters.sql.audit import SqlEventReader
from adapters.sql.connection_pool import DeadlinePool
from adapters.sql.engine import make_engine
from adapters.sql.links import SqlLinkReader
from adapters.sql.reads import Reads, reads_from
from adapters.sql.repository import SqlCsvExporter, SqlReader
from adapters.sql.secrets import SqlSecrets
from adapters.sql.store import SqlStore
from application.access import Policy, ScopePolicy
from application.deadlines import deadline
from application.keys import Keys
from application.ports import (
    AccountReader,
    Clock,
    LinkReader,
    Reader,
    Secrets,
    Unavailable,
    UnitRunner,
)
from application.units import retrying
from entrypoints.resources import (
    RESOURCES,
    make_reactions,
    make_relationships,
    make_tables,
)
from entrypoints.settings import Settings
from entrypoints.use_cases import (
    RelationshipServices,
    Resources,
    Services,
    make_relationship_services,
    make_services,
)

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import Engine

    from adapters.sql.replicas.reads import Replication
    from entrypoints.accounts import AccountServices


def utc_now() -> datetime:
    """The current time in milliseconds, the precision of every store."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


_LOG_KEY_SECONDS = 2.0
CURSOR_SECRET = "cursors"
"""The name of the stored secret that replaces ROSTER_CURSOR_SECRET if it is not set."""


def make_keys(cursor_secret: str | None, secrets: Secrets) -> Keys:
    """Creates the keys from ROSTER_CURSOR_SECRET, or from a stored secret if it is not set."""
    if cursor_secret is None:
        return Keys(partial(secrets.get_or_create, CURSOR_SECRET))
    secret = cursor_secret.encode("utf-8", "surrogateescape")
    return Keys(lambda: secret)


def make_replication(
    settings: Settings, engine: "Engine", changes: Path | None
) -> "Replication | None":
    """Connects the replicas, if there are any. `changes` is the file that the workers share."""
    if settings.read_database_url is None:
        return None
    from adapters.sql.engine import make_replica_engines
    from adapters.sql.replicas.reads import LogPositions, ReplicaReads, Replication
    from adapters.sql.replicas.recent_changes import RecentChanges
    from adapters.sql.replicas.servers import Primary, Replica

    url = settings.read_database_url
    primary = Primary(make_engine(settings.database_url, pool_size=1))
    engines = make_replica_engines(url, pool_size=settings.pool_size)
    own_engines = make_replica_engines(url, pool_size=1)
    replicas = [Replica(name, engines[name], own_engines[name], primary) for name in engines]
    return Replication(
        ReplicaReads(reads_from(engine), primary, replicas), LogPositions(RecentChanges(changes))
    )


def make_reads(engine: "Engine", replication: "Replication | None") -> Reads:
    """Creates the reads of resources, from the replicas if there are any."""
    return replication.reads if replication else reads_from(engine)


def make_sql_store(
    engine: "Engine",
    clock: Clock,
    resources: Resources,
    idempotency_bytes: int,
    replication: "Replication | None" = None,
) -> SqlStore:
    """Creates the store with the tables of the resources."""
    return SqlStore(
        engine,
        clock,
        make_tables(resources),
        idempotency_bytes,
        reactions=make_reactions(resources),
        positions=replication.positions if replication else None,
    )


def make_memory_store(clock: Clock, idempotency_bytes: int, resources: Resources) -> MemoryStore:
    """Creates the store with the relationships of the resources."""
    relationships = make_relationships(resources)
    return MemoryStore(clock, idempotency_bytes, relationships, reactions=make_reactions(resources))


def make_memory_readers(resources: Resources, store: MemoryStore) -> list[Reader[Any]]:
    """Creates the readers of the resources, in their order."""
    return [MemoryReader(each.type, store) for each in resources]


def make_sql_readers(resources: Resources, reads: Reads) -> list[Reader[Any]]:
    """Creates the readers of the resources, in their order."""
    tables = make_tables(resources)
    return [SqlReader(each.table, reads, tables.searches(each.type)) for each in resources]


def make_sql_link_reader(resources: Resources, reads: Reads) -> LinkReader:
    """Creates the reader of the pairs."""
    return SqlLinkReader(make_tables(resources), reads)


def make_sql_exporters(resources: Resources, engine: "Engine") -> list[SqlCsvExporter]:
    """Creates the exporters of the resources, in their order."""
    return [SqlCsvExporter(each.table, engine) for each in resources]


def make_app(
    settings: Settings,
    run: UnitRunner,
    services: Services,
    relationships: RelationshipServices,
    cursors: Cursors,
    store: MemoryStore | SqlStore,
    pool: DeadlinePool | None,
    log_key: bytes,
    accounts: "AccountServices | None",
    replication: "Replication | None" = None,
) -> "Flask":
    """Creates the web application. Imports it here, because the command line does not need it."""
    from entrypoints.web import make_app

    return make_app(
        settings,
        run,
        services.values(),
        relationships,
        cursors,
        store.ready,
        pool,
        log_key,
        accounts,
        replication,
    )


def make_accounts(
    settings: Settings,
    resources: Resources,
    readers: Sequence[Reader[Any]],
    run: UnitRunner,
    reader: AccountReader,
    relationships: RelationshipServices,
    clock: Clock,
    policy: Policy,
) -> "AccountServices | None":
    """Creates the use cases of accounts, if they are enabled. Raises BadSetting.

    The file of signing keys may be unusable now. Otherwise a worker that is replaced meanwhile
    would end the service.
    """
    if not settings.accounts:
        return None
    from entrypoints.accounts import make_account_services
    from entrypoints.signing_keys import open_signing_keys

    return make_account_services(
        settings,
        resources,
        readers,
        run,
        reader,
        relationships.relationships,
        open_signing_keys(settings, may_be_unusable=True),
        clock,
        policy,
    )


def make_log_key(settings: Settings, keys: Keys) -> bytes:
    """Creates the key of the hashes that replace principals in the log.

    All processes of a service have the same key. If a process cannot read the secret when it
    starts, it uses a random key. An open service has no principals.
    """
    if settings.is_open:
        return token_bytes(32)
    try:
        with deadline(_LOG_KEY_SECONDS):
            return keys.derive("log")
    except Unavailable:
        return token_bytes(32)


class Container(containers.DeclarativeContainer):
    """One instance of each component.

    Resolve `app` before threads start: providers.Singleton is not thread-safe.
    """

    settings = providers.Dependency(instance_of=Settings)
    clock = providers.Object(utc_now)
    policy = providers.Singleton(ScopePolicy)
    exclusive = providers.Object(False)
    engine = providers.Singleton(
        make_engine,
        settings.provided.database_url,
        pool_size=settings.provided.pool_size,
        exclusive=exclusive,
    )
    resources = providers.Object(RESOURCES)
    changes_file: providers.Object[Path | None] = providers.Object(None)
    replication = providers.Selector(
        settings.provided.reads,
        primary=providers.Object(None),
        replicas=providers.Singleton(make_replication, settings, engine, changes_file),
    )
    reads = providers.Singleton(make_reads, engine, replication)
    store = providers.Selector(
        settings.provided.store,
        memory=(
            memory_store := providers.Singleton(
                make_memory_store, clock, settings.provided.idempotency_bytes, resources
            )
        ),
        sql=providers.Singleton(
            make_sql_store,
            engine,
            clock,
            resources,
            settings.provided.idempotency_bytes,
            replication,
        ),
    )
    readers = providers.Selector(
        settings.provided.store,
        memory=providers.Singleton(make_memory_readers, resources, memory_store),
        sql=providers.Singleton(make_sql_readers, resources, reads),
    )
    link_reader = providers.Selector(
        settings.provided.store,
        memory=providers.Singleton(MemoryLinkReader, memory_store),
        sql=providers.Singleton(make_sql_link_reader, resources, reads),
    )
    event_reader = providers.Selector(
        settings.provided.store,
        memory=providers.Singleton(MemoryEventReader, memory_store),
        sql=providers.Singleton(SqlEventReader, engine, reads),
    )
    account_reader = providers.Selector(
        settings.provided.store,
        memory=providers.Singleton(MemoryAccountReader, memory_store),
        sql=providers.Singleton(SqlAccountReader, engine),
    )
    exporters = providers.Selector(
        settings.provided.store,
        memory=providers.Object(None),
        sql=providers.Singleton(make_sql_exporters, resources, engine),
    )
    run = providers.Singleton(retrying, store.provided.begin)
    services = providers.Singleton(
        make_services, resources, readers, event_reader, store.provided.begin, policy, exporters
    )
    relationship_services = providers.Singleton(
        make_relationship_services, resources, readers, link_reader, store.provided.begin, policy
    )
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
    accounts = providers.Singleton(
        make_accounts,
        settings,
        resources,
        readers,
        run,
        account_reader,
        relationship_services,
        clock,
        policy,
    )
    app = providers.Singleton(
        make_app,
        settings,
        run,
        services,
        relationship_services,
        cursors,
        store,
        pool,
        log_key,
        accounts,
        replication,
    )
