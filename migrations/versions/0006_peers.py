"""peers: when a host's outputs came, for those who catch up with it; and what it knows of other hosts and owes them

Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("host_outputs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("score", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.create_index(batch_op.f("ix_host_outputs_topic_score"), ["topic", "score"], unique=False)
        batch_op.create_index(batch_op.f("ix_host_outputs_complete_topic"), ["complete", "topic"], unique=False)
    op.execute("UPDATE host_outputs SET score = id")  # the order in which they came is what counts
    op.create_table(
        "host_peers",
        sa.Column("url", sa.String(length=1024), nullable=False),
        sa.Column("successes", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("streak", sa.Integer(), nullable=False),
        sa.Column("latency", sa.Integer(), nullable=False),
        sa.Column("rests_until", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_host_peers")),
    )
    with op.batch_alter_table("host_peers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_host_peers_asked"), ["asked"], unique=False)
    op.create_table(
        "host_progress",
        sa.Column("peer", sa.String(length=1024), nullable=False),
        sa.Column("topic", sa.String(length=50), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("began", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "topic", name=op.f("pk_host_progress")),
    )
    op.create_table(
        "host_forwards",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("topic", sa.String(length=50), nullable=False),
        sa.Column("peer", sa.String(length=1024), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_forwards")),
        sa.UniqueConstraint("txid", "topic", "peer", name=op.f("uq_host_forwards_txid_topic_peer")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("host_forwards", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_host_forwards_due"), ["due"], unique=False)
    op.create_table(
        "host_wants",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_host_wants")),
    )


def downgrade() -> None:
    op.drop_table("host_wants")
    op.drop_table("host_forwards")
    op.drop_table("host_progress")
    op.drop_table("host_peers")
    with op.batch_alter_table("host_outputs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_outputs_complete_topic"))
        batch_op.drop_index(batch_op.f("ix_host_outputs_topic_score"))
        batch_op.drop_column("score")
