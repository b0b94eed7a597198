"""The kind and the issuer of the principal that made a change."""

import sqlalchemy as sa

from migrations import online

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    online.add_column("events", sa.Column("actor_kind", online.text(50)))
    online.add_column("events", sa.Column("actor_issuer", online.text()))


def downgrade() -> None:
    online.drop_column("events", "actor_kind")
    online.drop_column("events", "actor_issuer")
