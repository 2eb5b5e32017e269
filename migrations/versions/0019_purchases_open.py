"""what was paid and not had is found without reading every payment that storage hosts ever got

Revises: 0018
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_purchases_until"), "purchases", ["until"])


def downgrade() -> None:
    op.drop_index(op.f("ix_purchases_until"), table_name="purchases")
