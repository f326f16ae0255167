"""What a long history made slow, and the codecs of trunks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ROOM_LEFT = sa.text("ended_at IS NOT NULL AND room IS NOT NULL AND room_gone_at IS NULL")


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_attempts_room_left",
        "attempts",
        ["ended_at"],
        sqlite_where=_ROOM_LEFT,
        postgresql_where=_ROOM_LEFT,
    )
    op.add_column("trunks", sa.Column("codecs", sa.JSON, nullable=False, server_default="[]"))
    op.create_table(
        "ended_calls",
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("ended_reason", sa.String(32), nullable=False),
        sa.Column("part", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("outcome", "ended_reason", "part", name="pk_ended_calls"),
    )
    op.execute(
        "INSERT INTO ended_calls (outcome, ended_reason, part, calls) "
        "SELECT outcome, ended_reason, 0, count(*) FROM calls "
        "WHERE outcome IS NOT NULL AND ended_reason IS NOT NULL GROUP BY outcome, ended_reason"
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("ended_calls")
    op.drop_column("trunks", "codecs")
    op.drop_index("ix_attempts_room_left", "attempts")
