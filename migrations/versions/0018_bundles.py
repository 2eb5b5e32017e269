"""bundles: which payments storage hosts keep a sealed copy of, for the day when the gateway's database is lost

Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bundled_payments",
        sa.Column("payment", sa.LargeBinary(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["payment"], ["payments.txid"], name=op.f("fk_bundled_payments_payment_payments")),
        sa.PrimaryKeyConstraint("payment", name=op.f("pk_bundled_payments")),
    )


def downgrade() -> None:
    op.drop_table("bundled_payments")
