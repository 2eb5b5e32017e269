"""receipts: payments by any method, what was sold for them, and what was had for that

Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("method", sa.Text(), server_default="brc105", nullable=False),
        sa.Column("vout", sa.BigInteger(), server_default="0", nullable=True),
        sa.Column("accept", sa.Text(), server_default="seen", nullable=False),
        sa.Column("terms", sa.JSON(none_as_null=True), nullable=True),
    ):
        op.add_column("payments", column)
    op.add_column("producer_consumers", sa.Column("status_before", sa.Text(), nullable=True))
    op.create_index(op.f("ix_producer_revenue_content_id"), "producer_revenue", ["content_id"])
    op.create_table(
        "receipts",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("good", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("downloads", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("used_downloads", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["txid"], ["payments.txid"], name=op.f("fk_receipts_txid_payments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint("txid", name=op.f("uq_receipts_txid")),
    )
    op.create_index(op.f("ix_receipts_buyer_good_until"), "receipts", ["buyer", "good", "until"])


def downgrade() -> None:
    op.drop_table("receipts")
    op.drop_index(op.f("ix_producer_revenue_content_id"), "producer_revenue")
    op.drop_column("producer_consumers", "status_before")
    for column in ("terms", "accept", "vout", "method"):
        op.drop_column("payments", column)
