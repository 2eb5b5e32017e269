"""From a plan to what will stand on chain: documents, and the tokens that commit to them. Pure; nonces are handed in.

A draft has no outpoints: what `i` of a token names follows from the transaction that makes it (apply/build.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.model.ids import Digest, IdentityKey, Outpoint, RecordId, digest
from reconciler.model.json import JsonObject
from reconciler.model.observed import ListedAd
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import (
    Ad,
    Pending,
    PreviousKey,
    PublishedContent,
    RecordDocument,
    RootDocument,
    RootKeys,
    SealedRef,
    Source,
)
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
    previous: tuple[PreviousKey, ...]
    """The identity keys that were rotated away, as long as what they signed is valid."""
    ads: tuple[ListedAd, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Drafted:
    """One document, and what else its token commits to."""

    document: bytes
    parents: tuple[Digest, ...] = ()

    @property
    def document_hash(self) -> Digest:
        """What the token says."""
        return sha256_hex(self.document)


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock commits to."""

    pending: Drafted
    """The root document while it is pending."""
    sealed: bytes
    """The sealed document that it names: the previous one; at genesis one that says nothing yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything of an apply's records but their transactions."""

    identity: IdentityKey
    root: RecordId
    root_document: RootDocument
    records: Mapping[RecordId, Drafted]
    """Those that are written, the root's own included."""
    sealed: bytes
    """The root's sealed document."""
    lock: Lock | None = None
    """What a large set's lock says; None where there is none."""

    @property
    def documents(self) -> tuple[bytes, ...]:
        """Every document that has to be kept and sent."""
        pending = (self.lock.pending.document, self.lock.sealed) if self.lock else ()
        return (*(drafted.document for drafted in self.records.values()), self.sealed, *pending)

    def token(self, record: RecordId, spends: Outpoint, *, is_pending: bool = False) -> RecordToken:
        """A record's token in a transaction that spends `spends`; of the root, if `is_pending`, that of the lock."""
        drafted = self.lock.pending if is_pending and self.lock else self.records[record]
        return RecordToken(self.identity, record, Anchor(drafted.document_hash, spends, drafted.parents))

    def locked(self, previous: RootDocument | None, sealed: bytes, batches: int, by: bytes) -> Draft:
        """With what a lock says on the way to this root: the `previous` final document once more, and what is pending.

        At genesis there is none before: then nothing is published yet. `by` is sealed: who applies, and since when.
        """
        before = previous or replace(
            self.root_document, public={}, generation=0, state_root=state_root(()), leaf_count=0, ads=()
        )
        pending = replace(
            before,
            sealed=_reference(sealed),
            pending=Pending(target=self.root_document.state_root, batches=batches, by=by),
        )
        return replace(self, lock=Lock(Drafted(pending.to_bytes()), sealed))


def draft(
    *,
    identity: IdentityKey,
    root: RootText,
    records: Sequence[RecordText],
    unchanged: Mapping[RecordId, Digest],
    seed: bytes,
    sealed: bytes,
    randomness: Callable[[int], bytes],
) -> Draft:
    """Make the documents of `records`, and the root over them and over the `unchanged` records' document hashes."""
    written = {record.id: Drafted(_document(identity, record, seed, randomness(12))) for record in records}
    hashes = {**unchanged, **{record: drafted.document_hash for record, drafted in written.items()}}
    named = {str(record): document_hash for record, document_hash in hashes.items()}
    drafted = {
        record.id: replace(
            written[record.id], parents=tuple(named.get(parent) or digest(parent) for parent in record.parents)
        )
        for record in records
    }
    leaves = [Leaf(record, document_hash) for record, document_hash in hashes.items()]
    root_document = _root_document(identity, root, leaves, sealed)
    return Draft(
        identity=identity,
        root=root.id,
        root_document=root_document,
        records={root.id: Drafted(root_document.to_bytes()), **drafted},
        sealed=sealed,
    )


def _document(identity: IdentityKey, record: RecordText, seed: bytes, nonce: bytes) -> bytes:
    return RecordDocument(
        producer=identity,
        id=record.id,
        public=record.public,
        content=record.content,
        sealed=seal_record(seed, record.id, record.sealed, nonce) if record.sealed else None,
    ).to_bytes()


def _root_document(identity: IdentityKey, root: RootText, leaves: Sequence[Leaf], sealed: bytes) -> RootDocument:
    return RootDocument(
        producer=identity,
        name=root.id.name,
        public=root.public,
        network_id=root.network_id,
        generation=root.generation,
        keys=RootKeys(
            identity=identity, gateway_key=root.gateway_key, gateway_url=root.gateway_url, previous=root.previous
        ),
        state_root=state_root(leaves),
        leaf_count=len(leaves),
        ads=tuple(Ad(ad.protocol, ad.name, ad.url) for ad in root.ads),
        sealed=_reference(sealed),
        source=root.source,
    )


def _reference(sealed: bytes) -> SealedRef:
    return SealedRef(sha256=sha256_hex(sealed), size=len(sealed), uhrp=None)
