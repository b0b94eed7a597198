"""The kind and the issuer of the principal that made a change."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _text(length: int | None = None) -> sa.String:
    """Text that is ordered by code point on every database."""
    kind = sa.Text if length is None else sa.String
    return (
        kind(length)
        .with_variant(kind(length, collation="C"), "postgresql")
        .with_variant(kind(length, collation="BINARY"), "sqlite")
        .with_variant(kind(length, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
    )


def upgrade() -> None:
    again = _may_be_half_done()
    op.add_column("events", sa.Column("actor_kind", _text(50)), if_not_exists=again)
    op.add_column("events", sa.Column("actor_issuer", _text()), if_not_exists=again)


def downgrade() -> None:
    for name in ("actor_kind", "actor_issuer"):
        op.drop_column("events", name, if_exists=_may_be_half_done())


def _may_be_half_done() -> bool:
    """MariaDB commits each statement, so an interrupted revision runs again from its start."""
    return op.get_context().dialect.name == "mariadb"
