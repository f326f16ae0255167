"""Trunks, what became of the calls that left by them, and which trunk an attempt takes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "trunks",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("livekit_name", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("transport", sa.String(8), nullable=False),
        sa.Column("numbers", sa.JSON, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("sealed_password", sa.Text, nullable=False),
        sa.Column("prefixes", sa.JSON, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("cps", sa.Float, nullable=False),
        sa.Column("concurrency", sa.Integer, nullable=True),
        sa.Column("destination_country", sa.String(2), nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("encryption", sa.String(8), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("deployment", sa.String(16), nullable=False),
        sa.Column("marks", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_trunks"),
    )
    op.create_table(
        "trunk_uses",
        sa.Column("attempt_id", sa.String(64), nullable=False),
        sa.Column("fence", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("trunk", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("answered", sa.Boolean, nullable=False),
        sa.Column("talked", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", "fence", name="pk_trunk_uses"),
    )
    op.create_index("ix_trunk_uses_at", "trunk_uses", ["at", "trunk"])
    op.add_column("calls", sa.Column("caller_id_given", sa.Boolean, nullable=True))
    op.add_column("attempts", sa.Column("trunk", sa.String(64), nullable=True))
    op.add_column("attempts", sa.Column("refused_by", sa.JSON, nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("attempts", "refused_by")
    op.drop_column("attempts", "trunk")
    op.drop_column("calls", "caller_id_given")
    op.drop_index("ix_trunk_uses_at", "trunk_uses")
    op.drop_table("trunk_uses")
    op.drop_table("trunks")
