"""Runs migrations, one run at a time: in one transaction, where the database can do that."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from time import sleep

from alembic import context
from sqlalchemy import Connection, Engine

from adapters.sql.metadata import METADATA

_ROSTER = 0x526F73746572  # "Roster" in ASCII: the key of the lock that migrations hold
_EVER = 10**9  # seconds
_BETWEEN_TRIES = 0.1


def run(engine: Engine) -> None:
    turn = _turn(engine) if engine.dialect.name == "postgresql" else nullcontext()
    with turn, engine.connect() as connection:
        connection.detach()  # so that what is set for its session ends with it
        send(connection, _BEGIN)
        try:
            _migrate(connection)
        except BaseException:
            send(connection, _ROLLBACK)
            raise
        send(connection, _COMMIT)


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """Hold the lock by a transaction of its own, for a revision may have to end the other one.

    To build an index while others write, PostgreSQL wants to be in none. It then waits for every
    statement that has begun before, so that none may wait for the lock: it is asked for in turns.
    """
    with engine.connect() as connection:
        for statement in _PATIENT:
            connection.exec_driver_sql(statement)
        try:
            while not connection.exec_driver_sql(_TRY).scalar_one():
                sleep(_BETWEEN_TRIES)
            yield
        finally:
            connection.exec_driver_sql("ROLLBACK")


def send(connection: Connection, statements: dict[str, tuple[str, ...]]) -> None:
    for statement in statements[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=False)
    context.run_migrations()


# The lock is taken before Alembic looks where the database stands, and ends with the transaction.
# MariaDB has none for this: there each statement stands at once, and the lock is let go by name.
_LOCK = "SELECT {}_LOCK(CONCAT('roster ', DATABASE()){})"
_RELEASE = (
    _LOCK.format("RELEASE", ""),
    "SET SESSION max_statement_time = DEFAULT, lock_wait_timeout = DEFAULT",
)
_TRY = f"SELECT pg_try_advisory_xact_lock({_ROSTER})"
_PATIENT = (
    "BEGIN",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)
_BEGIN = {
    "sqlite": ("BEGIN IMMEDIATE",),
    "postgresql": ("SET statement_timeout = 0", "SET lock_timeout = 0", "BEGIN"),
    "mariadb": (
        "SET SESSION max_statement_time = 0, lock_wait_timeout = 31536000",
        _LOCK.format("GET", f", {_EVER}"),
    ),
}
_ROLLBACK = {"sqlite": ("ROLLBACK",), "postgresql": ("ROLLBACK",), "mariadb": _RELEASE}
_COMMIT = {"sqlite": ("COMMIT",), "postgresql": ("COMMIT",), "mariadb": _RELEASE}

run(context.config.attributes["engine"])
