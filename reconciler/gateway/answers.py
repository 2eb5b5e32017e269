"""The catalog as JSON (DESIGN §5)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from reconciler.gateway.live import Entry, Live
from reconciler.gateway.query import Page
from reconciler.model.ids import RecordId
from reconciler.model.json import Json, JsonObject
from reconciler.wire.documents import PublishedContent, RecordDocument
from reconciler.wire.state_root import prove


def producer_json(live: Live, proof: bytes) -> JsonObject:
    """Who publishes here, and what their root commits to. `proof` is the root's transaction as Atomic BEEF."""
    root = live.root
    return {
        "identityKey": root.producer,
        "previous": [{"identityKey": key.key, "until": key.until} for key in root.keys.previous],
        "name": root.name,
        "profile": root.public,
        "generation": root.generation,
        "stateRoot": root.state_root,
        "leafCount": root.leaf_count,
        "outpoint": str(live.outpoint),
        "documentHash": live.document_hash,
        "gateway": {"identityKey": root.keys.gateway_key, "url": root.keys.gateway_url},
        "network": root.network_id,
        "source": {"repo": root.source.repo, "commit": root.source.commit, "dirty": root.source.dirty},
        "proof": {"beef": proof.hex()},
    }


def catalog_json(page: Page, documents: Mapping[RecordId, RecordDocument]) -> JsonObject:
    """One page of the catalog."""
    return {"records": [entry_json(entry, documents[entry.id]) for entry in page.entries], "next": page.next}


def entry_json(entry: Entry, document: RecordDocument) -> dict[str, Json]:
    """One record in a line; what it does not have is left out."""
    fields: dict[str, Json] = {
        "kind": entry.id.kind.value,
        "name": entry.id.name,
        "title": text_of(entry, "title") or text_of(entry, "displayName") or entry.id.name,
        "documentHash": entry.document_hash,
        "outpoint": str(entry.outpoint),
        "tags": list(entry.tags),
        "capability": text_of(entry, "capability"),
        "price": price_of(entry),
    }
    return fields | ({} if document.content is None else _content_json(document.content))


def record_json(live: Live, entry: Entry, document: RecordDocument) -> JsonObject:
    """One record with its whole document, and the proof that the state root covers it."""
    proof = prove(live.leaves, entry.id)
    return {
        **entry_json(entry, document),
        "document": json.loads(document.to_bytes()),
        "proof": {
            "index": proof.index,
            "path": list(proof.path),
            "leafCount": live.root.leaf_count,
            "stateRoot": live.root.state_root,
            "generation": live.root.generation,
            "root": str(live.outpoint),
        },
    }


def price_of(entry: Entry) -> dict[str, Json]:
    """Model and satoshis; without pricing a record is free."""
    pricing = entry.public.get("pricing")
    if not isinstance(pricing, Mapping):
        return {"model": "per-request", "satoshis": 0}
    return {"model": pricing.get("model"), "satoshis": pricing.get("satoshis")}


def text_of(entry: Entry, name: str) -> str | None:
    """A public field that is a text."""
    value = entry.public.get(name)
    return value if isinstance(value, str) else None


def _content_json(content: PublishedContent) -> dict[str, Json]:
    """Size, type, and where it lies; the hash of sold content would say nothing, since it is salted."""
    fields: dict[str, Json] = {"size": content.size, "mediaType": content.media_type}
    if content.key_commitment is None:
        fields["sha256"] = content.digest
    if len(content.parts) == 1:
        fields["uhrp"] = content.parts[0].uhrp
    return fields
