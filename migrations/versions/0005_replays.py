"""replays: messages of authenticated clients that were seen

Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replays",
        sa.Column("span", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("span", "message", name=op.f("pk_replays")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("replays")
