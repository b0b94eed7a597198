"""A pooler between the service and its database, and the failover to a standby."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pytest
from faults.accounts import Account
from faults.load import Load
from faults.postgres import PGBOUNCER, POOLED, PgBouncer, Postgres
from faults.service import Service
from waiting import until

Serve = Callable[..., Service]
Hold = Callable[..., Account]

pytestmark = pytest.mark.long


@pytest.fixture
def pgbouncer(postgres: Postgres, lacking: Callable[[str], None]) -> Iterator[PgBouncer]:
    if not PGBOUNCER.exists():
        lacking("PgBouncer (Debian's pgbouncer)")
    with TemporaryDirectory(prefix="roster-pgbouncer-") as directory:
        pooler = PgBouncer(Path(directory), postgres)
        pooler.start()
        yield pooler
        pooler.kill()


@pytest.fixture
def standby(postgres: Postgres, new_postgres: Callable[..., Postgres]) -> Postgres:
    """A synchronous standby."""
    server = new_postgres()
    server.copy(postgres)
    postgres.set("synchronous_standby_names", "'*'")
    state = "SELECT sync_state FROM pg_stat_replication"
    until(lambda: postgres.execute(state) == [("sync",)])
    return server


@pytest.fixture
def service_of_both(postgres: Postgres, standby: Postgres, serve: Serve) -> Service:
    hosts = f"host={postgres.directory}&host={standby.directory}"
    return serve(f"postgresql://roster@/roster?{hosts}&target_session_attrs=read-write")


def test_the_service_recovers_after_restarts_of_the_pooler(
    pgbouncer: PgBouncer, serve: Serve, hold: Hold
) -> None:
    service = serve(pgbouncer.url)
    with Load(service) as load:
        for _ in range(3):
            load.until_acknowledged(50)
            pgbouncer.kill()
            pgbouncer.start()
        load.recovered()
    hold("PgBouncer killed and restarted, 3 times", load, stale=service.connections)


def test_the_service_recovers_after_a_restart_of_postgresql_behind_a_pooler(
    pgbouncer: PgBouncer, postgres: Postgres, serve: Serve, hold: Hold
) -> None:
    service = serve(pgbouncer.url)
    with Load(service) as load:
        postgres.restart()
        until(pgbouncer.is_up)
        load.recovered()
    hold("PostgreSQL restarted behind PgBouncer", load, stale=service.connections)


LEFT_BEHIND = """
    SELECT name FROM pg_settings WHERE source = 'session' AND name NOT IN (
        'application_name', 'client_encoding', 'DateStyle', 'IntervalStyle', 'search_path',
        'standard_conforming_strings', 'TimeZone'  -- set by the pooler
    )
    UNION ALL SELECT statement FROM pg_prepared_statements
    UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory'
    UNION ALL SELECT relname FROM pg_class WHERE relpersistence = 't'
"""


def test_the_service_leaves_no_state_in_the_sessions_of_a_pooler(
    pgbouncer: PgBouncer, serve: Serve
) -> None:
    service = serve(pgbouncer.url)
    pgbouncer.kill()  # ends the sessions of the upgrade, which does not use a pooler
    pgbouncer.start()
    with Load(service) as load:
        load.recovered()
    with ExitStack() as held:  # one transaction in each session at the same time
        sessions = [
            held.enter_context(closing(psycopg2.connect(pgbouncer.url))) for _ in range(POOLED)
        ]
        cursors = [held.enter_context(session.cursor()) for session in sessions]
        for cursor in cursors:
            cursor.execute(LEFT_BEHIND)
        assert [cursor.fetchall() for cursor in cursors] == [[]] * POOLED
        cursors[0].execute("SET statement_timeout = 60000; PREPARE p AS SELECT 1")
        cursors[0].execute("SELECT pg_advisory_lock(1)")
        cursors[0].execute(LEFT_BEHIND)
        assert len(cursors[0].fetchall()) == 3, "the query does not find state"


def test_a_standby_takes_over_from_a_killed_primary(
    postgres: Postgres, standby: Postgres, service_of_both: Service, hold: Hold
) -> None:
    with Load(service_of_both) as load:
        postgres.kill()
        load.until_refused(2)
        standby.execute("SELECT pg_promote()")
        load.recovered()
    hold("a killed primary's standby promoted", load, stale=service_of_both.connections)


def test_a_standby_takes_over_from_a_frozen_primary(
    postgres: Postgres, standby: Postgres, service_of_both: Service, hold: Hold
) -> None:
    with ExitStack() as thawed:
        with Load(service_of_both) as load:
            thawed.enter_context(postgres.frozen())
            load.until_refused(2)
            standby.execute("SELECT pg_promote()")
            load.recovered()
        hold("a frozen primary's standby promoted", load, stale=service_of_both.connections)
        postgres.kill()  # otherwise it would become a second primary


def test_each_connection_to_a_lost_primary_fails_at_most_one_request(
    postgres: Postgres, standby: Postgres, service_of_both: Service, hold: Hold
) -> None:
    with ExitStack() as thawed:
        with (
            Load(service_of_both) as load,
            load.quiet(),
        ):  # nothing is noticed
            thawed.enter_context(postgres.frozen())
            standby.execute("SELECT pg_promote()")
            load.recovered()
        account = hold(
            "a frozen primary's standby promoted, no requests",
            load,
            stale=service_of_both.connections,
        )
        postgres.kill()
    assert account.failed_after_the_fault > 0, "the connections were not stale"
