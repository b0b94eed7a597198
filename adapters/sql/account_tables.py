"""The tables of accounts.

The foreign keys delete the rows of a user with the user, and the refresh tokens of a session with
the session. So the previous release, which knows none of these tables, can still delete users, and
no password or session remains.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
)
from sqlalchemy.dialects import mysql

from adapters.sql.certification import certify
from adapters.sql.columns import BigIntId, Json, Timestamp, text
from adapters.sql.connection import RawConnection
from adapters.sql.metadata import MARIADB_TABLE, METADATA
from adapters.sql.users import USERS
from domain.accounts import USER_AGENT_LENGTH
from domain.text import EMAIL_LENGTH
from domain.users import NAME_LENGTH

_SHA256: Final = LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb")
_HEX_SHA256_LENGTH: Final = 64
_SESSION_ID_LENGTH: Final = 64
_ADDRESS_LENGTH: Final = 100
_MESSAGE_ID_LENGTH: Final = 250
_WORD_LENGTH: Final = 50


def _user_id(**options: Any) -> Column[int]:
    return Column("user_id", BigIntId, ForeignKey(USERS.c.id, ondelete="CASCADE"), **options)


def certify_account(connection: RawConnection, user_id: int) -> None:
    """Excludes the other nodes of a Galera cluster from the sessions, links and emails of a user.

    A unit that ends all sessions of a user, for example, must not miss one that begins.
    """
    certify(connection, "account", user_id)


ACCOUNTS = Table(
    "accounts",
    METADATA,
    _user_id(primary_key=True, autoincrement=False),
    Column("password_hash", text()),
    Column("password_time", Timestamp),
    Column("email_verified_time", Timestamp),
    Column("login_time", Timestamp),
    **MARIADB_TABLE,
)
# The networks from which users have logged in, each with the time of the last login.
LOGIN_NETWORKS = Table(
    "login_networks",
    METADATA,
    _user_id(primary_key=True),
    Column("network", text(_ADDRESS_LENGTH), primary_key=True),
    Column("login_time", Timestamp, nullable=False),
    Index(None, "login_time"),
    sqlite_with_rowid=False,
    **MARIADB_TABLE,
)
SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", text(_SESSION_ID_LENGTH), primary_key=True),
    _user_id(nullable=False),
    Column("creation_time", Timestamp, nullable=False),
    Column("use_time", Timestamp, nullable=False),
    Column("expiry_time", Timestamp, nullable=False),
    Column("address", text(_ADDRESS_LENGTH), nullable=False),
    Column("user_agent", text(USER_AGENT_LENGTH)),
    Index(None, "user_id"),
    Index(None, "expiry_time"),
    **MARIADB_TABLE,
)
# A used token remains until its session ends, because a second use ends the session.
REFRESH_TOKENS = Table(
    "refresh_tokens",
    METADATA,
    Column("digest", _SHA256, primary_key=True),
    Column(
        "session_id",
        text(_SESSION_ID_LENGTH),
        ForeignKey(SESSIONS.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    Column("creation_time", Timestamp, nullable=False),
    Column("use_time", Timestamp),
    Index(None, "session_id"),
    **MARIADB_TABLE,
)
EMAILED_LINKS = Table(
    "emailed_links",
    METADATA,
    Column("digest", _SHA256, primary_key=True),
    Column("purpose", text(_WORD_LENGTH), nullable=False),
    _user_id(),
    Column("email", text(EMAIL_LENGTH), nullable=False),
    Column("email_key", text(EMAIL_LENGTH), nullable=False),
    Column("name", text(NAME_LENGTH)),
    Column("creation_time", Timestamp, nullable=False),
    Column("expiry_time", Timestamp, nullable=False),
    Index(None, "user_id"),
    Index(None, "email_key"),
    Index(None, "expiry_time"),
    **MARIADB_TABLE,
)
OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("template", text(_WORD_LENGTH), nullable=False),
    _user_id(),
    Column("address", text(EMAIL_LENGTH), nullable=False),
    Column("address_key", text(EMAIL_LENGTH), nullable=False),
    Column("name", text(NAME_LENGTH)),
    Column("message_id", text(_MESSAGE_ID_LENGTH), nullable=False),
    Column("creation_time", Timestamp, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_time", Timestamp, nullable=False),
    Index(None, "user_id"),
    Index(None, "address_key"),
    Index(None, "due_time", "id"),
    sqlite_autoincrement=True,  # a sender removes an email by its id after it has been sent
    **MARIADB_TABLE,
)
# The keys and subjects are digests. `times` are milliseconds since 1970.
COUNTERS = Table(
    "counters",
    METADATA,
    Column("key", text(_HEX_SHA256_LENGTH), primary_key=True),
    Column("subject", text(_HEX_SHA256_LENGTH)),
    Column("times", Json, nullable=False),
    Column("expiry_time", Timestamp, nullable=False),
    Index(None, "subject"),
    Index(None, "expiry_time"),
    **MARIADB_TABLE,
)
# Has no foreign keys, because a revocation outlives its session and its user.
REVOCATIONS = Table(
    "revocations",
    METADATA,
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("session_id", text(_SESSION_ID_LENGTH)),
    Column("user_id", BigInteger),
    Column("time", Timestamp, nullable=False),
    Index(None, "user_id"),
    Index(None, "time"),
    sqlite_autoincrement=True,  # workers read the revocations after the last id that they know
    **MARIADB_TABLE,
)
