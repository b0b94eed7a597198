"""The owner and the resources of stored responses, and their sizes; an index of actors."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _text(length: int | None = None) -> sa.String:
    """Text that is ordered by code point on every database."""
    kind = sa.Text if length is None else sa.String
    return (
        kind(length)
        .with_variant(kind(length, collation="C"), "postgresql")
        .with_variant(kind(length, collation="BINARY"), "sqlite")
        .with_variant(kind(length, collation="utf8mb4_nopad_bin"), "mysql", "mariadb")
    )


# Responses of the release before have no owner.
_WITHOUT_OWNER = "answers (owner) WHERE owner IS NULL"
# An open service records no actors: its events need no entries.
_ACTORS = "events (actor) WHERE actor IS NOT NULL"
_INDEXES = {"ix_answers_owner": _WITHOUT_OWNER, "ix_events_actor": _ACTORS}
_OF_MARIADB = {"ix_answers_owner": "answers (owner)", "ix_events_actor": "events (actor(255))"}
_UNFINISHED = """
SELECT EXISTS (
    SELECT FROM pg_index WHERE indexrelid = to_regclass('{}') AND NOT indisvalid
)
"""


def upgrade() -> None:
    op.add_column("answers", sa.Column("owner", _text(64)), if_not_exists=_may_be_half_done())
    op.create_table(
        "answer_subjects",
        sa.Column("request_key", _text(64), nullable=False),
        sa.Column("subject_type", _text(50), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "request_key", "subject_type", "subject_id", name="pk_answer_subjects"
        ),
        sa.ForeignKeyConstraint(
            ["request_key"],
            ["answers.request_key"],
            name="fk_answer_subjects_request_key",
            ondelete="CASCADE",
        ),
        mariadb_engine="InnoDB",
        mariadb_default_charset="utf8mb4",
        mariadb_collate="utf8mb4_nopad_bin",
        if_not_exists=_may_be_half_done(),
    )
    op.create_index(
        "ix_answer_subjects_subject_type_subject_id",
        "answer_subjects",
        ["subject_type", "subject_id"],
        if_not_exists=_may_be_half_done(),
    )
    op.create_table(
        "answer_totals",
        sa.Column("owner", _text(64), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "hour", "part", name="pk_answer_totals"),
        mariadb_engine="InnoDB",
        mariadb_default_charset="utf8mb4",
        mariadb_collate="utf8mb4_nopad_bin",
        if_not_exists=_may_be_half_done(),
    )
    name = "ix_answer_totals_hour"
    op.create_index(name, "answer_totals", ["hour"], if_not_exists=_may_be_half_done())
    _build_indexes()


def _build_indexes() -> None:
    database = op.get_context().dialect.name
    if database == "postgresql":
        _build_beside_writers()
        return
    perhaps = "IF NOT EXISTS " if _may_be_half_done() else ""
    for name, of in (_OF_MARIADB if database == "mariadb" else _INDEXES).items():
        op.execute(f"CREATE INDEX {perhaps}{name} ON {of}")


def _build_beside_writers() -> None:
    """Outside a transaction, PostgreSQL builds an index without blocking writers.

    An index whose build was interrupted exists, but is invalid.
    """
    op.execute("COMMIT")
    for name, of in _INDEXES.items():
        if op.get_bind().execute(sa.text(_UNFINISHED.format(name))).scalar_one():
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {of}")
    op.execute("BEGIN")


def downgrade() -> None:
    op.drop_index("ix_events_actor", "events", if_exists=_may_be_half_done())
    op.drop_table("answer_totals", if_exists=_may_be_half_done())
    op.drop_table("answer_subjects", if_exists=_may_be_half_done())
    op.drop_index("ix_answers_owner", "answers", if_exists=_may_be_half_done())
    op.drop_column("answers", "owner", if_exists=_may_be_half_done())


def _may_be_half_done() -> bool:
    """Whether an interrupted revision runs again from its start.

    MariaDB commits each statement. PostgreSQL commits before it builds indexes.
    """
    return op.get_context().dialect.name in ("mariadb", "postgresql")
