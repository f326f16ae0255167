"""The switch between the two LiveKits, and who turned it when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
# The newest revision before this one.
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "livekit_turns",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("use", sa.String(16), nullable=False),
        sa.Column("turned_by", sa.String(128), nullable=False),
        sa.Column("turned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_livekit_turns"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("livekit_turns")
