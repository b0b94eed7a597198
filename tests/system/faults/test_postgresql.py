"""PostgreSQL fails under load, in every way that it has."""

from collections.abc import Callable
from contextlib import ExitStack, closing

import psycopg2
import pytest
from faults.accounts import Outcome
from faults.load import Load
from faults.postgres import Postgres
from faults.service import Service
from faults.waiting import until

Serve = Callable[..., Service]
Hold = Callable[..., object]

RESERVED = 3  # for superusers
OF_ROSTER = "FROM pg_stat_activity WHERE usename = 'roster' AND application_name"


@pytest.fixture
def service(serve: Serve, postgres: Postgres) -> Service:
    return serve(postgres.url)


def test_a_killed_postgresql_has_all_that_was_acknowledged(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        postgres.kill()
        load.until_refused(5)
        postgres.start()
        load.mended()
    hold("PostgreSQL killed (kill -9)", load, stale=service.connections)


@pytest.mark.long
def test_a_frozen_postgresql_is_waited_for_no_longer_than_the_deadline(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        with postgres.frozen():
            load.until_refused(5)  # each takes the deadline: ten seconds in all
        load.mended()
    hold("PostgreSQL frozen (SIGSTOP) for 10 s", load, stale=service.connections)


@pytest.mark.long
def test_a_restart_costs_each_connection_no_more_than_one_answer(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        postgres.restart()
        load.mended()
    hold("PostgreSQL restarted", load, stale=service.connections)


@pytest.mark.long
def test_a_restart_while_nobody_asks_costs_no_answer(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load, load.quiet():
        postgres.restart()
        load.mended()
    hold("PostgreSQL restarted, no requests", load, stale=0)


@pytest.mark.long
def test_a_database_that_takes_no_connections_is_asked_again(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        postgres.execute("ALTER DATABASE roster ALLOW_CONNECTIONS false")
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'roster'"
        )
        load.until_refused(5)
        postgres.execute("ALTER DATABASE roster ALLOW_CONNECTIONS true")
        load.mended()
    hold("PostgreSQL refusing connections", load, stale=service.connections)


@pytest.mark.long
def test_a_server_out_of_connections_is_asked_again(
    new_postgres: Callable[..., Postgres], serve: Serve, hold: Hold
) -> None:
    postgres = new_postgres(max_connections=14)
    postgres.create()
    service = serve(postgres.url)
    with Load(service) as load:
        with ExitStack() as others:
            until(lambda: len(taken(postgres, others)) == 14 - RESERVED)
            load.until_refused(5)
        load.mended()
    hold("PostgreSQL out of connections", load, stale=service.connections)


def taken(postgres: Postgres, others: ExitStack) -> list[tuple[object, ...]]:
    """The connections of others, now one more, for which the service loses its own if need be."""
    try:
        others.enter_context(closing(psycopg2.connect(f"{postgres.url}&application_name=other")))
    except psycopg2.OperationalError:
        postgres.execute(f"SELECT pg_terminate_backend(pid) {OF_ROSTER} <> 'other'")
    return postgres.execute(f"SELECT pid {OF_ROSTER} = 'other'")


@pytest.mark.long
def test_a_server_that_only_lets_itself_be_read_is_still_read(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        postgres.set("default_transaction_read_only", "on")
        load.until_told("writes_refused", 30)
        postgres.set("default_transaction_read_only", "off")
        load.mended()
    hold("PostgreSQL read-only (25006)", load, stale=service.connections)
    reads = {each.outcome for each in load.answers() if each.told.startswith("GET")}
    assert reads == {Outcome.DONE}


@pytest.mark.long
def test_a_lock_that_is_held_too_long_is_waited_for_no_longer_than_the_deadline(
    postgres: Postgres, service: Service, hold: Hold
) -> None:
    with Load(service) as load:
        with closing(psycopg2.connect(postgres.url)) as other, other.cursor() as cursor:
            cursor.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            load.until_refused(2)
        load.mended()
    hold("a lock on the table held for 4 s", load, stale=service.connections)
