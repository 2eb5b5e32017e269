"""From a plan to what will stand on chain: documents, tokens and the new root. Pure; nonces are handed in.

A draft has no outpoints yet: they follow from the signed transaction (apply/build.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.model.ids import Digest, IdentityKey, Outpoint, RecordId, digest
from reconciler.model.json import JsonObject
from reconciler.model.observed import ListedAd
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import Ad, PublishedContent, RecordDocument, RootDocument, RootKeys, SealedRef, Source
from reconciler.wire.record import Anchor, RecordToken
from reconciler.wire.sealing import seal_record
from reconciler.wire.state_root import Leaf, state_root


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordText:
    """A record that this apply writes, in plaintext, with its stored content where it has some."""

    id: RecordId
    public: JsonObject
    sealed: JsonObject
    content: PublishedContent | None
    parents: tuple[str, ...] = ()
    """Record ids of this producer, or document hashes of others' records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootText:
    """The new root in plaintext, but for what follows from the records. `sealed` is the Producer's, for the outcome only."""

    id: RecordId
    public: JsonObject
    sealed: JsonObject
    generation: int
    network_id: Digest
    gateway_key: IdentityKey
    gateway_url: str | None
    ads: tuple[ListedAd, ...]
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything of an apply but its transaction. `tokens` are in output order, the root's first."""

    tokens: tuple[RecordToken, ...]
    documents: tuple[bytes, ...]
    """In the order of `tokens`; then the root's sealed document."""
    state_root: Digest
    leaf_count: int

    @property
    def anchor(self) -> Outpoint:
        """What every token names as `i`."""
        return self.tokens[0].anchor.spends


def draft(
    *,
    identity: IdentityKey,
    anchor: Outpoint,
    root: RootText,
    records: Sequence[RecordText],
    unchanged: Mapping[RecordId, Digest],
    seed: bytes,
    sealed_state: bytes,
    randomness: Callable[[int], bytes],
) -> Draft:
    """Make the documents of `records`, and the root over them and over the `unchanged` records' document hashes."""
    documents = [_document(identity, record, seed, randomness(12)) for record in records]
    written = [Leaf(record.id, sha256_hex(document)) for record, document in zip(records, documents, strict=True)]
    leaves = [*written, *(Leaf(record, document_hash) for record, document_hash in unchanged.items())]
    root_document = _root_document(identity, root, leaves, sealed_state)
    hashes = {str(leaf.id): leaf.document_hash for leaf in leaves}
    tokens = [RecordToken(identity, root.id, Anchor(sha256_hex(root_document), anchor))]
    for record, leaf in zip(records, written, strict=True):
        parents = tuple(hashes.get(parent) or digest(parent) for parent in record.parents)
        tokens.append(RecordToken(identity, record.id, Anchor(leaf.document_hash, anchor, parents)))
    return Draft(
        tokens=tuple(tokens),
        documents=(root_document, *documents, sealed_state),
        state_root=state_root(leaves),
        leaf_count=len(leaves),
    )


def _document(identity: IdentityKey, record: RecordText, seed: bytes, nonce: bytes) -> bytes:
    return RecordDocument(
        producer=identity,
        id=record.id,
        public=record.public,
        content=record.content,
        sealed=seal_record(seed, record.id, record.sealed, nonce) if record.sealed else None,
    ).to_bytes()


def _root_document(identity: IdentityKey, root: RootText, leaves: Sequence[Leaf], sealed_state: bytes) -> bytes:
    return RootDocument(
        producer=identity,
        name=root.id.name,
        public=root.public,
        network_id=root.network_id,
        generation=root.generation,
        keys=RootKeys(identity=identity, gateway_key=root.gateway_key, gateway_url=root.gateway_url),
        state_root=state_root(leaves),
        leaf_count=len(leaves),
        ads=tuple(Ad(ad.protocol, ad.name, ad.url) for ad in root.ads),
        sealed=SealedRef(sha256=sha256_hex(sealed_state), size=len(sealed_state), uhrp=None),
        source=root.source,
    ).to_bytes()
