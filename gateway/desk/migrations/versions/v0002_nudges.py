"""Nudges, urgent notices first, and indexes for emergencies and the schedule.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the nudges' table, the notices' urgency and two indexes."""
    op.add_column("notices", sa.Column("urgent", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "nudges",
        sa.Column("submission", sa.String(length=80), nullable=False),
        sa.Column("after", sa.String(length=24), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("command", sa.String(length=80), nullable=False),
        sa.Column("sent_to", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("submission", "after", name=op.f("pk_nudges")),
    )
    op.create_index(op.f("ix_nudges_by_command"), "nudges", ["by", "command"], unique=True)
    op.create_index(op.f("ix_read_submissions_emergency_made_at"), "read_submissions", ["emergency", "made_at"])
    op.create_index(op.f("ix_read_submissions_scheduled"), "read_submissions", ["scheduled"])


def downgrade() -> None:
    """Refuse: what people were told is not forgotten.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("a nudge that was sent stays remembered")
