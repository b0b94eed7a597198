"""An index for the beginnings of folded names."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_NAME = "ix_users_name_key"
# A folded name may have 4,500 characters, but an entry of PostgreSQL's index at most 2,704 bytes.
_INDEXED = {
    "sqlite": "name_key",
    "postgresql": "left(name_key, 100)",
    "mariadb": "name_key(100)",
}
_UNFINISHED = f"""
SELECT EXISTS (
    SELECT FROM pg_index WHERE indexrelid = to_regclass('{_NAME}') AND NOT indisvalid
)
"""


def upgrade() -> None:
    database = op.get_context().dialect.name
    of = f"users ({_INDEXED[database]})"
    if database == "postgresql":
        _build_beside_writers(of)
    else:
        perhaps = "IF NOT EXISTS " if _may_be_half_done() else ""
        op.execute(f"CREATE INDEX {perhaps}{_NAME} ON {of}")


def _build_beside_writers(of: str) -> None:
    """Builds the index outside a transaction, so that PostgreSQL does not block writers.

    If a build was interrupted, an invalid index exists, which is built again.
    """
    op.execute("COMMIT")
    if op.get_bind().execute(sa.text(_UNFINISHED)).scalar_one():
        op.execute(f"DROP INDEX CONCURRENTLY {_NAME}")
    op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {_NAME} ON {of}")
    # Without statistics, the planner would assume that each beginning is rare.
    op.execute("ANALYZE users")
    op.execute("BEGIN")


def downgrade() -> None:
    op.drop_index(_NAME, "users", if_exists=_may_be_half_done())


def _may_be_half_done() -> bool:
    """MariaDB commits each statement, so an interrupted revision runs again from its start."""
    return op.get_context().dialect.name == "mariadb"
