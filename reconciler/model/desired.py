"""What the producer wants: manifests compiled, everything resolved, nothing derived.

Ciphertext hashes, document hashes, outpoints, generation and git source are not here: apply fills them in, and the plan
never compares them (DESIGN §4.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest, IdentityKey, Network, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.source import SourceSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The bytes of a dataset: plaintext facts, and where they lie on this machine.

    `path` is relative to the manifest's folder, with forward slashes; it is never published.
    """

    sha256: Digest
    size: int
    """Bytes."""
    media_type: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredRecord:
    """One record as the manifests want it.

    `public` are the fields anyone may read, `sealed` those that only the producer and its gateway may (MANIFESTS §2);
    both hold plaintext, as canonical JSON values. A dataset's plaintext digest and size are in `sealed["content"]`.
    """

    id: RecordId
    public: JsonObject
    sealed: JsonObject
    content: Content | None = None
    replicas: int = 0
    """How many storage hosts shall keep the content."""
    parents: tuple[RecordId | Digest, ...] = ()
    """What it was made from: records of this set, or document hashes of others' records (`p` of its anchor)."""
    span: SourceSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageHost:
    """A place that keeps bytes by their hash (UHRP)."""

    name: str
    url: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The guards' limits that the manifests set (DESIGN §4.2); None is the guard's own default."""

    max_cost: Satoshis | None = None
    max_price_factor: str | None = None
    """Exact decimal text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """A whole producer, ready to be compared with the world."""

    producer: DesiredRecord
    records: tuple[DesiredRecord, ...]
    """All records but the producer's, sorted by id."""
    network: Network
    gateway_url: str | None
    """Origin only; None where the manifest names none."""
    gateway_key: IdentityKey | None
    storage_hosts: tuple[StorageHost, ...]
    limits: Limits
    key_file: str
    """Relative to OVERLAY_HOME."""
    manifest_digest: Digest
    """Over the desired state as data, not over the files' bytes: a comment changes nothing."""
