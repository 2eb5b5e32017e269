"""The eight tables that a producer's business is kept in, under the names that producer.js gave them.

Beside those names: percentages have room for 100.00, what has a manifest name is unique by (producer, name), lists are JSON,
amounts are whole satoshis of 8 bytes, times UTC. `producer_id` is the identity key in hex, `content_id` and its like are record
ids (`dataset/btc`). One file may be two goods, so `uhrp_hash` is not unique; it is null while no storage host has the content.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from reconciler.store.columns import JSON_VALUE, Instant
from reconciler.store.database import Hex, metadata


class RevenueStatus(StrEnum):
    """`payment_status` of producer_revenue."""

    PENDING = "pending"
    EARNED = "earned"
    REFUSED = "refused"
    UNBOOKED = "unbooked"
    RETURNED = "returned"


def _producer() -> Column[str]:
    return Column("producer_id", Text, ForeignKey("producer_identities.producer_id"), nullable=False)


def _now(name: str) -> Column[int]:
    return Column(name, Instant, nullable=False, server_default=text("CURRENT_TIMESTAMP"))


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


producer_identities = Table(
    "producer_identities",
    metadata,
    Column("producer_id", Text, primary_key=True),
    Column("identity_key", Hex, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("description", Text),
    Column("contact_info", JSON_VALUE, nullable=False, server_default="{}"),
    Column("capabilities", JSON_VALUE, nullable=False, server_default="[]"),
    Column("geographic_regions", JSON_VALUE, nullable=False, server_default="[]"),
    Column("reputation_score", Numeric(3, 2), nullable=False, server_default="0.0"),
    _amount("total_revenue_satoshis"),
    _now("created_at"),
    _now("updated_at"),
)

producer_advertisements = Table(
    "producer_advertisements",
    metadata,
    Column("advertisement_id", Text, primary_key=True),
    _producer(),
    Column("name", Text, nullable=False),
    Column("service_type", Text, nullable=False),
    Column("capability", Text, nullable=False, index=True),
    Column("ship_advertisement_data", JSON_VALUE, nullable=False),
    Column("slap_advertisement_data", JSON_VALUE),
    Column("pricing_model", Text, nullable=False),
    Column("base_rate_satoshis", BigInteger, nullable=False),
    Column("geographic_scope", JSON_VALUE, nullable=False, server_default='["global"]'),
    Column("availability_sla", Numeric(5, 2), nullable=False, server_default="99.0"),
    Column("max_consumers", Integer, nullable=False, server_default="1000"),
    Column("status", Text, nullable=False, server_default="active"),
    _now("created_at"),
    Column("expires_at", Instant),
    UniqueConstraint("producer_id", "name"),
    Index(None, "producer_id", "status"),
)

published_content = Table(
    "published_content",
    metadata,
    Column("content_id", Text, primary_key=True),
    _producer(),
    Column("name", Text, nullable=False),
    Column("uhrp_hash", Hex, index=True),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("content_type", Text, nullable=False),
    Column("file_size_bytes", BigInteger),
    Column("tags", JSON_VALUE, nullable=False, server_default="[]"),
    Column("pricing", JSON_VALUE, nullable=False),
    Column("license_type", Text, server_default="commercial"),
    Column("brc22_transaction_id", Hex),
    Column("distribution_nodes", JSON_VALUE, nullable=False, server_default="[]"),
    Column("download_count", Integer, nullable=False, server_default="0"),
    _amount("total_revenue_satoshis"),
    _now("created_at"),
    _now("updated_at"),
    UniqueConstraint("producer_id", "name"),
    Index(None, "producer_id", "created_at"),
)

producer_streams = Table(
    "producer_streams",
    metadata,
    Column("stream_id", Text, primary_key=True),
    _producer(),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("stream_format", Text, nullable=False),
    Column("update_frequency_ms", Integer, nullable=False),
    Column("price_per_minute_satoshis", BigInteger, nullable=False),
    Column("max_consumers", Integer, nullable=False, server_default="100"),
    Column("current_consumers", Integer, nullable=False, server_default="0"),
    Column("stream_status", Text, nullable=False, server_default="stopped"),
    Column("quality_settings", JSON_VALUE, nullable=False, server_default="{}"),
    Column("historical_buffer_hours", Integer, nullable=False, server_default="0"),
    Column("total_streaming_hours", Numeric(10, 2), nullable=False, server_default="0"),
    _amount("total_revenue_satoshis"),
    _now("created_at"),
    _now("last_updated"),
    UniqueConstraint("producer_id", "name"),
    Index(None, "producer_id", "stream_status"),
)

producer_consumers = Table(
    "producer_consumers",
    metadata,
    Column("relationship_id", Text, primary_key=True),
    _producer(),
    Column("consumer_id", Text, nullable=False),
    _now("first_interaction_at"),
    _now("last_interaction_at"),
    _amount("total_payments_satoshis"),
    Column("total_data_transferred_bytes", BigInteger, nullable=False, server_default="0"),
    Column("relationship_status", Text, nullable=False, server_default="active"),
    Column("status_before", Text),
    Column("consumer_tier", Text, nullable=False, server_default="standard"),
    Column("notes", Text),
    UniqueConstraint("producer_id", "consumer_id"),
)
"""`status_before` is what a consumer goes back to who is blocked for a payment that was lost, and for nothing else; see
store.sales."""

producer_revenue = Table(
    "producer_revenue",
    metadata,
    Column("revenue_id", Text, primary_key=True),
    _producer(),
    Column("consumer_id", Text),
    Column("content_id", Text, index=True),
    Column("stream_id", Text),
    Column("payment_method", Text, nullable=False),
    Column("amount_satoshis", BigInteger, nullable=False),
    Column("brc22_transaction_id", Hex),
    Column("d21_template_id", Text),
    Column("payment_status", Text, nullable=False, server_default="pending"),
    Column("revenue_splits", JSON_VALUE),
    _now("created_at"),
    Column("confirmed_at", Instant),
    Index(None, "producer_id", "created_at"),
)

producer_analytics = Table(
    "producer_analytics",
    metadata,
    Column("event_id", Text, primary_key=True),
    _producer(),
    Column("event_type", Text, nullable=False),
    Column("resource_id", Text),
    Column("consumer_id", Text),
    Column("event_data", JSON_VALUE, nullable=False),
    _amount("revenue_generated"),
    Column("brc64_lineage_data", JSON_VALUE),
    _now("recorded_at"),
    Index(None, "producer_id", "event_type", "recorded_at"),
)

content_distribution = Table(
    "content_distribution",
    metadata,
    Column("distribution_id", Text, primary_key=True),
    Column("content_id", Text, ForeignKey("published_content.content_id"), nullable=False),
    Column("overlay_node_id", Text, nullable=False),
    Column("distribution_status", Text, nullable=False, server_default="pending"),
    Column("replication_factor", Integer, nullable=False, server_default="1"),
    Column("last_sync_at", Instant),
    Column("node_response_time_ms", Integer),
    Column("availability_score", Numeric(5, 2), nullable=False, server_default="100.0"),
    _now("created_at"),
    UniqueConstraint("content_id", "overlay_node_id"),
    Index(None, "content_id", "distribution_status"),
)
