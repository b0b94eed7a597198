"""Groups and their memberships.

A release that knows no memberships cannot delete a user that has some, or that owns a group: the
foreign keys refuse it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql

from migrations import online

revision = "0010"
down_revision = "0009"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = (
    sa.DateTime()
    .with_variant(postgresql.TIMESTAMP(timezone=True, precision=3), "postgresql")
    .with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
)
_INNODB = {
    "mariadb_engine": "InnoDB",
    "mariadb_default_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}
_SORTABLE = ("name", "description", "creation_time", "update_time")
_NULLABLE = frozenset({"description"})
_PREFIX_LENGTH = 100
_SEARCHED = ("name_key", "description_key")
_HAS_TRIGRAMS = """
SELECT EXISTS (
    SELECT FROM pg_opclass WHERE opcname = 'gin_trgm_ops' AND pg_opclass_is_visible(oid)
)
"""


def upgrade() -> None:
    online.change_table(_create_groups)
    _create_indexes()
    online.change_table(_create_memberships)
    op.create_index(
        "ix_memberships_user_id_group_id",
        "memberships",
        ["user_id", "group_id"],
        if_not_exists=online.may_be_half_done(),
    )


def _create_groups() -> None:
    """PostgreSQL locks the users, because a foreign key refers to them."""
    op.create_table(
        "groups",
        sa.Column("id", _KEY, sa.Identity(always=False), nullable=False),
        sa.Column("name", online.text(250), nullable=False),
        sa.Column("name_key", online.text(250), nullable=False),
        sa.Column("description", online.text(500)),
        sa.Column("description_key", online.text()),
        sa.Column("owner", sa.BigInteger().with_variant(sa.Integer(), "sqlite")),
        sa.Column("creation_time", _INSTANT, nullable=False),
        sa.Column("update_time", _INSTANT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_groups"),
        sa.UniqueConstraint("name_key", name="uq_groups_name_key"),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_groups_owner"),
        sqlite_autoincrement=True,
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def _create_indexes() -> None:
    """Lists break ties by ascending id, so a descending order has an index of its own."""
    is_postgresql = op.get_context().dialect.name == "postgresql"
    for attribute in _SORTABLE:
        is_nullable = is_postgresql and attribute in _NULLABLE  # the others sort null lowest
        ascending = f"{attribute} NULLS FIRST" if is_nullable else attribute
        descending = f"{attribute} DESC" + (" NULLS LAST" if is_nullable else "")
        _create_index(f"ix_groups_{attribute}_id", sa.text(ascending), "id")
        _create_index(f"ix_groups_{attribute}_desc_id", sa.text(descending), "id")
    _create_index("ix_groups_owner_id", "owner", "id")
    beginning = f'"left"(description_key, {_PREFIX_LENGTH})' if is_postgresql else "description_key"
    op.create_index(
        "ix_groups_description_key",
        "groups",
        [sa.text(beginning)],
        mariadb_length=_PREFIX_LENGTH,
        if_not_exists=online.may_be_half_done(),
    )
    if is_postgresql and op.get_bind().execute(sa.text(_HAS_TRIGRAMS)).scalar_one():
        for column in _SEARCHED:
            name = f"ix_groups_{column}_trgm"
            op.execute(
                f"CREATE INDEX IF NOT EXISTS {name} ON groups USING gin ({column} gin_trgm_ops)"
            )


def _create_index(name: str, *columns: str | sa.TextClause) -> None:
    again = online.may_be_half_done()
    op.create_index(name, "groups", [*columns], if_not_exists=again)


def _create_memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("group_id", _KEY, nullable=False),
        sa.Column("user_id", _KEY, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", name="pk_memberships"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name="fk_memberships_group_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_memberships_user_id"),
        sqlite_with_rowid=False,
        **_INNODB,
        if_not_exists=online.may_be_half_done(),
    )


def downgrade() -> None:
    again = online.may_be_half_done()
    online.change_table(lambda: op.drop_table("memberships", if_exists=again))
    online.change_table(lambda: op.drop_table("groups", if_exists=again))
