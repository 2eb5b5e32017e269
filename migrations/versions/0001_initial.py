"""initial

Revises: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:  # noqa: PLR0915 - a statement for each table and index
    op.create_table(
        "documents",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_documents")),
    )
    op.create_table(
        "generations",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("state_root", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_count", sa.Integer(), nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=False),
        sa.Column("commit_id", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("generation", name=op.f("pk_generations")),
    )
    op.create_table(
        "host_transactions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("shadowed", sa.Boolean(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=True),
        sa.Column("root", sa.LargeBinary(), nullable=True),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_transactions")),
        sa.UniqueConstraint("txid", name=op.f("uq_host_transactions_txid")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("host_transactions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_host_transactions_asked"), ["asked"], unique=False)
        batch_op.create_index(batch_op.f("ix_host_transactions_height"), ["height"], unique=False)

    op.create_table(
        "journal",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.LargeBinary(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
    )
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_journal_created"), ["created"], unique=False)
        batch_op.create_index(batch_op.f("ix_journal_state"), ["state"], unique=False)

    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("boot", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "producer_identities",
        sa.Column("producer_id", sa.Text(), nullable=False),
        sa.Column("identity_key", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("contact_info", sa.JSON(none_as_null=True), server_default="{}", nullable=False),
        sa.Column("capabilities", sa.JSON(none_as_null=True), server_default="[]", nullable=False),
        sa.Column("geographic_regions", sa.JSON(none_as_null=True), server_default="[]", nullable=False),
        sa.Column("reputation_score", sa.Numeric(precision=3, scale=2), server_default="0.0", nullable=False),
        sa.Column("total_revenue_satoshis", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.PrimaryKeyConstraint("producer_id", name=op.f("pk_producer_identities")),
        sa.UniqueConstraint("identity_key", name=op.f("uq_producer_identities_identity_key")),
    )
    op.create_table(
        "published_ads",
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("protocol", "name", "url", name=op.f("pk_published_ads")),
    )
    op.create_table(
        "published_records",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("document_hash", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("sealed", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_published_records")),
    )
    op.create_table(
        "published_replicas",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("parts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "host", name=op.f("pk_published_replicas")),
    )
    op.create_table(
        "published_root",
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("document_hash", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("sealed", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state_root", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_count", sa.Integer(), nullable=False),
        sa.Column("gateway_key", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("network_id", sa.LargeBinary(), nullable=False),
        sa.Column("ads", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("settings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("identity", name=op.f("pk_published_root")),
    )
    op.create_table(
        "sealed_parts",
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("key_commitment", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("salted", sa.LargeBinary(), nullable=False),
        sa.Column("parts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("tags", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "content", name=op.f("pk_sealed_parts")),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "storage_files",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_storage_files")),
    )
    with op.batch_alter_table("storage_files", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_storage_files_expires"), ["expires"], unique=False)

    op.create_table(
        "transactions",
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("txid", name=op.f("pk_transactions")),
    )
    with op.batch_alter_table("transactions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_transactions_height"), ["height"], unique=False)

    op.create_table(
        "coins",
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("satoshis", sa.BigInteger(), nullable=False),
        sa.Column("locking", sa.LargeBinary(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("counterparty", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("entry", sa.Text(), nullable=True),
        sa.Column("spent_by", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["journal.id"],
            name=op.f("fk_coins_created_by_journal"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["entry"], ["journal.id"], name=op.f("fk_coins_entry_journal"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["txid"],
            ["transactions.txid"],
            name=op.f("fk_coins_txid_transactions"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("txid", "vout", name=op.f("pk_coins")),
    )
    with op.batch_alter_table("coins", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_coins_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_coins_entry"), ["entry"], unique=False)
        batch_op.create_index(batch_op.f("ix_coins_state"), ["state"], unique=False)

    op.create_table(
        "host_outputs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=50), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["txid"],
            ["host_transactions.txid"],
            name=op.f("fk_host_outputs_txid_host_transactions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_outputs")),
        sa.UniqueConstraint("txid", "vout", "topic", name=op.f("uq_host_outputs_txid_vout_topic")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "host_spends",
        sa.Column("spent_txid", sa.LargeBinary(), nullable=False),
        sa.Column("spent_vout", sa.BigInteger(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["txid"], ["host_transactions.txid"], name=op.f("fk_host_spends_txid_host_transactions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("spent_txid", "spent_vout", "txid", name=op.f("pk_host_spends")),
    )
    with op.batch_alter_table("host_spends", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_host_spends_txid"), ["txid"], unique=False)

    op.create_table(
        "journal_transactions",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["journal.id"], name=op.f("fk_journal_transactions_entry_journal")),
        sa.ForeignKeyConstraint(
            ["txid"],
            ["transactions.txid"],
            name=op.f("fk_journal_transactions_txid_transactions"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("entry", "position", name=op.f("pk_journal_transactions")),
        sa.UniqueConstraint("txid", name=op.f("uq_journal_transactions_txid")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("topics", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("documents", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry"], ["journal.id"], name=op.f("fk_outbox_entry_journal"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("entry", "host", "txid", name=op.f("uq_outbox_entry_host_txid")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_state"), ["state"], unique=False)

    op.create_table(
        "producer_advertisements",
        sa.Column("advertisement_id", sa.Text(), nullable=False),
        sa.Column("producer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("service_type", sa.Text(), nullable=False),
        sa.Column("capability", sa.Text(), nullable=False),
        sa.Column("ship_advertisement_data", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("slap_advertisement_data", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("pricing_model", sa.Text(), nullable=False),
        sa.Column("base_rate_satoshis", sa.BigInteger(), nullable=False),
        sa.Column("geographic_scope", sa.JSON(none_as_null=True), server_default='["global"]', nullable=False),
        sa.Column("availability_sla", sa.Numeric(precision=5, scale=2), server_default="99.0", nullable=False),
        sa.Column("max_consumers", sa.Integer(), server_default="1000", nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["producer_id"],
            ["producer_identities.producer_id"],
            name=op.f("fk_producer_advertisements_producer_id_producer_identities"),
        ),
        sa.PrimaryKeyConstraint("advertisement_id", name=op.f("pk_producer_advertisements")),
        sa.UniqueConstraint("producer_id", "name", name=op.f("uq_producer_advertisements_producer_id_name")),
    )
    with op.batch_alter_table("producer_advertisements", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_producer_advertisements_capability"), ["capability"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_producer_advertisements_producer_id_status"), ["producer_id", "status"], unique=False
        )

    op.create_table(
        "producer_analytics",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("producer_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("consumer_id", sa.Text(), nullable=True),
        sa.Column("event_data", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("revenue_generated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("brc64_lineage_data", sa.JSON(none_as_null=True), nullable=True),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["producer_id"],
            ["producer_identities.producer_id"],
            name=op.f("fk_producer_analytics_producer_id_producer_identities"),
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_producer_analytics")),
    )
    with op.batch_alter_table("producer_analytics", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_producer_analytics_producer_id_event_type_recorded_at"),
            ["producer_id", "event_type", "recorded_at"],
            unique=False,
        )

    op.create_table(
        "producer_consumers",
        sa.Column("relationship_id", sa.Text(), nullable=False),
        sa.Column("producer_id", sa.Text(), nullable=False),
        sa.Column("consumer_id", sa.Text(), nullable=False),
        sa.Column(
            "first_interaction_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("(CURRENT_TIMESTAMP)"),
            nullable=False,
        ),
        sa.Column(
            "last_interaction_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("(CURRENT_TIMESTAMP)"),
            nullable=False,
        ),
        sa.Column("total_payments_satoshis", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_data_transferred_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("relationship_status", sa.Text(), server_default="active", nullable=False),
        sa.Column("consumer_tier", sa.Text(), server_default="standard", nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["producer_id"],
            ["producer_identities.producer_id"],
            name=op.f("fk_producer_consumers_producer_id_producer_identities"),
        ),
        sa.PrimaryKeyConstraint("relationship_id", name=op.f("pk_producer_consumers")),
        sa.UniqueConstraint("producer_id", "consumer_id", name=op.f("uq_producer_consumers_producer_id_consumer_id")),
    )
    op.create_table(
        "producer_revenue",
        sa.Column("revenue_id", sa.Text(), nullable=False),
        sa.Column("producer_id", sa.Text(), nullable=False),
        sa.Column("consumer_id", sa.Text(), nullable=True),
        sa.Column("content_id", sa.Text(), nullable=True),
        sa.Column("stream_id", sa.Text(), nullable=True),
        sa.Column("payment_method", sa.Text(), nullable=False),
        sa.Column("amount_satoshis", sa.BigInteger(), nullable=False),
        sa.Column("brc22_transaction_id", sa.LargeBinary(), nullable=True),
        sa.Column("d21_template_id", sa.Text(), nullable=True),
        sa.Column("payment_status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("revenue_splits", sa.JSON(none_as_null=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["producer_id"],
            ["producer_identities.producer_id"],
            name=op.f("fk_producer_revenue_producer_id_producer_identities"),
        ),
        sa.PrimaryKeyConstraint("revenue_id", name=op.f("pk_producer_revenue")),
    )
    with op.batch_alter_table("producer_revenue", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_producer_revenue_producer_id_created_at"), ["producer_id", "created_at"], unique=False
        )

    op.create_table(
        "producer_streams",
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("producer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("stream_format", sa.Text(), nullable=False),
        sa.Column("update_frequency_ms", sa.Integer(), nullable=False),
        sa.Column("price_per_minute_satoshis", sa.BigInteger(), nullable=False),
        sa.Column("max_consumers", sa.Integer(), server_default="100", nullable=False),
        sa.Column("current_consumers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stream_status", sa.Text(), server_default="stopped", nullable=False),
        sa.Column("quality_settings", sa.JSON(none_as_null=True), server_default="{}", nullable=False),
        sa.Column("historical_buffer_hours", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total_streaming_hours", sa.Numeric(precision=10, scale=2), server_default="0", nullable=False),
        sa.Column("total_revenue_satoshis", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.Column(
            "last_updated", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["producer_id"],
            ["producer_identities.producer_id"],
            name=op.f("fk_producer_streams_producer_id_producer_identities"),
        ),
        sa.PrimaryKeyConstraint("stream_id", name=op.f("pk_producer_streams")),
        sa.UniqueConstraint("producer_id", "name", name=op.f("uq_producer_streams_producer_id_name")),
    )
    with op.batch_alter_table("producer_streams", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_producer_streams_producer_id_stream_status"), ["producer_id", "stream_status"], unique=False
        )

    op.create_table(
        "published_content",
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("producer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uhrp_hash", sa.LargeBinary(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("file_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("tags", sa.JSON(none_as_null=True), server_default="[]", nullable=False),
        sa.Column("pricing", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("license_type", sa.Text(), server_default="commercial", nullable=True),
        sa.Column("brc22_transaction_id", sa.LargeBinary(), nullable=True),
        sa.Column("distribution_nodes", sa.JSON(none_as_null=True), server_default="[]", nullable=False),
        sa.Column("download_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total_revenue_satoshis", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["producer_id"],
            ["producer_identities.producer_id"],
            name=op.f("fk_published_content_producer_id_producer_identities"),
        ),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_published_content")),
        sa.UniqueConstraint("producer_id", "name", name=op.f("uq_published_content_producer_id_name")),
    )
    with op.batch_alter_table("published_content", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_published_content_producer_id_created_at"), ["producer_id", "created_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_published_content_uhrp_hash"), ["uhrp_hash"], unique=False)

    op.create_table(
        "storage_adverts",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("txid", sa.LargeBinary(), nullable=False),
        sa.Column("vout", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"],
            ["storage_files.sha256"],
            name=op.f("fk_storage_adverts_sha256_storage_files"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_storage_adverts")),
    )
    with op.batch_alter_table("storage_adverts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_storage_adverts_txid"), ["txid"], unique=False)

    op.create_table(
        "storage_uploads",
        sa.Column("object_id", sa.String(length=64), nullable=False),
        sa.Column("uploader", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"],
            ["storage_files.sha256"],
            name=op.f("fk_storage_uploads_sha256_storage_files"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("object_id", name=op.f("pk_storage_uploads")),
    )
    with op.batch_alter_table("storage_uploads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_storage_uploads_sha256"), ["sha256"], unique=False)
        batch_op.create_index(batch_op.f("ix_storage_uploads_uploader"), ["uploader"], unique=False)

    op.create_table(
        "content_distribution",
        sa.Column("distribution_id", sa.Text(), nullable=False),
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("overlay_node_id", sa.Text(), nullable=False),
        sa.Column("distribution_status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("replication_factor", sa.Integer(), server_default="1", nullable=False),
        sa.Column("last_sync_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("node_response_time_ms", sa.Integer(), nullable=True),
        sa.Column("availability_score", sa.Numeric(precision=5, scale=2), server_default="100.0", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["content_id"],
            ["published_content.content_id"],
            name=op.f("fk_content_distribution_content_id_published_content"),
        ),
        sa.PrimaryKeyConstraint("distribution_id", name=op.f("pk_content_distribution")),
        sa.UniqueConstraint(
            "content_id", "overlay_node_id", name=op.f("uq_content_distribution_content_id_overlay_node_id")
        ),
    )
    with op.batch_alter_table("content_distribution", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_content_distribution_content_id_distribution_status"),
            ["content_id", "distribution_status"],
            unique=False,
        )

    op.create_table(
        "host_ads",
        sa.Column("output_id", sa.Integer(), nullable=False),
        sa.Column("protocol", sa.String(length=4), nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.ForeignKeyConstraint(
            ["output_id"], ["host_outputs.id"], name=op.f("fk_host_ads_output_id_host_outputs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("output_id", name=op.f("pk_host_ads")),
    )
    with op.batch_alter_table("host_ads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_host_ads_identity"), ["identity"], unique=False)
        batch_op.create_index(batch_op.f("ix_host_ads_name"), ["name"], unique=False)
        batch_op.create_index(batch_op.f("ix_host_ads_url"), ["url"], unique=False)

    op.create_table(
        "host_adverts",
        sa.Column("output_id", sa.Integer(), nullable=False),
        sa.Column("host", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["output_id"], ["host_outputs.id"], name=op.f("fk_host_adverts_output_id_host_outputs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("output_id", name=op.f("pk_host_adverts")),
    )
    with op.batch_alter_table("host_adverts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_host_adverts_host"), ["host"], unique=False)
        batch_op.create_index(batch_op.f("ix_host_adverts_sha256"), ["sha256"], unique=False)

    op.create_table(
        "host_needs",
        sa.Column("output_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["output_id"], ["host_outputs.id"], name=op.f("fk_host_needs_output_id_host_outputs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("output_id", "digest", name=op.f("pk_host_needs")),
    )
    with op.batch_alter_table("host_needs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_host_needs_digest"), ["digest"], unique=False)

    op.create_table(
        "host_records",
        sa.Column("output_id", sa.Integer(), nullable=False),
        sa.Column("producer", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["output_id"], ["host_outputs.id"], name=op.f("fk_host_records_output_id_host_outputs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("output_id", name=op.f("pk_host_records")),
    )
    with op.batch_alter_table("host_records", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_host_records_producer_kind_name"), ["producer", "kind", "name"], unique=False
        )

    op.create_table(
        "host_record_capabilities",
        sa.Column("output_id", sa.Integer(), nullable=False),
        sa.Column("capability", sa.String(length=42), nullable=False),
        sa.ForeignKeyConstraint(
            ["output_id"],
            ["host_records.output_id"],
            name=op.f("fk_host_record_capabilities_output_id_host_records"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("output_id", "capability", name=op.f("pk_host_record_capabilities")),
    )
    with op.batch_alter_table("host_record_capabilities", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_host_record_capabilities_capability"), ["capability"], unique=False)

    op.create_table(
        "host_record_tags",
        sa.Column("output_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["output_id"],
            ["host_records.output_id"],
            name=op.f("fk_host_record_tags_output_id_host_records"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("output_id", "tag", name=op.f("pk_host_record_tags")),
    )
    with op.batch_alter_table("host_record_tags", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_host_record_tags_tag"), ["tag"], unique=False)


def downgrade() -> None:  # noqa: PLR0915 - a statement for each table and index
    with op.batch_alter_table("host_record_tags", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_record_tags_tag"))

    op.drop_table("host_record_tags")
    with op.batch_alter_table("host_record_capabilities", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_record_capabilities_capability"))

    op.drop_table("host_record_capabilities")
    with op.batch_alter_table("host_records", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_records_producer_kind_name"))

    op.drop_table("host_records")
    with op.batch_alter_table("host_needs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_needs_digest"))

    op.drop_table("host_needs")
    with op.batch_alter_table("host_adverts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_adverts_sha256"))
        batch_op.drop_index(batch_op.f("ix_host_adverts_host"))

    op.drop_table("host_adverts")
    with op.batch_alter_table("host_ads", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_ads_url"))
        batch_op.drop_index(batch_op.f("ix_host_ads_name"))
        batch_op.drop_index(batch_op.f("ix_host_ads_identity"))

    op.drop_table("host_ads")
    with op.batch_alter_table("content_distribution", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_content_distribution_content_id_distribution_status"))

    op.drop_table("content_distribution")
    with op.batch_alter_table("storage_uploads", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_storage_uploads_uploader"))
        batch_op.drop_index(batch_op.f("ix_storage_uploads_sha256"))

    op.drop_table("storage_uploads")
    with op.batch_alter_table("storage_adverts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_storage_adverts_txid"))

    op.drop_table("storage_adverts")
    with op.batch_alter_table("published_content", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_published_content_uhrp_hash"))
        batch_op.drop_index(batch_op.f("ix_published_content_producer_id_created_at"))

    op.drop_table("published_content")
    with op.batch_alter_table("producer_streams", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_producer_streams_producer_id_stream_status"))

    op.drop_table("producer_streams")
    with op.batch_alter_table("producer_revenue", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_producer_revenue_producer_id_created_at"))

    op.drop_table("producer_revenue")
    op.drop_table("producer_consumers")
    with op.batch_alter_table("producer_analytics", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_producer_analytics_producer_id_event_type_recorded_at"))

    op.drop_table("producer_analytics")
    with op.batch_alter_table("producer_advertisements", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_producer_advertisements_producer_id_status"))
        batch_op.drop_index(batch_op.f("ix_producer_advertisements_capability"))

    op.drop_table("producer_advertisements")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_state"))

    op.drop_table("outbox")
    op.drop_table("journal_transactions")
    with op.batch_alter_table("host_spends", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_spends_txid"))

    op.drop_table("host_spends")
    op.drop_table("host_outputs")
    with op.batch_alter_table("coins", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_coins_state"))
        batch_op.drop_index(batch_op.f("ix_coins_entry"))
        batch_op.drop_index(batch_op.f("ix_coins_created_by"))

    op.drop_table("coins")
    with op.batch_alter_table("transactions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_transactions_height"))

    op.drop_table("transactions")
    with op.batch_alter_table("storage_files", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_storage_files_expires"))

    op.drop_table("storage_files")
    op.drop_table("settings")
    op.drop_table("sealed_parts")
    op.drop_table("published_root")
    op.drop_table("published_replicas")
    op.drop_table("published_records")
    op.drop_table("published_ads")
    op.drop_table("producer_identities")
    op.drop_table("leases")
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_journal_state"))
        batch_op.drop_index(batch_op.f("ix_journal_created"))

    op.drop_table("journal")
    with op.batch_alter_table("host_transactions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_host_transactions_height"))
        batch_op.drop_index(batch_op.f("ix_host_transactions_asked"))

    op.drop_table("host_transactions")
    op.drop_table("generations")
    op.drop_table("documents")
