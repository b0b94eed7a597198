"""The audit log: events, and the last position that was assigned."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

revision = "0004"
down_revision = "0003"


def _text(length: int | None = None) -> sa.String:
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


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", _KEY, sa.Identity(always=False), nullable=False),
        sa.Column("position", sa.BigInteger()),
        sa.Column("time", _INSTANT, nullable=False),
        sa.Column("actor", _text()),
        sa.Column("request_id", _text(128)),
        sa.Column("action", _text(50), nullable=False),
        sa.Column("subject_type", _text(50), nullable=False),
        sa.Column("subject_id", sa.BigInteger()),
        sa.Column("version", sa.Integer()),
        sa.Column("changes", _text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
        mariadb_engine="InnoDB",
        mariadb_default_charset="utf8mb4",
        mariadb_collate="utf8mb4_nopad_bin",
        if_not_exists=_may_be_half_done(),
    )
    for columns in (["subject_type", "subject_id", "id"], ["position", "id"]):
        name = f"ix_events_{'_'.join(columns)}"
        op.create_index(name, "events", columns, if_not_exists=_may_be_half_done())
    op.create_table(
        "event_positions",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_positions"),
        mariadb_engine="InnoDB",
        if_not_exists=_may_be_half_done(),
    )
    op.execute(
        "INSERT INTO event_positions (id, last) "
        "SELECT 1, 0 WHERE NOT EXISTS (SELECT 1 FROM event_positions)"
    )


def downgrade() -> None:
    op.drop_table("event_positions", if_exists=_may_be_half_done())
    op.drop_table("events", if_exists=_may_be_half_done())


def _may_be_half_done() -> bool:
    """MariaDB commits each statement, so an interrupted revision runs again from its start."""
    return op.get_context().dialect.name == "mariadb"
