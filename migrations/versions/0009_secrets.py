"""Random secrets of the installation. The first one is the key of cursors."""

from datetime import UTC, datetime
from secrets import token_bytes

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

from migrations import online

revision = "0009"
down_revision = "0008"

_FIRST = "cursors"
_BYTES = 32


_INSTANT = (
    sa.DateTime()
    .with_variant(postgresql.TIMESTAMP(timezone=True, precision=3), "postgresql")
    .with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
)


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", online.text(64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("creation_time", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
        mariadb_engine="InnoDB",
        mariadb_default_charset="utf8mb4",
        mariadb_collate="utf8mb4_nopad_bin",
        if_not_exists=online.may_be_half_done(),
    )
    _create_secret()


def _create_secret() -> None:
    """Creates the secret here, because a service on a read-only standby could not create it."""
    secrets = sa.table(
        "secrets",
        sa.column("name", sa.String()),
        sa.column("value", sa.LargeBinary()),
        sa.column("creation_time", _INSTANT),
    )
    connection = op.get_bind()
    if connection.execute(sa.select(secrets.c.name).where(secrets.c.name == _FIRST)).first():
        return
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    if connection.dialect.name != "postgresql":  # the other databases store UTC without a time zone
        now = now.replace(tzinfo=None)
    values = {"name": _FIRST, "value": token_bytes(_BYTES), "creation_time": now}
    connection.execute(secrets.insert(), values)


def downgrade() -> None:
    op.drop_table("secrets", if_exists=online.may_be_half_done())
