"""Runs migrations, one run at a time, and in one transaction if the database supports it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from sqlite3 import SQLITE_BUSY
from threading import Event, Thread
from time import monotonic, sleep

from alembic import context
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from adapters.sql import schema
from adapters.sql.metadata import METADATA

_ROSTER = 0x526F73746572  # "Roster" in ASCII: the key of the lock that a migration holds
_BETWEEN_TRIES = 0.1
_UNTIL_TOLD = 1.0
"""The number of seconds to wait for a lock before the first report."""
_BETWEEN_REPORTS = 10.0
_SECONDS_FOR_SQLITE = 30.0

Report = Callable[[str], None]


def run(engine: Engine, report: Report) -> None:
    turn = _turn(engine, report) if engine.dialect.name == "postgresql" else nullcontext()
    with turn, engine.connect() as connection:
        connection.detach()  # so that the settings of its session end with it
        with _reporting(report, _OTHERS, after=_UNTIL_TOLD):
            if engine.dialect.name == "sqlite":
                _until_begun(connection)
            send(connection, _BEGIN)
            if engine.dialect.name == "mariadb":
                _until_locked(connection, _TRY_SESSION)
        try:
            with _reporting(report, _WORKING, after=_BETWEEN_REPORTS):
                _migrate(connection)
        except BaseException:
            send(connection, _ROLLBACK)
            raise
        send(connection, _COMMIT)


@contextmanager
def _turn(engine: Engine, report: Report) -> Iterator[None]:
    """Hold the lock of migrations in a separate transaction, because revisions may end their own.

    PostgreSQL builds an index concurrently only outside a transaction. It then waits for every
    transaction with an older snapshot. So this transaction must not hold a snapshot while it waits
    for the lock. It polls at the level READ COMMITTED, which keeps no snapshot between statements.
    """
    with engine.connect() as connection:
        for statement in _PATIENT:
            connection.exec_driver_sql(statement)
        try:
            with _reporting(report, _OTHERS, after=_UNTIL_TOLD):
                _until_locked(connection, _TRY)
            yield
        finally:
            connection.exec_driver_sql("ROLLBACK")


def _until_locked(connection: Connection, attempt: str) -> None:
    while not connection.exec_driver_sql(attempt).scalar_one():
        sleep(_BETWEEN_TRIES)


def _until_begun(connection: Connection) -> None:
    """Begin to write. The attempts are short, so that Ctrl-C works. Raises the last error."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(1000 * _BETWEEN_TRIES)}")
    patience = monotonic() + _SECONDS_FOR_SQLITE
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            is_locked = getattr(error.orig, "sqlite_errorcode", 0) == SQLITE_BUSY
            if not is_locked or monotonic() > patience:
                raise
        else:
            return


@contextmanager
def _reporting(report: Report, line: str, *, after: float) -> Iterator[None]:
    """Report the line and the elapsed time, regularly, while the block takes long."""
    ended, began = Event(), monotonic()

    def tell() -> None:
        wait = after
        while not ended.wait(wait):
            report(f"{line}, for {monotonic() - began:.0f} s so far.")
            wait = _BETWEEN_REPORTS

    thread = Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def send(connection: Connection, statements: Mapping[str, tuple[str, ...]]) -> None:
    for statement in statements[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def _migrate(connection: Connection) -> None:
    context.config.attributes["check"](connection)
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        transactional_ddl=False,
        version_table=schema.VERSION_TABLE,
        on_version_apply=lambda heads, **_: schema.mirror(connection, heads),
    )
    migration = context.get_context()
    schema.adopt(connection, lambda revision: migration.stamp(context.script, revision))
    context.run_migrations()


_OTHERS = "Waiting for another migration or another process that uses the database"
_WORKING = "Migrating, or waiting for other transactions to end"

# The lock is taken before Alembic reads the revision of the database, and ends with the
# transaction. MariaDB commits each statement, so its lock belongs to the session.
_TRY = f"SELECT pg_try_advisory_xact_lock({_ROSTER})"
_TRY_SESSION = "SELECT GET_LOCK(CONCAT('roster ', DATABASE()), 0)"
# Selects from pg_settings, because an older server does not have all of these time-outs.
_TIME_OUTS = """
SELECT set_config(name, '0', {local}) FROM pg_settings WHERE name IN (
    'statement_timeout', 'lock_timeout', 'transaction_timeout',
    'idle_in_transaction_session_timeout'
)
"""
_PATIENT = ("BEGIN ISOLATION LEVEL READ COMMITTED", _TIME_OUTS.format(local="true"))
_BEGIN = {
    "sqlite": (),
    "postgresql": (
        _TIME_OUTS.format(local="false"),
        # Revisions end the transaction and begin others.
        "SET default_transaction_isolation = 'read committed'",
        "BEGIN",
    ),
    "mariadb": ("SET SESSION max_statement_time = 0, lock_wait_timeout = 31536000",),
}
_RELEASE = ("SELECT RELEASE_LOCK(CONCAT('roster ', DATABASE()))",)
_ROLLBACK = {"sqlite": ("ROLLBACK",), "postgresql": ("ROLLBACK",), "mariadb": _RELEASE}
_COMMIT = {"sqlite": ("COMMIT",), "postgresql": ("COMMIT",), "mariadb": _RELEASE}

run(context.config.attributes["engine"], context.config.attributes["report"])
