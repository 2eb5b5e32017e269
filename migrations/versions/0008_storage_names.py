"""the name under which a storage host keeps a file, and which payment renewed what

Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("storage_files", schema=None) as batch_op:
        batch_op.add_column(sa.Column("name", sa.Text(), nullable=True))
        batch_op.create_index(batch_op.f("ix_storage_files_name"), ["name"], unique=True)
    op.create_table(
        "storage_renewals",
        sa.Column("payment", sa.String(length=128), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("payment", name=op.f("pk_storage_renewals")),
    )


def downgrade() -> None:
    op.drop_table("storage_renewals")
    with op.batch_alter_table("storage_files", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_storage_files_name"))
        batch_op.drop_column("name")
