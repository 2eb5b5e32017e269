"""What one generation sells, and by which rules: with sealed parts, so that nothing in here is an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from reconciler.gateway.pricing import Pricing, pricing_of
from reconciler.gateway.rules import Rule, Rules
from reconciler.gateway.tiers import Consumers, consumers_of
from reconciler.model.errors import RefusedError, StateError
from reconciler.model.ids import Digest, IdentityKey, Kind, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.observed import ObservedRecord

SOLD: Final = frozenset({Kind.DATASET})
"""Kinds of records that a gateway gives access to. An advertisement's price is information, and streams have sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One record on offer."""

    record: RecordId
    document_hash: Digest
    """Of the version that is live."""
    pricing: Pricing | None
    """None: it is free, and stored as it is."""
    rule: Rule
    """How it is paid for."""
    size: int
    """Bytes of its plaintext."""


@dataclass(frozen=True, kw_only=True)
class Offers:
    """See the module. What is read of settings and records is read when it is asked for: one that is broken stops itself."""

    document_hash: Digest
    """Of the root's document."""
    network: Digest
    """The hash of block 1."""
    producer: IdentityKey
    gateway: IdentityKey
    """Whom the root names as its gateway: whose receipts buyers believe."""
    settings: Mapping[str, JsonObject]
    rules: Rules
    records: Mapping[RecordId, ObservedRecord]

    @cached_property
    def consumers(self) -> Consumers:
        """What holds for whom. Raises StateError where the policy cannot be read: then nobody is sold anything."""
        return consumers_of(self.settings)

    def find(self, record: RecordId) -> Offered:
        """What is on offer under this name. Raises RefusedError (404) for nothing, StateError for what cannot be read."""
        found = self.records.get(record) if record.kind in SOLD else None
        if found is None:
            raise RefusedError(f"there is no {record} on offer here", code="404")
        return Offered(
            record=record,
            document_hash=found.document_hash,
            pricing=pricing_of(found.public, str(record)),
            rule=self.rules.of_record(found.sealed),
            size=_size(found),
        )


def _size(record: ObservedRecord) -> int:
    match record.sealed.get("content"):
        case {"size": int(size)}:
            return size
        case _:
            raise StateError(f"the size of {record.id} is not among its sealed fields")
