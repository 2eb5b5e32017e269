"""The tables of a host, and what its queries have in common: what is shown, what is spent.

A transaction is *shadowed* while another one that was seen first, or that is proven, spends one of its coins, or while it
descends from such a one (PROTOCOL §4). Shadowed transactions are kept, but neither they nor what they spend is shown.
An output is *spent* when a transaction that is not shadowed spends it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    exists,
    func,
    or_,
)

from reconciler.store.columns import ForeignName, ForeignText
from reconciler.store.database import Hex, metadata

host_transactions = Table(
    "host_transactions",
    metadata,
    Column("id", Integer, primary_key=True),  # the order of arrival
    Column("txid", Hex, nullable=False, unique=True),
    Column("shadowed", Boolean(create_constraint=False), nullable=False),
    Column("height", BigInteger, index=True),  # of the block that proves it; null while nothing does
    Column("root", Hex),  # the Merkle root that the proof leads to
    Column("asked", BigInteger, nullable=False, index=True),  # when ARC was last asked about it, unix seconds
    sqlite_autoincrement=True,
)

host_spends = Table(
    "host_spends",
    metadata,
    Column("spent_txid", Hex, primary_key=True),
    Column("spent_vout", BigInteger, primary_key=True),
    Column("txid", Hex, ForeignKey("host_transactions.txid", ondelete="CASCADE"), primary_key=True, index=True),
)

host_outputs = Table(
    "host_outputs",
    metadata,
    Column("id", Integer, primary_key=True),  # the order of admission
    Column("topic", String(50), nullable=False),
    Column("txid", Hex, ForeignKey("host_transactions.txid", ondelete="CASCADE"), nullable=False),
    Column("vout", BigInteger, nullable=False),
    Column("complete", Boolean(create_constraint=False), nullable=False),  # all documents it needs are here
    Column("score", BigInteger, nullable=False, server_default="0"),  # see Outputs.admit
    UniqueConstraint("txid", "vout", "topic"),
    Index(None, "topic", "score"),
    Index(None, "complete", "topic"),
    sqlite_autoincrement=True,
)

host_needs = Table(
    "host_needs",
    metadata,
    Column("output_id", ForeignKey("host_outputs.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", Hex, primary_key=True, index=True),
)

host_records = Table(
    "host_records",
    metadata,
    Column("output_id", ForeignKey("host_outputs.id", ondelete="CASCADE"), primary_key=True),
    Column("producer", Hex, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", ForeignName(253), nullable=False),
    Column("document", Hex, nullable=False),
    Column("sealed", Hex),  # the root's sealed document
    Column("text", ForeignText, nullable=False),  # case-folded, what `text` queries look through
    Column("price", BigInteger, index=True),  # satoshis a unit, 0 is free; null where nothing is priced
    Column("price_model", ForeignName(32)),  # what a unit is
    Column("license", ForeignText, index=True),  # case-folded
    Index(None, "producer", "kind", "name"),
    Index(None, "producer", "output_id"),
    Index(None, "kind", "output_id"),
    Index(None, "name"),
)

host_record_tags = Table(
    "host_record_tags",
    metadata,
    Column("output_id", ForeignKey("host_records.output_id", ondelete="CASCADE"), primary_key=True),
    Column("tag", ForeignText, primary_key=True, index=True),
)

host_record_capabilities = Table(
    "host_record_capabilities",
    metadata,
    Column("output_id", ForeignKey("host_records.output_id", ondelete="CASCADE"), primary_key=True),
    Column("capability", ForeignName(42), primary_key=True, index=True),
)

host_record_regions = Table(
    "host_record_regions",
    metadata,
    Column("output_id", ForeignKey("host_records.output_id", ondelete="CASCADE"), primary_key=True),
    Column("region", ForeignText, primary_key=True, index=True),  # case-folded
)

host_ads = Table(
    "host_ads",
    metadata,
    Column("output_id", ForeignKey("host_outputs.id", ondelete="CASCADE"), primary_key=True),
    Column("protocol", String(4), nullable=False),
    Column("identity", Hex, nullable=False),
    Column("url", ForeignText, nullable=False),
    Column("name", ForeignName(50), nullable=False),
    Index(None, "identity", "output_id"),
    Index(None, "name", "output_id"),
    Index(None, "url", "name", "identity"),
)

host_adverts = Table(
    "host_adverts",
    metadata,
    Column("output_id", ForeignKey("host_outputs.id", ondelete="CASCADE"), primary_key=True),
    Column("host", Hex, nullable=False, index=True),
    Column("sha256", Hex, nullable=False, index=True),
    Column("expires", BigInteger, nullable=False),
)

_SCHEMES: Final = ("https://", "http://")

host_banned_outputs = Table(
    "host_banned_outputs",
    metadata,
    Column("txid", Hex, primary_key=True),
    Column("vout", BigInteger, primary_key=True),
    Column("reason", ForeignText, nullable=False),
    Column("since", BigInteger, nullable=False),  # unix seconds
)

host_banned_domains = Table(
    "host_banned_domains",
    metadata,
    Column("domain", ForeignName(2048), primary_key=True),  # a URL as it is advertised, or its host
    Column("reason", ForeignText, nullable=False),
    Column("since", BigInteger, nullable=False),
)


def not_shown(outputs: FromClause = host_outputs) -> ColumnElement[bool]:
    """Of a row of host_outputs: that its transaction is shadowed, or the operator does not want it shown."""
    shadowed = exists().where(host_transactions.c.txid == outputs.c.txid, host_transactions.c.shadowed.is_(True))
    banned = exists().where(host_banned_outputs.c.txid == outputs.c.txid, host_banned_outputs.c.vout == outputs.c.vout)
    return shadowed | banned


def at_banned_domain() -> ColumnElement[bool]:
    """Of a row of host_ads: that the operator does not want its URL shown. Each way to spell it is one look at the index."""
    domain, url = host_banned_domains.c.domain, host_ads.c.url
    return or_(
        exists().where(domain == url),
        *(
            url.startswith(scheme, autoescape=True) & exists().where(domain == func.substr(url, len(scheme) + 1))
            for scheme in _SCHEMES
        ),
    )


def spent(outputs: FromClause = host_outputs) -> ColumnElement[bool]:
    """Of a row of host_outputs: that a transaction the host stands by spends it."""
    spender = host_transactions.alias("spender")
    return exists().where(
        host_spends.c.spent_txid == outputs.c.txid,
        host_spends.c.spent_vout == outputs.c.vout,
        spender.c.txid == host_spends.c.txid,
        spender.c.shadowed.is_(False),
    )
