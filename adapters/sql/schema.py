"""The database's schema: whether it is this release's, and how it becomes so.

Alembic takes half a second to import, which only those pay who migrate.
"""

from typing import Any

from sqlalchemy import Connection, Engine, text

from adapters.sql.failures import NotMigrated, translated

REVISION = "0007"
"""What this release needs. Revisions are numbers with leading zeros: the greater is the newer."""

_CURRENT = text("SELECT version_num FROM alembic_version")


def revision_of(connection: Connection) -> str | None:
    """The revision at which the database stands; None if it was never migrated."""
    return connection.execute(_CURRENT).scalar_one_or_none()


def current(engine: Engine) -> str | None:
    """The revision at which the database stands; None if it was never migrated. Unavailable."""
    try:
        with translated(), engine.connect() as connection:
            return revision_of(connection)
    except NotMigrated:
        return None


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrate the database up to the revision, in one transaction. Unavailable."""
    from alembic import command

    with translated():
        command.upgrade(_configured(engine), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Migrate the database down to the revision ("base" is an empty one). Unavailable."""
    from alembic import command

    with translated():
        command.downgrade(_configured(engine), revision)


def drift(engine: Engine) -> list[str]:
    """Where the database differs from the tables that this release declares. Unavailable."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from adapters.sql import answers, events, users  # noqa: F401 (they declare their tables)
    from adapters.sql.metadata import METADATA

    with translated(), engine.connect() as connection:
        options = {"compare_type": True, "include_name": _is_everywhere}
        context = MigrationContext.configure(connection, opts=options)
        return [str(difference) for difference in compare_metadata(context, METADATA)]


def _is_everywhere(name: str | None, kind: str, _: object) -> bool:
    """Whether every database has it. Trigrams are there where PostgreSQL has them."""
    return kind != "index" or not (name or "").endswith("_trgm")


def _configured(engine: Engine) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "migrations:")
    config.attributes["engine"] = engine
    return config
