"""Runs migrations, one run at a time: in one transaction, where the database can do that."""

from alembic import context
from sqlalchemy import Connection, Engine

from adapters.sql.metadata import METADATA

_ROSTER = 0x526F73746572  # "Roster" in ASCII: the key of the lock that migrations hold
_EVER = 10**9  # seconds


def run(engine: Engine) -> None:
    with engine.connect() as connection:
        send(connection, _BEGIN)
        try:
            _migrate(connection)
        except BaseException:
            send(connection, _ROLLBACK)
            raise
        send(connection, _COMMIT)


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
_BEGIN = {
    "sqlite": ("BEGIN IMMEDIATE",),
    "postgresql": (
        "BEGIN",
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL lock_timeout = 0",
        f"SELECT pg_advisory_xact_lock({_ROSTER})",
    ),
    "mariadb": (
        "SET SESSION max_statement_time = 0, lock_wait_timeout = 31536000",
        _LOCK.format("GET", f", {_EVER}"),
    ),
}
_ROLLBACK = {"sqlite": ("ROLLBACK",), "postgresql": ("ROLLBACK",), "mariadb": _RELEASE}
_COMMIT = {"sqlite": ("COMMIT",), "postgresql": ("COMMIT",), "mariadb": _RELEASE}

run(context.config.attributes["engine"])
