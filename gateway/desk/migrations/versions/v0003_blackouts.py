"""Blackouts.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the blackouts' table; it fills from the log like everything the desk reads."""
    op.create_table(
        "read_blackouts",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("target", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("start", sa.String(length=24), nullable=False),
        sa.Column("end", sa.String(length=24), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_blackouts")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("read_blackouts")
