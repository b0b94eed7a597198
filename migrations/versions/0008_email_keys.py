"""A column for folded emails that differ from their keys, and an index of them.

`roster db upgrade` computes the keys afterwards, in separate transactions
(adapters/sql/email_keys.py).
"""

import sqlalchemy as sa
from alembic import op

from migrations import online

revision = "0008"
down_revision = "0007"

_NAME = "ix_users_email_folded"
_IS_DIFFERENT = "email_folded IS NOT NULL"
_BATCH_SIZE = 1000
_TRIGRAMS = "ix_users_email_folded_trgm"
_HAS_TRIGRAMS = """
SELECT EXISTS (
    SELECT FROM pg_opclass WHERE opcname = 'gin_trgm_ops' AND pg_opclass_is_visible(oid)
)
"""


def upgrade() -> None:
    online.add_column("users", sa.Column("email_folded", online.text(250)))
    online.create_index(_NAME, "users (email_folded)", where=_IS_DIFFERENT)
    if op.get_context().dialect.name != "postgresql":
        return
    if op.get_bind().execute(sa.text(_HAS_TRIGRAMS)).scalar_one():
        columns = "users USING gin (email_folded gin_trgm_ops)"
        online.create_index(_TRIGRAMS, columns, where=_IS_DIFFERENT)


def downgrade() -> None:
    if _has_column():
        _restore_keys()
    if op.get_context().dialect.name == "postgresql":
        online.change_table(lambda: op.execute(f"DROP INDEX IF EXISTS {_TRIGRAMS}"))
    again = online.may_be_half_done()
    online.change_table(lambda: op.drop_index(_NAME, "users", if_exists=again))
    online.drop_column("users", "email_folded")


def _has_column() -> bool:
    columns = sa.inspect(op.get_bind()).get_columns("users")
    return any(column["name"] == "email_folded" for column in columns)


def _restore_keys() -> None:
    """Restores the folded emails as keys, because the previous release finds users by them.

    If several users have the same folded email, only one of them gets it as its key.
    """
    while _restore_free_keys():
        pass  # a key that was taken may be free now


def _restore_free_keys() -> bool:
    """Returns True if some keys were restored, and others were taken."""
    bind, after = op.get_bind(), 0
    restored = has_conflict = False
    while rows := bind.execute(_FOLDED, {"after": after, "count": _BATCH_SIZE}).all():
        for after, folded in rows:
            if bind.execute(_IS_TAKEN, {"folded": folded}).scalar_one():
                has_conflict = True
            else:
                bind.execute(_RESTORE, {"id": after, "folded": folded})
                restored = True
    return restored and has_conflict


_FOLDED = sa.text(
    f"SELECT id, email_folded FROM users WHERE {_IS_DIFFERENT} AND email_folded <> email_key"
    " AND id > :after ORDER BY id LIMIT :count"
)
_IS_TAKEN = sa.text("SELECT count(*) FROM users WHERE email_key = :folded")
_RESTORE = sa.text("UPDATE users SET email_key = :folded WHERE id = :id")
