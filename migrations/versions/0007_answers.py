"""The owner and the resources of stored responses, and their sizes; an index of actors."""

import sqlalchemy as sa
from alembic import op

from migrations import online

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    again = online.may_be_half_done()
    online.add_column("answers", sa.Column("owner", online.text(64)))
    online.change_table(_create_subjects)  # the foreign key locks `answers`
    op.create_index(
        "ix_answer_subjects_subject_type_subject_id",
        "answer_subjects",
        ["subject_type", "subject_id"],
        if_not_exists=again,
    )
    op.create_table(
        "answer_totals",
        sa.Column("owner", online.text(64), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "hour", "part", name="pk_answer_totals"),
        mariadb_engine="InnoDB",
        mariadb_default_charset="utf8mb4",
        mariadb_collate="utf8mb4_nopad_bin",
        if_not_exists=again,
    )
    op.create_index("ix_answer_totals_hour", "answer_totals", ["hour"], if_not_exists=again)
    # Responses that the previous release stored have no owner.
    online.create_index("ix_answers_owner", "answers (owner)", where="owner IS NULL")
    # A service without access control records no actors, so its events need no index entries.
    length = "(255)" if op.get_context().dialect.name == "mariadb" else ""
    online.create_index("ix_events_actor", f"events (actor{length})", where="actor IS NOT NULL")


def _create_subjects() -> None:
    op.create_table(
        "answer_subjects",
        sa.Column("request_key", online.text(64), nullable=False),
        sa.Column("subject_type", online.text(50), nullable=False),
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
        if_not_exists=online.may_be_half_done(),
    )


def downgrade() -> None:
    again = online.may_be_half_done()
    online.change_table(lambda: op.drop_index("ix_events_actor", "events", if_exists=again))
    op.drop_table("answer_totals", if_exists=again)
    online.change_table(lambda: op.drop_table("answer_subjects", if_exists=again))
    online.change_table(lambda: op.drop_index("ix_answers_owner", "answers", if_exists=again))
    online.drop_column("answers", "owner")
