"""peers: when a host's outputs came, for those who catch up with it

Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("host_outputs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("score", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.create_index(batch_op.f("ix_host_outputs_topic_score"), ["topic", "score"], unique=False)
    op.execute("UPDATE host_outputs SET score = id")  # the order in which they came is what counts


def downgrade() -> None:
    with op.batch_alter_table("host_outputs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_outputs_topic_score"))
        batch_op.drop_column("score")
