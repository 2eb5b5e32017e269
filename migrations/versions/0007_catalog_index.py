"""catalog index: records by price, licence and region, and which services have indexed what was there before them

Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host_records", sa.Column("price", sa.BigInteger(), nullable=True))
    op.add_column("host_records", sa.Column("price_model", sa.String(length=32), nullable=True))
    op.add_column("host_records", sa.Column("license", sa.Text(), nullable=True))
    for column in ("price", "license", "name"):
        op.create_index(op.f(f"ix_host_records_{column}"), "host_records", [column])
    op.create_table(
        "host_record_regions",
        sa.Column("output_id", sa.Integer(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["output_id"],
            ["host_records.output_id"],
            name=op.f("fk_host_record_regions_output_id_host_records"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("output_id", "region", name=op.f("pk_host_record_regions")),
    )
    op.create_index(op.f("ix_host_record_regions_region"), "host_record_regions", ["region"])
    op.create_table(
        "host_indexes",
        sa.Column("service", sa.String(length=50), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("reached", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("service", name=op.f("pk_host_indexes")),
    )
    # What these have indexed is whole, and as it was; the catalog reads its records again, for prices and the like.
    op.execute(
        "INSERT INTO host_indexes (service, version) VALUES ('ls_ship', '1'), ('ls_slap', '1'), ('ls_uhrp', '1')"
    )


def downgrade() -> None:
    op.drop_table("host_indexes")
    op.drop_table("host_record_regions")
    for column in ("name", "license", "price"):
        op.drop_index(op.f(f"ix_host_records_{column}"), "host_records")
    with op.batch_alter_table("host_records") as table:
        for column in ("license", "price_model", "price"):
            table.drop_column(column)
