"""The table of users."""

from sqlalchemy import (
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)

from adapters.sql.columns import PREFIX_LENGTH, BigIntId, IndexedPrefix, Timestamp, text
from adapters.sql.metadata import MARIADB_TABLE, METADATA
from adapters.sql.repository import Derived, EntityTable
from adapters.sql.searchable import Overridden, Searchable
from application.users import USER_TYPE
from domain.text import EMAIL_LENGTH, email_key, fold
from domain.users import NAME_LENGTH, ROLE_LENGTH, User

USERS = Table(
    "users",
    METADATA,
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("email", text(EMAIL_LENGTH), nullable=False),
    Column("email_key", text(EMAIL_LENGTH), nullable=False),
    Column("name", text(NAME_LENGTH), nullable=False),
    # Folding can expand one character into 18.
    Column("name_key", text(), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("role", text(ROLE_LENGTH), nullable=False),
    Column("creation_time", Timestamp, nullable=False),
    Column("update_time", Timestamp, nullable=False),
    Column("version", Integer, nullable=False),
    # The folded email, or null if it equals the key. The previous release does not write it.
    Column("email_folded", text(EMAIL_LENGTH)),
    UniqueConstraint("email_key"),
    Index(None, "email", "id"),
    Index(None, "name", "id"),
    Index(None, "is_active", "id"),
    Index(None, "role", "id"),
    Index(None, "creation_time", "id"),
    Index(None, "update_time", "id"),
    sqlite_autoincrement=True,  # without it, SQLite reuses the id of the last user
    **MARIADB_TABLE,
)
# Ties are broken by ascending id. Emails are unique, so a descending sort by email has no ties and
# can use the ascending index.
for _name in ("name", "is_active", "role", "creation_time", "update_time"):
    Index(f"ix_users_{_name}_desc_id", USERS.c[_name].desc(), USERS.c.id)
Index("ix_users_name_key", IndexedPrefix(USERS.c.name_key), mariadb_length=PREFIX_LENGTH)
_HAS_FOLDED_EMAIL = USERS.c.email_folded.is_not(None)
Index(
    "ix_users_email_folded",
    USERS.c.email_folded,
    postgresql_where=_HAS_FOLDED_EMAIL,
    sqlite_where=_HAS_FOLDED_EMAIL,
)


def folded_if_different(email: str) -> str | None:
    """Returns the folded email, or None if it equals the email's key (as any ASCII email does)."""
    if email.isascii():
        return None
    folded = fold(email)
    return None if folded == email_key(email) else folded


USERS_TABLE = EntityTable(
    USER_TYPE,
    USERS,
    Searchable(
        columns=[USERS.c[name] for name in User._fields],
        keys={"email_key": USERS.c.email_key},
        folded={
            "email": Overridden(USERS.c.email_key, by=USERS.c.email_folded),
            "name": USERS.c.name_key,
            "role": USERS.c.role,
        },
        prefixes={"name": IndexedPrefix(USERS.c.name_key)},
        unique=(USERS.c.id, USERS.c.email_key),
    ),
    derived={
        "email_key": Derived("email", email_key),
        "name_key": Derived("name", fold),
        "email_folded": Derived("email", folded_if_different),
    },
    unique={"email": USERS.c.email_key},
)
