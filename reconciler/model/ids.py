"""Identifiers, each checked where it is made, so that one that exists is legal.

Hashes and keys are lower-case hexadecimal text everywhere in the program; the store keeps them as bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType, Self

Txid = NewType("Txid", str)
"""64 hex digits in display order (the reverse of the bytes inside a transaction)."""

Digest = NewType("Digest", str)
"""A SHA-256, 64 hex digits."""

IdentityKey = NewType("IdentityKey", str)
"""A compressed secp256k1 public key, 66 hex digits."""

_HEX64 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"0[23][0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9._/-]*[a-z0-9])?")
_NAME_BYTES = 253


def txid(text: str) -> Txid:
    """Check and return a transaction id. Raises ValueError."""
    if not _HEX64.fullmatch(text):
        raise ValueError(f"not a transaction id (64 lower-case hex digits): {text!r}")
    return Txid(text)


def digest(value: str | bytes) -> Digest:
    """Check and return a SHA-256 given as hex text or 32 bytes. Raises ValueError."""
    text = value.hex() if isinstance(value, bytes) else value
    if not _HEX64.fullmatch(text):
        raise ValueError(f"not a SHA-256 (64 lower-case hex digits): {text!r}")
    return Digest(text)


def identity_key(value: str | bytes) -> IdentityKey:
    """Check and return a compressed public key given as hex text or 33 bytes. Raises ValueError."""
    text = value.hex() if isinstance(value, bytes) else value
    if not _KEY.fullmatch(text):
        raise ValueError(f"not a compressed public key (66 hex digits, starting 02 or 03): {text!r}")
    return IdentityKey(text)


def name_fault(name: str) -> str | None:
    """Why `name` cannot name a record (PROTOCOL §2), or None if it can."""
    if len(name.encode()) > _NAME_BYTES:
        return f"is longer than {_NAME_BYTES} bytes"
    if not _NAME.fullmatch(name):
        return "must be lower-case letters, digits and . _ / -, and begin and end with a letter or digit"
    for twice in ("..", "//"):
        if twice in name:
            return f"must not contain {twice!r}"
    return None


@dataclass(frozen=True, slots=True, order=True)
class Outpoint:
    """One output of one transaction."""

    txid: Txid
    vout: int

    def __post_init__(self) -> None:
        txid(self.txid)
        if not 0 <= self.vout <= 0xFFFFFFFF:
            raise ValueError(f"not an output index: {self.vout}")

    def __str__(self) -> str:
        return f"{self.txid}.{self.vout}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form, `txid.vout`. Raises ValueError."""
        head, dot, tail = text.partition(".")
        if not dot or not tail.isascii() or not tail.isdigit():
            raise ValueError(f"not an outpoint (txid.vout): {text!r}")
        return cls(txid(head), int(tail))

    def to_bytes(self) -> bytes:
        """The 36 bytes that a transaction input carries: txid in internal order, index little-endian."""
        return bytes.fromhex(self.txid)[::-1] + self.vout.to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the 36-byte form. Raises ValueError."""
        if len(data) != 36:
            raise ValueError(f"an outpoint has 36 bytes, not {len(data)}")
        return cls(Txid(data[:32][::-1].hex()), int.from_bytes(data[32:], "little"))


class Kind(StrEnum):
    """What a manifest document describes; also the kind field of a record token."""

    PRODUCER = "producer"
    ADVERTISEMENT = "advertisement"
    DATASET = "dataset"
    STREAM = "stream"


_KINDS: Final[dict[str, Kind]] = {kind.value: kind for kind in Kind}


class SettingKind(StrEnum):
    """What a manifest document describes that is never published: it lies sealed in the root (PROTOCOL §3)."""

    PAYMENT_RULE = "paymentrule"
    REPLICATION_RULE = "replicationrule"
    CONSUMER_POLICY = "consumerpolicy"


class AdProtocol(StrEnum):
    """What kind of service an advertisement on the trackers names (BRC-88)."""

    SHIP = "SHIP"
    """A host that takes a topic."""
    SLAP = "SLAP"
    """A host that answers a look-up service."""


VERBS: Final = {
    Kind.DATASET: frozenset({"access", "content"}),
    Kind.STREAM: frozenset({"sessions", "ws", "events", "packets", "webhooks", "agents"}),
}
"""Last words of a gateway's URLs, behind the names of what is asked for (DESIGN §5)."""


def verb_fault(kind: Kind, name: str) -> str | None:
    """Why nothing of this kind is published under `name`, though it could be a name; None if it can."""
    last = name.rpartition("/")[2]
    return f"must not end in '{last}', which ends URLs of the gateway" if last in VERBS.get(kind, ()) else None


@dataclass(frozen=True, slots=True, order=True)
class RecordId:
    """Kind and name of a record; unique within one producer."""

    kind: Kind
    name: str

    def __post_init__(self) -> None:
        fault = name_fault(self.name)
        if fault:
            raise ValueError(f"the name {self.name!r} {fault}")

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form, `kind/name`. Raises ValueError."""
        kind, slash, name = text.partition("/")
        if not slash:
            raise ValueError(f"not a record address (kind/name): {text!r}")
        if kind not in _KINDS:
            raise ValueError(f"{text!r} begins with {kind!r}, not with one of {', '.join(Kind)}")
        return cls(_KINDS[kind], name)


class Network(StrEnum):
    """Which world a run acts on; state of different networks never mixes."""

    EMBEDDED = "embedded"
    LOCAL = "local"
    TEST = "test"
    MAIN = "main"

    @property
    def is_toy(self) -> bool:
        """Whether nothing here leaves this machine, so that keys and coins may be made without asking."""
        return self in {Network.EMBEDDED, Network.LOCAL}


class ObjectType(StrEnum):
    """What a plan works on (DESIGN §2)."""

    RECORD = "record"
    SHIP = "ship"
    SLAP = "slap"
    REPLICA = "replica"
    SETTING = "setting"


_OBJECT_TYPES: Final[dict[str, ObjectType]] = {each.value: each for each in ObjectType}


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """The address of one object: `record/dataset/btc`, `replica/btc@storage-eu`."""

    type: ObjectType
    path: str

    def __str__(self) -> str:
        return f"{self.type}/{self.path}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form; a bare `kind/name` is a record. Raises ValueError."""
        head, slash, rest = text.partition("/")
        if slash and head in _OBJECT_TYPES:
            return cls(_OBJECT_TYPES[head], rest)
        return cls.of_record(RecordId.parse(text))

    @classmethod
    def of_record(cls, record: RecordId) -> Self:
        """The address of a record."""
        return cls(ObjectType.RECORD, str(record))

    @classmethod
    def of_ad(cls, protocol: AdProtocol, name: str) -> Self:
        """The address of an advertisement by its topic or service."""
        return cls(ObjectType.SHIP if protocol is AdProtocol.SHIP else ObjectType.SLAP, name)

    @classmethod
    def of_setting(cls, kind: SettingKind, name: str) -> Self:
        """The address of a sealed setting."""
        return cls(ObjectType.SETTING, f"{kind}/{name}")

    @classmethod
    def of_replica(cls, dataset: str, host: str) -> Self:
        """The address of one stored copy of a dataset's content."""
        return cls(ObjectType.REPLICA, f"{dataset}@{host}")
