"""Languages.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of the languages that people chose."""
    op.create_table(
        "languages",
        sa.Column("person", sa.String(length=80), nullable=False),
        sa.Column("lang", sa.String(length=2), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_languages")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("languages")
