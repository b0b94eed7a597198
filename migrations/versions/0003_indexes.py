"""Indexes for descending sort orders and, on PostgreSQL with pg_trgm, for parts of texts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Lists break ties by ascending id. If the other indexes were read backward, all rows with the same
# value would still have to be sorted. Emails are unique, so they need no such index.
_DESCENDING = ("name", "is_active", "role", "creation_time", "update_time")
_TEXTS = ("email_key", "name_key", "role")

# The user of the database may lack the permission to create the extension, or the server may not
# have it. Then searches for parts of a text read every row, as before.
_EXTENSION = """
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION
    WHEN feature_not_supported OR insufficient_privilege OR undefined_file THEN NULL;
END
$$
"""
_HAS_TRIGRAMS = """
SELECT EXISTS (
    SELECT FROM pg_opclass WHERE opcname = 'gin_trgm_ops' AND pg_opclass_is_visible(oid)
)
"""
_UNFINISHED = """
SELECT EXISTS (
    SELECT FROM pg_index WHERE indexrelid = to_regclass('{}') AND NOT indisvalid
)
"""


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        _upgrade_beside_writers()
        return
    for attribute in _DESCENDING:
        op.create_index(
            _name(attribute),
            "users",
            [sa.text(f"{attribute} DESC"), "id"],
            if_not_exists=_may_be_half_done(),
        )


def _upgrade_beside_writers() -> None:
    """Builds the indexes outside a transaction, so that PostgreSQL does not block writers."""
    op.execute(_EXTENSION)
    op.execute("COMMIT")
    for attribute in _DESCENDING:
        _build(_name(attribute), f"users ({attribute} DESC, id)")
    if op.get_bind().execute(sa.text(_HAS_TRIGRAMS)).scalar_one():
        for column in _TEXTS:
            _build(f"ix_users_{column}_trgm", f"users USING gin ({column} gin_trgm_ops)")
    op.execute("BEGIN")


def _build(name: str, of: str) -> None:
    """Builds an index if it does not exist. If a build was interrupted, an invalid one exists."""
    if op.get_bind().execute(sa.text(_UNFINISHED.format(name))).scalar_one():
        op.execute(f"DROP INDEX CONCURRENTLY {name}")
    op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {of}")


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for column in _TEXTS:
            op.execute(f"DROP INDEX IF EXISTS ix_users_{column}_trgm")
    for attribute in _DESCENDING:
        op.drop_index(_name(attribute), "users", if_exists=_may_be_half_done())


def _name(attribute: str) -> str:
    return f"ix_users_{attribute}_desc_id"


def _may_be_half_done() -> bool:
    """MariaDB commits each statement, so an interrupted revision runs again from its start."""
    return op.get_context().dialect.name == "mariadb"
