"""Runs migrations: each run is one transaction, and only one runs at a time."""

from alembic import context
from sqlalchemy import Connection, Engine

from adapters.sql.metadata import METADATA

_ROSTER = 0x526F73746572  # "Roster" in ASCII: the key of the lock that migrations hold


def run(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(_BEGIN[connection.dialect.name])
        try:
            _migrate(connection)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=False)
    context.run_migrations()


# The lock ends with the transaction. It is taken before Alembic looks where the database stands.
_BEGIN = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; "
    f"SELECT pg_advisory_xact_lock({_ROSTER})",
}

run(context.config.attributes["engine"])
