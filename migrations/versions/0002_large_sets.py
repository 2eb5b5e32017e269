"""Journal entries of large sets: what each is to its apply, and in which order they are sent.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Entries that are there were of one kind, but for splitters, which publish nothing and come first."""
    op.add_column("journal", sa.Column("role", sa.Text(), nullable=False, server_default="root"))
    op.add_column("journal", sa.Column("place", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE journal SET place = 1")
    op.execute("UPDATE journal SET role = 'splitter', place = 0 WHERE length(outcome) = 0")


def downgrade() -> None:
    """An older program would give up what belongs to a lock: nothing may be unfinished."""
    with op.batch_alter_table("journal") as table:
        table.drop_column("place")
        table.drop_column("role")
