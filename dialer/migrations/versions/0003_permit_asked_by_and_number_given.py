"""Who asked for the permit that was given, and how a number was written that was called."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("attempts", sa.Column("permit_asked_by", sa.String(64), nullable=True))
    op.add_column("calls", sa.Column("phone_number_given", sa.Text, nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("calls", "phone_number_given")
    op.drop_column("attempts", "permit_asked_by")
