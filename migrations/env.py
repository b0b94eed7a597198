"""Runs migrations, one run at a time, and in one transaction if the database supports it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from sqlite3 import SQLITE_BUSY
from threading import Event, Thread
from time import monotonic, sleep

from alembic import context
from pymysql.constants import ER
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from adapters.sql import schema
from adapters.sql.dialects import mariadb
from adapters.sql.metadata import METADATA

_LOCK_KEY = 0x526F73746572  # "Roster" in ASCII
_RETRY_SECONDS = 0.1
_FIRST_REPORT_SECONDS = 1.0
"""The number of seconds to wait for a lock before the first report."""
_REPORT_SECONDS = 10.0
_SQLITE_LOCK_SECONDS = 30.0

Report = Callable[[str], None]


def run(engine: Engine, report: Report) -> None:
    """Runs the migrations of the current Alembic command. Reports waiting and slow work.

    Raises the errors of SQLAlchemy, and those of adapters.sql.schema.
    """
    lock = _hold_lock(engine, report) if engine.dialect.name == "postgresql" else nullcontext()
    with lock, engine.connect() as connection, _locked_cluster(engine, connection, report):
        connection.detach()  # not returned to the pool, so that its session settings end with it
        with _reporting(report, _WAITING, after=_FIRST_REPORT_SECONDS):
            if engine.dialect.name == "sqlite":
                _begin_sqlite(connection)
            execute_all(connection, _BEGIN)
            if engine.dialect.name == "mariadb":
                _wait_for_lock(connection, _TRY_SESSION_LOCK)
        try:
            with _reporting(report, _MIGRATING, after=_REPORT_SECONDS):
                _migrate(connection)
        except BaseException:
            # After some errors, the connection is lost, or SQLite has already rolled back.
            with suppress(SQLAlchemyError):
                execute_all(connection, _ROLLBACK)
            raise
        execute_all(connection, _COMMIT)


@contextmanager
def _hold_lock(engine: Engine, report: Report) -> Iterator[None]:
    """Holds the lock of migrations in a separate transaction, because revisions may end their own.

    Each attempt has a transaction of its own. CREATE INDEX CONCURRENTLY waits until all older
    transactions with a snapshot have ended. If the transaction of an attempt stayed open until it
    has the lock, the two would wait for each other.
    """
    with engine.connect() as connection:
        try:
            with _reporting(report, _WAITING, after=_FIRST_REPORT_SECONDS):
                while not _try_lock(connection):
                    connection.exec_driver_sql("ROLLBACK")
                    sleep(_RETRY_SECONDS)
            yield
        finally:
            with suppress(SQLAlchemyError):  # the lock ends with the connection
                connection.exec_driver_sql("ROLLBACK")


def _try_lock(connection: Connection) -> bool:
    """Begins a transaction. Returns True if it has the lock."""
    for statement in _BEGIN_WITHOUT_TIMEOUTS:
        connection.exec_driver_sql(statement)
    return bool(connection.exec_driver_sql(_TRY_LOCK).scalar_one())


@contextmanager
def _locked_cluster(engine: Engine, connection: Connection, report: Report) -> Iterator[None]:
    """Holds the lock of migrations on all nodes, if the connection is to a node of Galera.

    GET_LOCK is known to one node only. So another connection inserts a row, which the node sends to
    the others before the transaction has ended (streaming replication). Each node has a lock on the
    row until the transaction is rolled back, at the latest when the connection ends.
    """
    if engine.dialect.name != "mariadb" or not mariadb.is_on_galera(connection.connection):
        yield
        return
    with engine.connect() as holder:
        holder.detach()
        for statement in _PREPARE_GALERA_LOCK:
            holder.exec_driver_sql(statement)
        with _reporting(report, _WAITING, after=_FIRST_REPORT_SECONDS):
            while not _try_galera_lock(holder):
                sleep(_RETRY_SECONDS)
        try:
            yield
        finally:
            with suppress(SQLAlchemyError):  # the lock ends with the connection
                holder.exec_driver_sql("ROLLBACK")


def _try_galera_lock(connection: Connection) -> bool:
    """Begins a transaction. Returns True if it has the lock."""
    connection.exec_driver_sql("START TRANSACTION")
    try:
        connection.exec_driver_sql(_INSERT_LOCK)
    except OperationalError as error:
        if getattr(error.orig, "args", (0,))[0] not in _LOCKED:
            raise
        connection.exec_driver_sql("ROLLBACK")
        return False
    return True


def _wait_for_lock(connection: Connection, try_lock: str) -> None:
    while not connection.exec_driver_sql(try_lock).scalar_one():
        sleep(_RETRY_SECONDS)


def _begin_sqlite(connection: Connection) -> None:
    """Begins a write transaction in short attempts, so that Ctrl-C works.

    Raises OperationalError if the file is locked for 30 seconds.
    """
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(1000 * _RETRY_SECONDS)}")
    end = monotonic() + _SQLITE_LOCK_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            is_locked = getattr(error.orig, "sqlite_errorcode", 0) == SQLITE_BUSY
            if not is_locked or monotonic() > end:
                raise
        else:
            return


@contextmanager
def _reporting(report: Report, activity: str, *, after: float) -> Iterator[None]:
    """Reports the activity and the elapsed time: first `after` seconds, then every 10 seconds."""
    finished, start = Event(), monotonic()

    def report_regularly() -> None:
        wait = after
        while not finished.wait(wait):
            report(f"{activity}, for {monotonic() - start:.0f} s so far.")
            wait = _REPORT_SECONDS

    thread = Thread(target=report_regularly, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def execute_all(connection: Connection, statements: Mapping[str, tuple[str, ...]]) -> None:
    """Executes the statements for the connection's database."""
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


