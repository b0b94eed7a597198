"""Users."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0001"
down_revision = None


def _text(length: int | None = None) -> sa.String:
    """A type for text ordered by code point, independently of the locale."""
    kind = sa.Text if length is None else sa.String
    return (
        kind(length)
        .with_variant(kind(length, collation="C"), "postgresql")
        .with_variant(kind(length, collation="BINARY"), "sqlite")
        .with_variant(kind(length, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
    )


_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = (
    sa.DateTime()
    .with_variant(postgresql.TIMESTAMP(timezone=True, precision=3), "postgresql")
    .with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
)
_SORTABLE = ("email", "name", "is_active", "role", "creation_time", "update_time")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", _KEY, sa.Identity(always=False), nullable=False),
        sa.Column("email", _text(250), nullable=False),
        sa.Column("email_key", _text(250), nullable=False),
        sa.Column("name", _text(250), nullable=False),
        sa.Column("name_key", _text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("role", _text(50), nullable=False),
        sa.Column("creation_time", _INSTANT, nullable=False),
        sa.Column("update_time", _INSTANT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email_key", name="uq_users_email_key"),
        sqlite_autoincrement=True,
        mariadb_engine="InnoDB",
        mariadb_default_charset="utf8mb4",
        mariadb_collate="utf8mb4_nopad_bin",
        if_not_exists=_may_be_half_done(),
    )
    for attribute in _SORTABLE:
        name = f"ix_users_{attribute}_id"
        op.create_index(name, "users", [attribute, "id"], if_not_exists=_may_be_half_done())


def downgrade() -> None:
    op.drop_table("users", if_exists=_may_be_half_done())


def _may_be_half_done() -> bool:
    """MariaDB commits each statement, so an interrupted revision runs again from its start."""
    return op.get_context().dialect.name == "mariadb"
