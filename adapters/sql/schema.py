"""The database's schema: whether it is this release's, and how it becomes so.

Alembic takes half a second to import, which only those pay who migrate.
"""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, text

from adapters.sql.failures import NotMigrated, translated

if TYPE_CHECKING:
    from adapters.sql.email_keys import SharedMailboxes

REVISION = "0009"
"""What this release needs. Revisions are numbers with leading zeros: the greater is the newer."""

_EMAIL_KEYS = "0008"
"""The revision since which the key of an email is not its folded form."""

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


def upgrade(engine: Engine, revision: str = "head") -> "SharedMailboxes | None":
    """Migrate the database up to the revision, and update the keys of emails if it has them.

    Gives the users whose keys cannot be updated. Raises Unavailable.
    """
    from alembic import command

    with translated():
        command.upgrade(_configured(engine), revision)
    if (current(engine) or "") < _EMAIL_KEYS:
        return None
    from adapters.sql.email_keys import update_keys

    return update_keys(engine)


def count_outdated_keys(engine: Engine) -> int:
    """How many users have a key that is not that of their email. Raises Unavailable."""
    from adapters.sql.email_keys import outdated

    return sum(map(len, outdated(engine)))


def downgrade(engine: Engine, revision: str) -> None:
    """Migrate the database down to the revision ("base" is an empty one). Unavailable."""
    from alembic import command

    with translated():
        command.downgrade(_configured(engine), revision)


def drift(engine: Engine) -> list[str]:
    """Where the database differs from the tables that this release declares. Unavailable."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from adapters.sql import answers, events, secrets, users  # noqa: F401 (they declare their tables)
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
