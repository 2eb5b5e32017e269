"""What the producer wants: manifests compiled, everything resolved, nothing derived.

Ciphertext hashes, document hashes, outpoints, generation and git source are not here: apply fills them in, and the plan
never compares them (DESIGN §4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import AdProtocol, Digest, IdentityKey, Network, RecordId, SettingKind
from reconciler.model.json import JsonObject
from reconciler.model.source import SourceSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The bytes of a dataset: plaintext facts, and where they lie on this machine.

    `paths` are relative to the manifest's folder, with forward slashes; they are never published.
    """

    sha256: Digest
    size: int
    """Bytes."""
    media_type: str
    paths: tuple[str, ...]
    """The files that are the content, one after the other; none where the bytes are not on this machine."""
    url: str | None = None
    """Where pinned bytes can be fetched from (https, s3)."""
    uhrp: str | None = None
    """Of stored content that is adopted as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """How one dataset's content shall be kept (MANIFESTS §2, ReplicationRule)."""

    replicas: int = 1
    """How many storage hosts shall keep it."""
    spread: int = 1
    """In how many regions at least."""
    regions: tuple[str, ...] = ()
    """Where it may be kept; empty for anywhere."""
    hosts: tuple[str, ...] = ()
    """Names of the hosts that may keep it; empty for any of the producer's."""
    min_replicas: int = 1
    """How many copies must be made before the apply commits."""
    renew_before: int | None = None
    """Seconds before its end at which a copy is renewed; None for the smaller of 7 days and a third of the term."""


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
    is_sold: bool = False
    """Whether content is stored encrypted, and its key sold (PROTOCOL §6)."""
    replication: Replication | None = None
    """How the content shall be kept; None for a record without content."""
    renamed_from: RecordId | None = None
    """The live record that this one continues under another name (MANIFESTS §3)."""
    parents: tuple[RecordId | Digest, ...] = ()
    """What it was made from: records of this set, or document hashes of others' records (`p` of its anchor)."""
    span: SourceSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredAd:
    """An advertisement on the trackers that the producer's gateway takes a topic, or answers a service (PROTOCOL §8)."""

    protocol: AdProtocol
    name: str
    """`tm_data_…` or `ls_data_…`."""
    url: str
    """The gateway's origin."""
    span: SourceSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredSetting:
    """A setting kind's document, never published: sealed in the root."""

    kind: SettingKind
    name: str
    value: JsonObject
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
class Rotation:
    """Another identity key that is to take over (PROTOCOL §10): where it is, as for the one there is now."""

    key_file: str
    key_env: str | None
    transition: int
    """Seconds that what was signed by the old key stays valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """A whole producer, ready to be compared with the world."""

    producer: DesiredRecord
    records: Sequence[DesiredRecord]
    """All records but the producer's, sorted by id."""
    settings: tuple[DesiredSetting, ...] = ()
    """Sorted by kind and name."""
    ads: tuple[DesiredAd, ...] = ()
    """Sorted by protocol and name; empty where the manifest names no gateway."""
    network: Network
    gateway_url: str | None
    """Origin only; None where the manifest names none."""
    gateway_key: IdentityKey | None
    storage_hosts: tuple[StorageHost, ...]
    limits: Limits
    key_file: str
    """Relative to OVERLAY_HOME."""
    key_env: str | None = None
    """The variable of the environment that holds the identity key, where the manifest names one instead of a file."""
    rotation: Rotation | None = None
    manifest_digest: Digest
    """Over the desired state as data, not over the files' bytes: a comment changes nothing."""
