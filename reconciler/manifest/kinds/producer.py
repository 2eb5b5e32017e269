"""`kind: Producer`: who publishes, where, and what holds for all of its goods."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from reconciler.manifest.kinds.addresses import Email, Key, Origin, Url
from reconciler.manifest.kinds.envelope import Metadata, Part
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.scalars import Amount, Factor, Line, Name, NotYet, Region, Text, line, word
from reconciler.manifest.kinds.visibility import LOCAL, PUBLIC, SEALED
from reconciler.model.ids import Kind, Network


def _as_set(values: tuple[str, ...]) -> tuple[str, ...]:
    """Sorted and without repetition: the order in which regions and tags are written means nothing."""
    return tuple(sorted(set(values)))


Regions = Annotated[tuple[Region, ...], AfterValidator(_as_set)]
Tags = Annotated[tuple[Line, ...], AfterValidator(_as_set)]
Preset = Annotated[Network, BeforeValidator(word(Network))]


class Contact(Part):
    """How to reach the people behind a producer."""

    email: Email | None = None
    url: Url | None = None


class Gateway(Part):
    """The server that consumers talk to."""

    url: Origin
    """Scheme, host and port only."""
    identity_key: Key | None = None
    """Its public key; by default the live one, or at first one made from the producer's."""


def _key_file(value: object) -> str:
    path = line(value)
    if path.startswith("/") or "\\" in path or ".." in path.split("/"):
        raise fault(
            "wrong-value", "the file is not below OVERLAY_HOME", expected="a relative path, such as identity.key"
        )
    return path


class KeyReference(Part):
    """Where the identity key is kept: a reference, never the key."""

    file: Annotated[str, BeforeValidator(_key_file)] = "identity.key"
    """Relative to OVERLAY_HOME."""
    env: NotYet = None
    """A variable of the environment."""


class Identity(Part):
    """The producer's identity key."""

    key: KeyReference = KeyReference()
    rotation: NotYet = None
    """Another key that takes over."""


class NetworkSettings(Part):
    """A world: a preset, and what is different in it."""

    preset: Preset
    arc: Url | None = None
    """The transaction processor."""
    hosts: tuple[Url, ...] | None = None
    """Hosts that records are submitted to."""
    trackers: tuple[Url, ...] | None = None
    """Hosts that are asked who serves what."""
    chain_tracker: Url | None = None
    """Where block headers come from."""


def _network(value: object) -> object:
    return {"preset": value} if isinstance(value, str) else value


class StorageHostSettings(Part):
    """A storage host (UHRP)."""

    name: Name
    url: Url
    region: Region


class Defaults(Part):
    """What holds for every good that says nothing else."""

    license: Line | None = None
    tags: Tags | None = None
    """Added to each good's own."""
    max_cost: Amount | None = None
    """The most that one apply may cost without being asked, in satoshis."""
    max_price_factor: Factor | None = None
    """The most by which one apply may multiply or divide a price without being asked."""
    region: Region | None = None
    payment_rule: NotYet = None
    replication: NotYet = None
    pricing: NotYet = None


class ProducerSpec(Part):
    """The producer itself."""

    display_name: Annotated[Line | None, PUBLIC] = None
    description: Annotated[Text | None, PUBLIC] = None
    contact: Annotated[Contact | None, PUBLIC] = None
    regions: Annotated[Regions | None, PUBLIC] = None
    """Where its goods are served."""
    capabilities: Annotated[NotYet, PUBLIC] = None
    """What it is found by; by default what is advertised."""
    gateway: Annotated[Gateway | None, PUBLIC] = None
    identity: Annotated[Identity, LOCAL] = Identity()
    network: Annotated[
        NetworkSettings | None,
        BeforeValidator(_network, json_schema_input_type=Preset | NetworkSettings),
        SEALED,
    ] = None
    """Which world: embedded, local, test or main."""
    storage_hosts: Annotated[tuple[StorageHostSettings, ...] | None, SEALED] = None
    """Who keeps the bytes; by default the network's own."""
    payees: Annotated[NotYet, SEALED] = None
    """Others who get a share of the revenue."""
    defaults: Annotated[Defaults | None, SEALED] = None
    vars: Annotated[NotYet, LOCAL] = None
    """Variables and their values."""
    analytics: Annotated[NotYet, SEALED] = None
    notify: Annotated[NotYet, SEALED] = None

    @model_validator(mode="after")
    def _hosts_are_distinct(self) -> Self:
        for field in ("name", "url"):
            seen: dict[str, int] = {}
            for index, host in enumerate(self.storage_hosts or ()):
                value: str = getattr(host, field)
                if value in seen:
                    raise fault(
                        "duplicate-name", f"two storage hosts have the same {field}", at=("storageHosts", index, field)
                    )
                seen[value] = index
        return self


class Producer(Part):
    """Who publishes: exactly one in a set of manifests."""

    RECORD: ClassVar[Kind | None] = Kind.PRODUCER

    api_version: Literal["overlay/v1"]
    kind: Literal["Producer"]
    metadata: Metadata
    spec: ProducerSpec
