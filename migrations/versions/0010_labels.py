"""labels: an index for look-up services that bring no tables of their own

Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "host_labels",
        sa.Column("output_id", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(length=50), nullable=False),
        sa.Column("label", sa.String(length=50), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["output_id"], ["host_outputs.id"], name=op.f("fk_host_labels_output_id_host_outputs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("output_id", "service", "label", "value", name=op.f("pk_host_labels")),
    )
    op.create_index(
        op.f("ix_host_labels_service_label_value_output_id"), "host_labels", ["service", "label", "value", "output_id"]
    )


def downgrade() -> None:
    op.drop_table("host_labels")
