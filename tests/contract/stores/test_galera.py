"""The support for MariaDB Galera, as far as a single server shows it.

tests/system/galera has the tests on a cluster.
"""

import pytest
from contract.stores.directories import Directory
from contract.stores.test_audit import feed
from sqlalchemy import event

from adapters.sql.dialects import mariadb as dialect
from adapters.sql.engine import make_engine
from adapters.sql.transactions import core_connection

OF_GALERA = "SELECT @@wsrep_on, @@wsrep_sync_wait, @@wsrep_trx_fragment_size"
EVENTS = 600


def test_a_single_server_gets_no_setting_of_galera(mariadb_url: str) -> None:
    engine = make_engine(mariadb_url)
    with core_connection(engine) as connection:
        assert tuple(connection.exec_driver_sql(OF_GALERA).one()) == (0, 0, 0)
    engine.dispose()


def test_a_connection_takes_few_round_trips(mariadb_url: str) -> None:
    """Not the first of an engine, with which SQLAlchemy examines the server.

    A connection sets the character set, the isolation level, autocommit and the variables, and
    queries the version.
    """
    engine = make_engine(mariadb_url)
    with core_connection(engine), core_connection(engine) as connection:
        (_, count) = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Questions'").one()
    engine.dispose()
    assert int(count) == 6  # with the last query


def test_connects_to_a_server_that_was_built_without_galera(
    mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "_DESCRIBE_SERVER", "SELECT VERSION(), @@no_such_variable")
    engine = make_engine(mariadb_url)
    with core_connection(engine) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize("kind", ["mariadb"])
def test_each_table_has_a_primary_key(directory: Directory) -> None:
    """Galera can't delete rows of other tables."""
    without = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
        " AND table_name NOT IN (SELECT table_name FROM information_schema.table_constraints"
        " WHERE table_schema = DATABASE() AND constraint_type = 'PRIMARY KEY')"
    )
    with core_connection(directory.engine) as connection:
        assert connection.exec_driver_sql(without).all() == []


@pytest.mark.parametrize("kind", ["mariadb"])
def test_assigns_positions_to_ids_with_gaps_in_few_statements(directory: Directory) -> None:
    """Each of three nodes uses every third id."""
    statements: list[str] = []
    with core_connection(directory.engine) as connection:
        last = connection.exec_driver_sql("SELECT last FROM event_positions").scalar_one()
        rows = ", ".join(
            f"({10**9 + 3 * number + number % 2}, '2026-11-22', 'test', 'users', {number}, '{{}}')"
            for number in range(EVENTS)
        )
        connection.exec_driver_sql(
            "INSERT INTO events (id, time, action, subject_type, subject_id, changes)"
            f" VALUES {rows}"
        )

    def record(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(directory.engine, "before_cursor_execute", record)
    try:
        directory.events.read_from(last, size=10 * EVENTS)
    finally:
        event.remove(directory.engine, "before_cursor_execute", record)
    read = feed(directory)
    assert [position - last for position, _ in read] == [*range(1, EVENTS + 1)]
    assert [each.subject_id for _, each in read] == [*range(EVENTS)]
    assert len(statements) < 10
