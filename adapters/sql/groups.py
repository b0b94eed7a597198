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

from adapters.sql.columns import (
    PREFIX_LENGTH,
    BigIntId,
    IndexedPrefix,
    NullsLowest,
    Timestamp,
    text,
)
from adapters.sql.metadata import MARIADB_TABLE, METADATA
from adapters.sql.repository import Derived, EntityTable
from adapters.sql.searchable import Searchable
from adapters.sql.tables import LinkTable
from application.groups import GROUP_TYPE, MEMBERSHIPS
from domain.groups import DESCRIPTION_LENGTH, NAME_LENGTH, Group
from domain.text import fold

GROUPS = Table(
    "groups",
    METADATA,
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("name", text(NAME_LENGTH), nullable=False),
    Column("name_key", text(NAME_LENGTH), nullable=False),
    Column("description", text(DESCRIPTION_LENGTH)),
    Column("description_key", text()),  # folding turns a character into up to 18
    Column("owner", BigIntId, ForeignKey("users.id")),
    Column("creation_time", Timestamp, nullable=False),
    Column("update_time", Timestamp, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("name_key"),
    Index(None, "name", "id"),
    Index(None, "creation_time", "id"),
    Index(None, "update_time", "id"),
    Index(None, "owner", "id"),
    sqlite_autoincrement=True,  # SQLite would otherwise reuse the id of the last group
    **MARIADB_TABLE,
)
# Lists break ties by ascending id, so a descending order has an index of its own.
for _name in ("name", "creation_time", "update_time"):
    Index(f"ix_groups_{_name}_desc_id", GROUPS.c[_name].desc(), GROUPS.c.id)
Index("ix_groups_description_id", NullsLowest(GROUPS.c.description), GROUPS.c.id)
Index(
    "ix_groups_description_desc_id",
    NullsLowest(GROUPS.c.description, descending=True),
    GROUPS.c.id,
)
Index(
    "ix_groups_description_key",
    IndexedPrefix(GROUPS.c.description_key),
    mariadb_length=PREFIX_LENGTH,
)


def folded_or_null(value: str | None) -> str | None:
    """Returns the folded form of a text, or None for None."""
    return None if value is None else fold(value)


GROUPS_TABLE = EntityTable(
    GROUP_TYPE,
    GROUPS,
    Searchable(
        columns=[GROUPS.c[name] for name in Group._fields],
        folded={"name": GROUPS.c.name_key, "description": GROUPS.c.description_key},
        prefixes={"description": IndexedPrefix(GROUPS.c.description_key)},
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
        sqlite_with_rowid=False,
        **MARIADB_TABLE,
    ),
)
