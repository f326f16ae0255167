"""Our own numbers, and what names the call of an attempt that came in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "inbound_numbers",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("agent", sa.String(128), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("hours", sa.JSON, nullable=True),
        sa.Column("closed_message", sa.Text, nullable=True),
        sa.Column("overflow_number", sa.String(32), nullable=True),
        sa.Column("blocked_callers", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_inbound_numbers_tenant_id_tenants"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_inbound_numbers"),
        sa.UniqueConstraint("number", name="uq_inbound_numbers_number"),
    )
    op.add_column("attempts", sa.Column("bridge_call_id", sa.String(64), nullable=True))
    op.add_column("attempts", sa.Column("leg_identity", sa.String(128), nullable=True))
    op.add_column("attempts", sa.Column("announcement", sa.Text, nullable=True))
    op.create_index("uq_attempts_bridge_call_id", "attempts", ["bridge_call_id"], unique=True)


def downgrade() -> None:
    """Take back."""
    op.drop_index("uq_attempts_bridge_call_id", "attempts")
    op.drop_column("attempts", "announcement")
    op.drop_column("attempts", "leg_identity")
    op.drop_column("attempts", "bridge_call_id")
    op.drop_table("inbound_numbers")
