"""bans: what a host's operator does not want shown

Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "host_banned_outputs",
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("txid", "vout", name=op.f("pk_host_banned_outputs")),
    )
    op.create_table(
        "host_banned_domains",
        sa.Column("domain", sa.String(length=2048), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_host_banned_domains")),
    )


def downgrade() -> None:
    op.drop_table("host_banned_domains")
    op.drop_table("host_banned_outputs")
