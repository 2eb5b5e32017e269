"""handovers: which ARC was given which transaction

Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "handovers",
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("arc", sa.Text(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["txid"],
            ["transactions.txid"],
            name=op.f("fk_handovers_txid_transactions"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("txid", "arc", name=op.f("pk_handovers")),
    )
    # Who was given what is on its way now, nobody has written down: somebody was.
    op.execute(
        """
        INSERT INTO handovers (txid, arc)
        SELECT journal_transactions.txid, '' FROM journal_transactions
        JOIN journal ON journal.id = journal_transactions.entry
        WHERE (position = 0 AND state <> 'prepared') OR state IN ('contested', 'seen', 'mined')
        """
    )


def downgrade() -> None:
    op.drop_table("handovers")