_WAITING = "Waiting for another migration or another process that uses the database"
_MIGRATING = "Migrating, or waiting for other transactions to end"

# The lock is taken before Alembic reads the revision of the database, and ends with the
# transaction. MariaDB commits each statement, so its lock belongs to the session.
_TRY_LOCK = f"SELECT pg_try_advisory_xact_lock({_LOCK_KEY})"
_TRY_SESSION_LOCK = "SELECT GET_LOCK(CONCAT('roster ', DATABASE()), 0)"
# The row is never committed. The table may not exist yet; this is Alembic's definition of it.
_PREPARE_GALERA_LOCK = (
    f"CREATE TABLE IF NOT EXISTS {schema.VERSION_TABLE} (version_num VARCHAR(32) NOT NULL,"
    f" CONSTRAINT {schema.VERSION_TABLE}_pkc PRIMARY KEY (version_num))",
    "SET SESSION wsrep_trx_fragment_unit = 'statements', wsrep_trx_fragment_size = 1,"
    " innodb_lock_wait_timeout = 1",
)
_INSERT_LOCK = f"INSERT INTO {schema.VERSION_TABLE} VALUES ('locked')"
_LOCKED = (ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK)
# Selects from pg_settings, because an older server does not have all of these timeouts.
_DISABLE_TIMEOUTS = """
SELECT set_config(name, '0', {local}) FROM pg_settings WHERE name IN (
    'statement_timeout', 'lock_timeout', 'transaction_timeout',
    'idle_in_transaction_session_timeout'
)
"""
_BEGIN_WITHOUT_TIMEOUTS = (
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    _DISABLE_TIMEOUTS.format(local="true"),
)
_BEGIN = {
    "sqlite": (),
    "postgresql": (
        _DISABLE_TIMEOUTS.format(local="false"),
        # Applies to the transactions that revisions begin.
        "SET default_transaction_isolation = 'read committed'",
        "BEGIN",
    ),
    "mariadb": ("SET SESSION max_statement_time = 0, lock_wait_timeout = 31536000",),
}
_UNLOCK = ("SELECT RELEASE_LOCK(CONCAT('roster ', DATABASE()))",)
_ROLLBACK = {"sqlite": ("ROLLBACK",), "postgresql": ("ROLLBACK",), "mariadb": _UNLOCK}
_COMMIT = {"sqlite": ("COMMIT",), "postgresql": ("COMMIT",), "mariadb": _UNLOCK}

run(context.config.attributes["engine"], context.config.attributes["report"])
