"""usage: what each consumer had in a window of time, for quotas

Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consumer_usage",
        sa.Column("resets", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("consumer", sa.LargeBinary(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resets", "seconds", "consumer", name=op.f("pk_consumer_usage")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("consumer_usage")
