"""Accounts: passwords, sessions, emailed links, waiting emails and counters.

A release that knows no accounts deletes a user without them, so the foreign keys delete the rows of
the user.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

from migrations import online

revision = "0011"
down_revision = "0010"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = (
    sa.DateTime()
    .with_variant(postgresql.TIMESTAMP(timezone=True, precision=3), "postgresql")
    .with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
)
_SHA256 = sa.LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb")
_JSON = (
    sa.Text()
    .with_variant(sa.Text(collation="C"), "postgresql")
    .with_variant(sa.Text(collation="BINARY"), "sqlite")
    .with_variant(mysql.MEDIUMTEXT(collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
)
_INNODB = {
    "mariadb_engine": "InnoDB",
    "mariadb_default_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}
_INDEXES = (
    ("login_networks", "login_time"),
    ("sessions", "user_id"),
    ("sessions", "expiry_time"),
    ("refresh_tokens", "session_id"),
    ("emailed_links", "user_id"),
    ("emailed_links", "email_key"),
    ("emailed_links", "expiry_time"),
    ("outbox", "user_id"),
    ("outbox", "address_key"),
    ("outbox", "due_time", "id"),
    ("counters", "subject"),
    ("counters", "expiry_time"),
    ("revocations", "user_id"),
    ("revocations", "time"),
)


def upgrade() -> None:
    # PostgreSQL locks the users, because foreign keys refer to them.
    online.change_table(_create_accounts)
    online.change_table(_create_login_networks)
    online.change_table(_create_sessions)
    online.change_table(_create_refresh_tokens)
    online.change_table(_create_emailed_links)
    online.change_table(_create_outbox)
    _create_counters()
    _create_revocations()
    again = online.may_be_half_done()
    for table, *columns in _INDEXES:
        name = f"ix_{table}_{'_'.join(columns)}"
        op.create_index(name, table, columns, if_not_exists=again)


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=f"fk_{table}_user_id", ondelete="CASCADE"
    )


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("user_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("password_hash", online.text()),
        sa.Column("password_time", _INSTANT),
        sa.Column("email_verified_time", _INSTANT),
        sa.Column("login_time", _INSTANT),
        sa.PrimaryKeyConstraint("user_id", name="pk_accounts"),
        _of_user("accounts"),
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def _create_login_networks() -> None:
    op.create_table(
        "login_networks",
        sa.Column("user_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("network", online.text(100), nullable=False),
        sa.Column("login_time", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "network", name="pk_login_networks"),
        _of_user("login_networks"),
        sqlite_with_rowid=False,
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", online.text(64), nullable=False),
        sa.Column("user_id", _KEY, nullable=False),
        sa.Column("creation_time", _INSTANT, nullable=False),
        sa.Column("use_time", _INSTANT, nullable=False),
        sa.Column("expiry_time", _INSTANT, nullable=False),
        sa.Column("address", online.text(100), nullable=False),
        sa.Column("user_agent", online.text(250)),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        _of_user("sessions"),
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def _create_refresh_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", _SHA256, nullable=False),
        sa.Column("session_id", online.text(64), nullable=False),
        sa.Column("creation_time", _INSTANT, nullable=False),
        sa.Column("use_time", _INSTANT),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name="fk_refresh_tokens_session_id",
            ondelete="CASCADE",
        ),
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def _create_emailed_links() -> None:
    op.create_table(
        "emailed_links",
        sa.Column("digest", _SHA256, nullable=False),
        sa.Column("purpose", online.text(50), nullable=False),
        sa.Column("user_id", _KEY),
        sa.Column("email", online.text(250), nullable=False),
        sa.Column("email_key", online.text(250), nullable=False),
        sa.Column("name", online.text(250)),
        sa.Column("creation_time", _INSTANT, nullable=False),
        sa.Column("expiry_time", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_emailed_links"),
        _of_user("emailed_links"),
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _KEY, sa.Identity(always=False), nullable=False),
        sa.Column("template", online.text(50), nullable=False),
        sa.Column("user_id", _KEY),
        sa.Column("address", online.text(250), nullable=False),
        sa.Column("address_key", online.text(250), nullable=False),
        sa.Column("name", online.text(250)),
        sa.Column("message_id", online.text(250), nullable=False),
        sa.Column("creation_time", _INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_time", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        _of_user("outbox"),
        sqlite_autoincrement=True,
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def _create_counters() -> None:
    op.create_table(
        "counters",
        sa.Column("key", online.text(64), nullable=False),
        sa.Column("subject", online.text(64)),
        sa.Column("times", _JSON, nullable=False),
        sa.Column("expiry_time", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_counters"),
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def _create_revocations() -> None:
    op.create_table(
        "revocations",
        sa.Column("id", _KEY, sa.Identity(always=False), nullable=False),
        sa.Column("session_id", online.text(64)),
        sa.Column("user_id", sa.BigInteger()),
        sa.Column("time", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revocations"),
        sqlite_autoincrement=True,
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def downgrade() -> None:
    again = online.may_be_half_done()
    op.drop_table("revocations", if_exists=again)
    op.drop_table("counters", if_exists=again)
    online.change_table(lambda: op.drop_table("outbox", if_exists=again))
    online.change_table(lambda: op.drop_table("emailed_links", if_exists=again))
    online.change_table(lambda: op.drop_table("refresh_tokens", if_exists=again))
    online.change_table(lambda: op.drop_table("sessions", if_exists=again))
    online.change_table(lambda: op.drop_table("login_networks", if_exists=again))
    online.change_table(lambda: op.drop_table("accounts", if_exists=again))
