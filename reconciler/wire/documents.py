"""Documents: what a record token's hash stands for, as canonical JSON. PROTOCOL §3.

Every field is always there, null where it says nothing; unknown fields are refused. Neither clock nor path gets in here.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from reconciler.model.errors import VerificationError
from reconciler.model.ids import AdProtocol, Digest, IdentityKey, Kind, RecordId, digest, identity_key
from reconciler.model.json import Json, JsonObject
from reconciler.wire.canonical import canonical_json, parse_canonical
from reconciler.wire.fields import Fields, read_object
from reconciler.wire.uhrp import digest_of

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One piece of the stored bytes, as storage hosts keep it."""

    uhrp: str
    """UHRP URL of the same hash."""
    sha256: Digest
    size: int
    """Bytes."""

    def __post_init__(self) -> None:
        if digest_of(self.uhrp) != self.sha256:
            raise ValueError(f"{self.uhrp} is not the UHRP URL of {self.sha256}")


@dataclass(frozen=True, slots=True)
class PublishedContent:
    """What anyone may know of a dataset's bytes."""

    digest: Digest
    """Of free content: its SHA-256. Of sold content: a salted hash, which only the content key's owner can check."""
    size: int
    """Bytes of plaintext."""
    media_type: str
    parts: tuple[StoredPart, ...]
    key_commitment: Digest | None = None
    """None: the content is free."""


@dataclass(frozen=True, slots=True)
class RecordDocument:
    """The document of any record but the producer's."""

    producer: IdentityKey
    id: RecordId
    public: JsonObject
    content: PublishedContent | None = None
    sealed: bytes | None = None
    """A box of `sealing.seal_record`."""

    def __post_init__(self) -> None:
        if self.id.kind is Kind.PRODUCER:
            raise ValueError("the producer's document is the root document")

    def to_bytes(self) -> bytes:
        """Canonical JSON. Raises ValueError where `public` holds what has no canonical form."""
        return canonical_json(
            {
                "version": _VERSION,
                "producer": self.producer,
                "kind": self.id.kind,
                "name": self.id.name,
                "public": self.public,
                "content": None if self.content is None else _content_json(self.content),
                "sealed": None if self.sealed is None else base64.b64encode(self.sealed).decode(),
            }
        )


def parse_record_document(data: bytes) -> RecordDocument:
    """Read a record's document. Raises VerificationError."""
    what = "the record's document"
    return read_object(parse_canonical(data, what), what, _record)


def _record(fields: Fields) -> RecordDocument:
    _check_version(fields)
    return fields.built(
        "kind",
        RecordDocument,
        fields.parsed("producer", identity_key),
        fields.built("name", RecordId, fields.parsed("kind", Kind), fields.text("name")),
        fields.json_object("public"),
        fields.optional("content", lambda name: fields.nested(name, _content)),
        fields.optional("sealed", fields.base64),
    )


@dataclass(frozen=True, slots=True)
class Ad:
    """An advertisement that belongs to this state; its outpoint is found by look-up."""

    protocol: AdProtocol
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class PreviousKey:
    """An identity key that was rotated away. PROTOCOL §10."""

    key: IdentityKey
    until: int
    """Unix seconds up to which records under it stay valid."""


@dataclass(frozen=True, slots=True)
class RootKeys:
    """Who speaks for this producer."""

    identity: IdentityKey
    gateway_key: IdentityKey
    gateway_url: str | None
    """Origin only."""
    previous: tuple[PreviousKey, ...] = ()


@dataclass(frozen=True, slots=True)
class SealedRef:
    """Where the sealed document is to be had."""

    sha256: Digest
    size: int
    """Bytes."""
    uhrp: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """Which version of the manifests this is; null where there is no repository."""

    repo: str | None
    commit: str | None
    dirty: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """A large apply is under way towards the state root `target`; everything else in the document is still the old state."""

    target: Digest
    batches: int
    by: bytes | None = None
    """Who applies, and since when: a box of `sealing.seal_record` under the root's own id, for the producer's machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootDocument:
    """The producer's own document, which commits to all others."""

    producer: IdentityKey
    name: str
    public: JsonObject
    network_id: Digest
    """The hash of block 1 of the chain it lives on."""
    generation: int
    keys: RootKeys
    state_root: Digest
    leaf_count: int
    ads: tuple[Ad, ...] = ()
    sealed: SealedRef
    source: Source
    pending: Pending | None = None

    def __post_init__(self) -> None:
        RecordId(Kind.PRODUCER, self.name)

    @property
    def id(self) -> RecordId:
        """The root record's id."""
        return RecordId(Kind.PRODUCER, self.name)

    def to_bytes(self) -> bytes:
        """Canonical JSON. Raises ValueError where `public` holds what has no canonical form."""
        return canonical_json(
            {
                "version": _VERSION,
                "producer": self.producer,
                "kind": Kind.PRODUCER,
                "name": self.name,
                "public": self.public,
                "network": self.network_id,
                "generation": self.generation,
                "keys": _keys_json(self.keys),
                "stateRoot": self.state_root,
                "leafCount": self.leaf_count,
                "ads": [{"protocol": ad.protocol, "name": ad.name, "url": ad.url} for ad in self.ads],
                "sealed": {"sha256": self.sealed.sha256, "size": self.sealed.size, "uhrp": self.sealed.uhrp},
                "source": {"repo": self.source.repo, "commit": self.source.commit, "dirty": self.source.dirty},
                "status": "pending" if self.pending else "final",
                "pending": None if self.pending is None else _pending_json(self.pending),
            }
        )


