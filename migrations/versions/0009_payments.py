"""payments: what others paid to us, and the coins that they spent

Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payments",
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("good", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("satoshis", sa.BigInteger(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("suffix", sa.Text(), nullable=False),
        sa.Column("beef", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("booked", sa.DateTime(timezone=True), nullable=False),
        sa.Column("doubted", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_look", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("root", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("txid", name=op.f("pk_payments")),
    )
    op.create_index(op.f("ix_payments_buyer_good_state"), "payments", ["buyer", "good", "state"])
    op.create_index(op.f("ix_payments_height_root"), "payments", ["height", "root"])
    op.create_index(op.f("ix_payments_next_look"), "payments", ["next_look"])
    op.create_table(
        "payment_inputs",
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("payment", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["payment"], ["payments.txid"], name=op.f("fk_payment_inputs_payment_payments")),
        sa.PrimaryKeyConstraint("txid", "vout", name=op.f("pk_payment_inputs")),
    )
    op.create_index(op.f("ix_payment_inputs_payment"), "payment_inputs", ["payment"])


def downgrade() -> None:
    op.drop_table("payment_inputs")
    op.drop_table("payments")
