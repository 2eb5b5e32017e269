"""What the world is like, as far as it could be seen, and as of when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.amounts import satoshis as amount
from reconciler.model.ids import Address, AdProtocol, Digest, IdentityKey, Outpoint, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.keys import KeyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRecord:
    """A live record: its token on chain and its plaintext desired state as of when it was published."""

    id: RecordId
    outpoint: Outpoint
    document_hash: Digest
    """`mh` of its anchor."""
    public: JsonObject
    sealed: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ListedAd:
    """An advertisement as the root document lists it, without its outpoint (PROTOCOL §3)."""

    protocol: AdProtocol
    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRoot:
    """The live root: the producer's own record, and what its document commits to (PROTOCOL §3)."""

    record: ObservedRecord
    generation: int
    state_root: Digest
    leaf_count: int
    gateway_key: IdentityKey
    source: str
    """The source of truth's id (PROTOCOL §4)."""
    network_id: Digest
    """The hash of block 1 of the chain it lives on."""
    ads: tuple[ListedAd, ...] = ()
    """As its document lists them."""
    settings: Mapping[str, JsonObject] = field(default_factory=dict)
    """As its sealed document has them, in plaintext, by `kind/name`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedReplica:
    """A stored copy of one dataset's bytes."""

    dataset: str
    host: str
    content: Digest
    """Of the plaintext that the stored bytes were made from."""
    parts: tuple[Digest, ...]
    """Of the stored bytes, part by part (of the ciphertext, where the content is sealed)."""
    size: int
    """Stored bytes, all parts together."""
    expires: int
    """Unix seconds."""
    is_recorded: bool = True
    """Whether an apply made it or took it over; else it was found, and is adopted or left alone."""

    @property
    def address(self) -> Address:
        """The copy's."""
        return Address.of_replica(self.dataset, self.host)

    @property
    def is_sealed(self) -> bool:
        """Whether the stored bytes are ciphertext: free content is stored as one object under its plain hash."""
        return self.parts != (self.content,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageQuote:
    """What a storage host asks for keeping bytes for one term of 180 days: so many satoshis for so many bytes."""

    satoshis: int
    bytes: int
    minimum: int = 0
    """Satoshis that the host asks for the smallest object."""

    def price(self, size: int) -> Satoshis:
        """For one object of `size` bytes, rounded up."""
        return amount(max(self.minimum, -(-size * self.satoshis // self.bytes)))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StorageGood:
    """What a storage host is paid for: one part of a content, kept for one more term."""

    host: str
    """The storage host's name."""
    dataset: str
    """Whose key seals it; empty where the content is free: then datasets that have it share it."""
    content: Digest
    """Of the plaintext."""
    part: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedAd:
    """A live advertisement of this identity, as a tracker shows it."""

    protocol: AdProtocol
    name: str
    url: str
    outpoint: Outpoint
    is_recorded: bool
    """Whether this machine's last apply made it; else it is found, and adopted or spent."""


class CoinStatus(StrEnum):
    """Where an unspent coin stands."""

    PENDING = "pending"
    """Its transaction is not mined yet."""
    CONFIRMED = "confirmed"
    LOCKED = "locked"
    """An unfinished journal entry spends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """An output that this wallet can spend."""

    outpoint: Outpoint
    satoshis: Satoshis
    key: KeyRef
    status: CoinStatus


def coin_order(coin: Coin) -> tuple[bool, int, Outpoint]:
    """In which order coins are taken: confirmed ones first, then larger ones; never by chance (DESIGN §4.2)."""
    return coin.status is not CoinStatus.CONFIRMED, -coin.satoshis, coin.outpoint


class DriftPlace(StrEnum):
    """Where an object is not as the last apply left it."""

    OVERLAY = "overlay"
    STORAGE = "storage"
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """One object that is still ours and live, but is told wrong or not at all in one place.

    What is gone altogether is not here but simply not observed.
    """

    object: Address
    place: DriftPlace
    detail: str
    """A clause: `the row was edited`, `https://host.example does not list it`."""


class Answer(StrEnum):
    """What a host said about the live root of this identity."""

    ROOT = "root"
    NONE = "none"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One host's answer, and when it was given (unix seconds). Times go into the plan's `meta`, never into its id."""

    host: str
    answer: Answer
    root: Outpoint | None = None
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that a plan is computed against."""

    identity: IdentityKey
    root: ObservedRoot | None
    """None: no root exists yet (genesis)."""
    records: Mapping[RecordId, ObservedRecord] = field(default_factory=dict)
    """All live records but the producer's."""
    replicas: Sequence[ObservedReplica] = ()
    settings: Mapping[str, JsonObject] = field(default_factory=dict)
    """The live settings in plaintext, by `kind/name`."""
    ads: tuple[ObservedAd, ...] = ()
    """Every live one of this identity that is recorded or was found."""
    drifted: tuple[Drifted, ...] = ()
    gateway_answers: bool | None = None
    """Whether the manifest's gateway answered `/health` as this producer; None where it was not asked."""
    quotes: Mapping[str, StorageQuote] = field(default_factory=dict)
    """By the storage host's name; one that is not here stores for nothing."""
    paid: frozenset[StorageGood] = frozenset()
    """What storage hosts were paid for and have not given yet: it is not paid again."""
    coins: tuple[Coin, ...] = ()
    """Spendable coins in the order in which apply takes them."""
    strays: tuple[Outpoint, ...] = ()
    """Record tokens of ours that are unspent though the root covers them no longer, sorted: a sweep did not get to them."""
    rivals: tuple[Outpoint, ...] = ()
    """Live roots of this identity from a later genesis, sorted; they are among `strays`, and are to be spent (PROTOCOL §4)."""
    fee_rate: FeeRate
    funding_address: str
    readings: tuple[Reading, ...] = ()
    source: str
    """This run's own source of truth id, to hold against the root's."""
    now: int
    """Unix seconds; decides which objects are in their renewal window."""
