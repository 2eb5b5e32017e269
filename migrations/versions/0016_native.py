"""native: templates, credits, and what becomes of the money (settlements and refunds)

Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_templates",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("good", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("portions", sa.JSON(), nullable=False),
        sa.Column("accept", sa.Text(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_templates")),
        sa.UniqueConstraint("quote", name=op.f("uq_payment_templates_quote")),
    )
    op.create_index(op.f("ix_payment_templates_buyer_expires"), "payment_templates", ["buyer", "expires"])
    op.create_table(
        "payee_outputs",
        sa.Column("payment", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("payee", sa.LargeBinary(), nullable=False),
        sa.Column("satoshis", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["payment"], ["payments.txid"], name=op.f("fk_payee_outputs_payment_payments")),
        sa.PrimaryKeyConstraint("payment", "vout", name=op.f("pk_payee_outputs")),
    )
    op.create_index(op.f("ix_payee_outputs_payee"), "payee_outputs", ["payee"])
    op.create_table(
        "buyer_credits",
        sa.Column("payment", sa.LargeBinary(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("satoshis", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["payment"], ["payments.txid"], name=op.f("fk_buyer_credits_payment_payments")),
        sa.PrimaryKeyConstraint("payment", name=op.f("pk_buyer_credits")),
    )
    op.create_index(op.f("ix_buyer_credits_buyer"), "buyer_credits", ["buyer"])
    op.create_table(
        "credit_uses",
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("satoshis", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payment", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["payment"], ["payments.txid"], name=op.f("fk_credit_uses_payment_payments")),
        sa.PrimaryKeyConstraint("quote", name=op.f("pk_credit_uses")),
        sa.UniqueConstraint("payment", name=op.f("uq_credit_uses_payment")),
    )
    op.create_index(op.f("ix_credit_uses_buyer"), "credit_uses", ["buyer"])
    op.create_table(
        "payouts",
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("satoshis", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("beef", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("doubted", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_look", sa.DateTime(timezone=True), nullable=True),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("root", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("txid", name=op.f("pk_payouts")),
    )
    op.create_index(op.f("ix_payouts_height_root"), "payouts", ["height", "root"])
    op.create_index(op.f("ix_payouts_next_look"), "payouts", ["next_look"])
    op.create_index(op.f("ix_payouts_recipient_height"), "payouts", ["recipient", "height"])
    op.create_index(op.f("ix_payouts_state"), "payouts", ["state"])
    op.create_table(
        "payout_inputs",
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("payout", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["payout"], ["payouts.txid"], name=op.f("fk_payout_inputs_payout_payouts")),
        sa.PrimaryKeyConstraint("txid", "vout", name=op.f("pk_payout_inputs")),
    )
    op.create_index(op.f("ix_payout_inputs_payout"), "payout_inputs", ["payout"])


def downgrade() -> None:
    for table in ("payout_inputs", "payouts", "credit_uses", "buyer_credits", "payee_outputs", "payment_templates"):
        op.drop_table(table)
