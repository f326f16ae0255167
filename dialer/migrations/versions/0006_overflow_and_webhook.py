"""Callers whom the dialer itself has, and the webhook of a number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("attempts", sa.Column("overflowed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "attempts", sa.Column("overflow_answered_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("inbound_numbers", sa.Column("webhook_url", sa.Text, nullable=True))
    op.add_column("inbound_numbers", sa.Column("webhook_secret_sealed", sa.Text, nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("inbound_numbers", "webhook_secret_sealed")
    op.drop_column("inbound_numbers", "webhook_url")
    op.drop_column("attempts", "overflow_answered_at")
    op.drop_column("attempts", "overflowed_at")
