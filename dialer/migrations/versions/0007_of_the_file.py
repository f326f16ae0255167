"""Which numbers were made by a file, and the trunks that calls come in by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "inbound_numbers",
        sa.Column("deployment", sa.String(16), nullable=False, server_default=""),
    )
    op.create_table(
        "inbound_trunks",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("deployment", sa.String(16), nullable=False),
        sa.Column("numbers", sa.JSON, nullable=False),
        sa.Column("allowed_addresses", sa.JSON, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("sealed_password", sa.Text, nullable=False),
        sa.Column("encryption", sa.String(8), nullable=False),
        sa.Column("agent_name", sa.Text, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_inbound_trunks"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("inbound_trunks")
    op.drop_column("inbound_numbers", "deployment")
