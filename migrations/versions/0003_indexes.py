"""Indexes for descending sorts, and, on PostgreSQL with pg_trgm, for parts of texts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Lists break ties by ascending id, so that the other indexes, read backward, would leave all the
# rows of one value to be sorted. No two users have one email.
_DESCENDING = ("name", "is_active", "role", "creation_time", "update_time")
_TEXTS = ("email_key", "name_key", "role")

# Whoever migrates may not be allowed to have the extension, or the server may not have it; then
# searches by parts of a text read every row, as before.
_TRIGRAMS = """
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    {}
EXCEPTION
    WHEN feature_not_supported OR insufficient_privilege OR undefined_file OR undefined_object
    THEN NULL;
END
$$
"""


def upgrade() -> None:
    for attribute in _DESCENDING:
        op.create_index(
            _name(attribute),
            "users",
            [sa.text(f"{attribute} DESC"), "id"],
            if_not_exists=_may_be_half_done(),
        )
    if op.get_context().dialect.name == "postgresql":
        made = (
            f"CREATE INDEX ix_users_{column}_trgm ON users USING gin ({column} gin_trgm_ops);"
            for column in _TEXTS
        )
        op.execute(_TRIGRAMS.format("\n    ".join(made)))


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for column in _TEXTS:
            op.execute(f"DROP INDEX IF EXISTS ix_users_{column}_trgm")
    for attribute in _DESCENDING:
        op.drop_index(_name(attribute), "users", if_exists=_may_be_half_done())


def _name(attribute: str) -> str:
    return f"ix_users_{attribute}_desc_id"


def _may_be_half_done() -> bool:
    """MariaDB commits each statement by itself, so what was interrupted is run again."""
    return op.get_context().dialect.name == "mariadb"
