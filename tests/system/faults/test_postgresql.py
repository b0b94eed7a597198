"""Failures of PostgreSQL under load."""

from collections.abc import Callable
from contextlib import ExitStack, closing

import psycopg2
import pytest
from faults.accounts import Outcome
from faults.load import Load
from faults.postgres import Postgres
from faults.service import Service
from waiting import until

Serve = Callable[..., Service]
Hold = Callable[..., object]

RESERVED = 3  # for superusers
OF_ROSTER = "FROM pg_stat_activity WHERE usename = 'roster' AND application_name"


@pytest.fixture
def service(serve: Serve, postgres: Postgres) -> Service:
    return serve(postgres.url)


def test_a_killed_postgresql_has_all_acknowledged_changes(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        postgres.kill()
        load.until_refused(5)
        postgres.start()
        load.recovered()
    hold("PostgreSQL killed (kill -9)", load, stale=service.connections)


@pytest.mark.long
def test_a_frozen_postgresql_delays_requests_until_the_deadline(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        with postgres.frozen():
            load.until_refused(5)  # each takes the deadline: ten seconds in all
        load.recovered()
    hold("PostgreSQL frozen (SIGSTOP) for 10 s", load, stale=service.connections)


@pytest.mark.long
def test_a_restart_fails_at_most_one_request_for_each_connection(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        postgres.restart()
        load.recovered()
    hold("PostgreSQL restarted", load, stale=service.connections)


@pytest.mark.long
def test_a_restart_without_requests_fails_no_later_request(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load, load.quiet():
        postgres.restart()
        load.recovered()
    hold("PostgreSQL restarted, no requests", load, stale=0)


@pytest.mark.long
def test_the_service_recovers_after_a_database_refused_connections(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        postgres.execute("ALTER DATABASE roster ALLOW_CONNECTIONS false")
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'roster'"
        )
        load.until_refused(5)
        postgres.execute("ALTER DATABASE roster ALLOW_CONNECTIONS true")
        load.recovered()
    hold("PostgreSQL refusing connections", load, stale=service.connections)


@pytest.mark.long
def test_the_service_recovers_after_a_server_had_no_free_connections(
    new_postgres: Callable[..., Postgres], serve: Serve, hold: Hold
) -> None:
    postgres = new_postgres(max_connections=14)
    postgres.create()
    service = serve(postgres.url)
    with Load(service) as load:
        with ExitStack() as others:
            until(lambda: len(add_connection(postgres, others)) == 14 - RESERVED)
            load.until_refused(5)
        load.recovered()
    hold("PostgreSQL out of connections", load, stale=service.connections)


def add_connection(postgres: Postgres, others: ExitStack) -> list[tuple[object, ...]]:
    """Opens another connection, and returns all of them. Ends those of the service if needed."""
    try:
        others.enter_context(closing(psycopg2.connect(f"{postgres.url}&application_name=other")))
    except psycopg2.OperationalError:
        postgres.execute(f"SELECT pg_terminate_backend(pid) {OF_ROSTER} <> 'other'")
    return postgres.execute(f"SELECT pid {OF_ROSTER} = 'other'")


@pytest.mark.long
def test_a_read_only_server_can_still_be_read(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        postgres.set("default_transaction_read_only", "on")
        load.until_received("writes_refused", 30)
        postgres.set("default_transaction_read_only", "off")
        load.recovered()
    hold("PostgreSQL read-only (25006)", load, stale=service.connections)
    reads = {each.outcome for each in load.replies() if each.summary.startswith("GET")}
    assert reads == {Outcome.DONE}


@pytest.mark.long
def test_a_lock_delays_requests_until_the_deadline(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        with closing(psycopg2.connect(postgres.url)) as other, other.cursor() as cursor:
            cursor.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            load.until_refused(2)
        load.recovered()
    hold("a lock on the table held for 4 s", load, stale=service.connections)
