"""Stored responses to requests with an idempotency key."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0002"
down_revision = "0001"


def _text(length: int | None = None) -> sa.String:
    kind = sa.Text if length is None else sa.String
    return (
        kind(length)
        .with_variant(kind(length, collation="C"), "postgresql")
        .with_variant(kind(length, collation="BINARY"), "sqlite")
        .with_variant(kind(length, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
    )


_INSTANT = (
    sa.DateTime()
    .with_variant(postgresql.TIMESTAMP(timezone=True, precision=3), "postgresql")
    .with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
)


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("request_key", _text(64), nullable=False),
        sa.Column("digest", _text(64), nullable=False),
        sa.Column("creation_time", _INSTANT, nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", _text()),
        sa.Column("body", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")),
        sa.PrimaryKeyConstraint("request_key", name="pk_answers"),
        mariadb_engine="InnoDB",
        mariadb_default_charset="utf8mb4",
        mariadb_collate="utf8mb4_nopad_bin",
        if_not_exists=_may_be_half_done(),
    )
    name = "ix_answers_creation_time"
    op.create_index(name, "answers", ["creation_time"], if_not_exists=_may_be_half_done())


def downgrade() -> None:
    op.drop_table("answers", if_exists=_may_be_half_done())


def _may_be_half_done() -> bool:
    """MariaDB commits each statement, so an interrupted revision runs again from its start."""
    return op.get_context().dialect.name == "mariadb"