def parse_root_document(data: bytes) -> RootDocument:
    """Read a root document. Raises VerificationError."""
    what = "the root document"
    return read_object(parse_canonical(data, what), what, _root)


def _root(fields: Fields) -> RootDocument:
    _check_version(fields)
    if fields.parsed("kind", Kind) is not Kind.PRODUCER:
        raise VerificationError("the root document is not a producer's")
    document = RootDocument(
        producer=fields.parsed("producer", identity_key),
        name=fields.built("name", RecordId, Kind.PRODUCER, fields.text("name")).name,
        public=fields.json_object("public"),
        network_id=fields.parsed("network", digest),
        generation=fields.integer("generation"),
        keys=fields.nested("keys", _keys),
        state_root=fields.parsed("stateRoot", digest),
        leaf_count=fields.integer("leafCount"),
        ads=fields.items("ads", _ad),
        sealed=fields.nested("sealed", _sealed_ref),
        source=fields.nested("source", _source),
        pending=fields.optional("pending", lambda name: fields.nested(name, _pending)),
    )
    if fields.text("status") != ("pending" if document.pending else "final"):
        raise VerificationError("the root document's status does not agree with what is pending")
    return document


def _check_version(fields: Fields) -> None:
    version = fields.integer("version")
    if version != _VERSION:
        raise VerificationError(f"a document of version {version} is not one that this program knows")


def _content_json(content: PublishedContent) -> Json:
    return {
        "digest": content.digest,
        "size": content.size,
        "mediaType": content.media_type,
        "parts": [{"uhrp": part.uhrp, "sha256": part.sha256, "size": part.size} for part in content.parts],
        "keyCommitment": content.key_commitment,
    }


def _content(fields: Fields) -> PublishedContent:
    return PublishedContent(
        digest=fields.parsed("digest", digest),
        size=fields.integer("size"),
        media_type=fields.text("mediaType"),
        parts=fields.items("parts", _part),
        key_commitment=fields.optional("keyCommitment", lambda name: fields.parsed(name, digest)),
    )


def _part(fields: Fields) -> StoredPart:
    return fields.built(
        "uhrp", StoredPart, fields.text("uhrp"), fields.parsed("sha256", digest), fields.integer("size", least=1)
    )


def _keys_json(keys: RootKeys) -> Json:
    return {
        "identity": keys.identity,
        "gatewayKey": keys.gateway_key,
        "gatewayUrl": keys.gateway_url,
        "previous": [{"key": previous.key, "until": previous.until} for previous in keys.previous],
    }


def _keys(fields: Fields) -> RootKeys:
    return RootKeys(
        identity=fields.parsed("identity", identity_key),
        gateway_key=fields.parsed("gatewayKey", identity_key),
        gateway_url=fields.optional("gatewayUrl", fields.text),
        previous=fields.items("previous", _previous),
    )


def _previous(fields: Fields) -> PreviousKey:
    return PreviousKey(fields.parsed("key", identity_key), fields.integer("until"))


def _ad(fields: Fields) -> Ad:
    return Ad(fields.parsed("protocol", AdProtocol), fields.text("name"), fields.text("url"))


def _sealed_ref(fields: Fields) -> SealedRef:
    return SealedRef(
        fields.parsed("sha256", digest), fields.integer("size", least=1), fields.optional("uhrp", fields.text)
    )


def _source(fields: Fields) -> Source:
    return Source(fields.optional("repo", fields.text), fields.optional("commit", fields.text), fields.flag("dirty"))


def _pending_json(pending: Pending) -> Json:
    by = None if pending.by is None else base64.b64encode(pending.by).decode()
    return {"target": pending.target, "batches": pending.batches, "by": by}


def _pending(fields: Fields) -> Pending:
    return Pending(
        target=fields.parsed("target", digest),
        batches=fields.integer("batches", least=1),
        by=fields.optional("by", fields.base64),
    )
