"""The tables of groups and of their memberships."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    UniqueConstraint,
)

from adapters.sql.columns import BigIntId, NullsLowest, Timestamp, text
from adapters.sql.links import LinkTable
from adapters.sql.metadata import METADATA
from adapters.sql.repository import Derived, EntityTable
from adapters.sql.search import Searchable
from application.groups import GROUP_TYPE, MEMBERSHIPS
from domain.groups import NAME_LENGTH, Group
from domain.text import fold

GROUPS = Table(
    "groups",
    METADATA,
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("name", text(NAME_LENGTH), nullable=False),
    Column("name_key", text(NAME_LENGTH), nullable=False),
    Column("description", text()),
    Column("description_key", text()),
    Column("owner", BigIntId, ForeignKey("users.id")),
    Column("creation_time", Timestamp, nullable=False),
    Column("update_time", Timestamp, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("name_key"),
    sqlite_autoincrement=True,
    mariadb_engine="InnoDB",
    mariadb_default_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
)
Index("ix_groups_owner_id", NullsLowest(GROUPS.c.owner), GROUPS.c.id)


def folded_or_null(value: str | None) -> str | None:
    """The folded form of a text; null for null."""
    return None if value is None else fold(value)


GROUPS_TABLE = EntityTable(
    GROUP_TYPE,
    GROUPS,
    Searchable(
        columns=[GROUPS.c[name] for name in Group._fields],
        folded={"name": GROUPS.c.name_key, "description": GROUPS.c.description_key},
        unique=(GROUPS.c.id, GROUPS.c.name_key),
    ),
    derived={
        "name_key": Derived("name", fold),
        "description_key": Derived("description", folded_or_null),
    },
    unique={"name": GROUPS.c.name_key},
)
MEMBERSHIPS_TABLE = LinkTable(
    MEMBERSHIPS,
    Table(
        "memberships",
        METADATA,
        Column("group_id", BigIntId, ForeignKey("groups.id"), primary_key=True),
        Column("user_id", BigIntId, ForeignKey("users.id"), primary_key=True),
        Index(None, "user_id", "group_id"),
        mariadb_engine="InnoDB",
    ),
)
