"""A column for folded emails that differ from their keys, and an index of them.

`roster db upgrade` computes the keys afterwards (adapters/sql/email_keys.py), in transactions of
their own.
"""

from time import monotonic, sleep

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_NAME = "ix_users_email_folded"
_UNEQUAL = "email_folded IS NOT NULL"
_AT_ONCE = 1000
_SECONDS_FOR_LOCK = 60
_LOCK_NOT_AVAILABLE = "55P03"
_TRIGRAMS = "ix_users_email_folded_trgm"
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


def _text(length: int) -> sa.String:
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(sa.String(length, collation="BINARY"), "sqlite")
        .with_variant(sa.String(length, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
    )


def upgrade() -> None:
    database = op.get_context().dialect.name
    if database == "postgresql":
        op.execute("COMMIT")
        _add_beside_writers()
        _build_beside_writers(_NAME, "(email_folded)")
        if op.get_bind().execute(sa.text(_HAS_TRIGRAMS)).scalar_one():
            _build_beside_writers(_TRIGRAMS, "USING gin (email_folded gin_trgm_ops)")
        op.execute("BEGIN")
        return
    _add()
    if database == "mariadb":
        op.execute(f"CREATE INDEX IF NOT EXISTS {_NAME} ON users (email_folded)")
    else:
        op.execute(f"CREATE INDEX {_NAME} ON users (email_folded) WHERE {_UNEQUAL}")


def _add() -> None:
    op.add_column("users", sa.Column("email_folded", _text(250)), if_not_exists=_may_be_half_done())


def _add_beside_writers() -> None:
    """PostgreSQL adds a column at once, when no transaction uses the table.

    Everything that comes later waits while this waits. So it waits briefly, again and again.
    """
    end = monotonic() + _SECONDS_FOR_LOCK
    op.execute("SET lock_timeout = '200ms'")
    try:
        while True:
            try:
                return _add()
            except sa.exc.OperationalError as error:
                locked = getattr(error.orig, "pgcode", None) == _LOCK_NOT_AVAILABLE
                if not locked or monotonic() > end:
                    raise
            sleep(0.3)
    finally:
        op.execute("SET lock_timeout = 0")


def _build_beside_writers(name: str, columns: str) -> None:
    """PostgreSQL builds an index while users are changed, if it is in no transaction.

    An index whose building was interrupted exists and is of no use.
    """
    if op.get_bind().execute(sa.text(_UNFINISHED.format(name))).scalar_one():
        op.execute(f"DROP INDEX CONCURRENTLY {name}")
    op.execute(
        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON users {columns} WHERE {_UNEQUAL}"
    )


def downgrade() -> None:
    if _has_column():
        _restore_keys()
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"DROP INDEX IF EXISTS {_TRIGRAMS}")
    op.drop_index(_NAME, "users", if_exists=_may_be_half_done())
    op.drop_column("users", "email_folded", if_exists=_may_be_half_done())


def _has_column() -> bool:
    columns = sa.inspect(op.get_bind()).get_columns("users")
    return any(column["name"] == "email_folded" for column in columns)


def _restore_keys() -> None:
    """The release before looks users up by the folded email.

    Of users whose emails only this release tells apart, one gets it; the others keep their keys.
    """
    while _restore_what_is_free():
        pass  # a key that was held may be free now


def _restore_what_is_free() -> bool:
    """Whether some keys were restored and others were held."""
    bind, after = op.get_bind(), 0
    restored = held = False
    while rows := bind.execute(_FOLDED, {"after": after, "count": _AT_ONCE}).all():
        for after, folded in rows:
            if bind.execute(_HELD, {"folded": folded}).scalar_one():
                held = True
            else:
                bind.execute(_RESTORE, {"id": after, "folded": folded})
                restored = True
    return restored and held


_FOLDED = sa.text(
    f"SELECT id, email_folded FROM users WHERE {_UNEQUAL} AND email_folded <> email_key"
    " AND id > :after ORDER BY id LIMIT :count"
)
_HELD = sa.text("SELECT count(*) FROM users WHERE email_key = :folded")
_RESTORE = sa.text("UPDATE users SET email_key = :folded WHERE id = :id")


def _may_be_half_done() -> bool:
    """PostgreSQL builds indexes, and MariaDB does everything, outside of a transaction."""
    return op.get_context().dialect.name != "sqlite"
