"""paging: look-ups find their page by an index, however much there is before and behind it

Revises: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_NEW = {
    "host_ads": (("identity", "output_id"), ("name", "output_id"), ("url", "name", "identity")),
    "host_records": (("producer", "output_id"), ("kind", "output_id")),
}
_FORMER = ("identity", "name", "url")
"""Of host_ads: the beginnings of the new ones, so that nobody misses them."""


def upgrade() -> None:
    for table, indexes in _NEW.items():
        for columns in indexes:
            op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))
    for column in _FORMER:
        op.drop_index(op.f(f"ix_host_ads_{column}"), "host_ads")


def downgrade() -> None:
    for column in _FORMER:
        op.create_index(op.f(f"ix_host_ads_{column}"), "host_ads", [column])
    for table, indexes in _NEW.items():
        for columns in indexes:
            op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table)
