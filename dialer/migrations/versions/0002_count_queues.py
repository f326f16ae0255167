"""An index that is enough to count how many calls of a tenant wait."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_calls_tenant_status", "calls", ["tenant_id", "status"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_calls_tenant_status", "calls")
