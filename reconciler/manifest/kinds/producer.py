"""`kind: Producer`: who publishes, where, and what holds for all of its goods."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from reconciler.manifest.kinds.addresses import Email, Key, Origin, Url
from reconciler.manifest.kinds.envelope import Metadata, Part
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.pricing import DatasetPricing, StreamPricing
from reconciler.manifest.kinds.quantities import Duration
from reconciler.manifest.kinds.scalars import Amount, Factor, Line, Name, Region, Shape, Text, word
from reconciler.manifest.kinds.secrets import VARIABLE, EnvironmentName, HomeFile, Secret, reference
from reconciler.manifest.kinds.sets import Capabilities, Regions, Tags
from reconciler.manifest.kinds.visibility import LOCAL, PUBLIC, SEALED
from reconciler.manifest.tree import Items, Plain, Table
from reconciler.model.ids import Kind, Network
from reconciler.model.vocabulary import OURSELVES, Occasion

_VARIABLES_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
Preset = Annotated[Network, BeforeValidator(word(Network))]


class Contact(Part):
    """How to reach the people behind a producer."""

    email: Email | None = None
    """Their mail address."""
    url: Url | None = None
    """Their page."""


class Gateway(Part):
    """The server that consumers talk to."""

    url: Origin
    """Scheme, host and port only."""
    identity_key: Key | None = None
    """Its public key; by default the live one, or at first one made from the producer's."""


class KeyReference(Part):
    """Where the identity key is kept: a reference, never the key."""

    file: HomeFile | None = None
    """Relative to OVERLAY_HOME."""
    env: EnvironmentName | None = None
    """A variable of the environment."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.file is not None and self.env is not None:
            raise fault("conflict", "a key is in one place", expected="{env: NAME} or {file: PATH}", at=("env",))
        return self


class KeyRotation(Part):
    """Another identity key, which the next apply hands everything over to."""

    to: Annotated[KeyReference, BeforeValidator(reference)]
    """Where the new key is; `overlay identity rotate` makes one."""
    transition: Duration = "30d"
    """How long what the old key signed stays valid."""


class Identity(Part):
    """The producer's identity key."""

    key: Annotated[KeyReference, BeforeValidator(reference)] = KeyReference(file="identity.key")
    """Where it is."""
    rotation: KeyRotation | None = None
    """Another key that takes over. Once that is applied, `key` is to name it, and this goes."""

    @model_validator(mode="after")
    def _another(self) -> Self:
        if self.rotation is not None and self.rotation.to == self.key:
            raise fault(
                "conflict",
                "a key is not rotated to itself",
                expected="another {env: NAME} or {file: PATH}",
                at=("rotation", "to"),
            )
        return self


class NetworkSettings(Part):
    """A world: a preset, and what is different in it."""

    preset: Preset
    """The network's own settings."""
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
    """Its name in rules and plans."""
    url: Url
    """Where it answers."""
    region: Region
    """Where it is."""


class DefaultPricing(Part):
    """Prices of goods that have none of their own."""

    dataset: DatasetPricing | None = None
    """Of each dataset; `price: 0` makes one free."""
    stream: StreamPricing | None = None
    """Of each stream."""


class Payee(Part):
    """Somebody who gets a share of the revenue."""

    identity_key: Key
    """Their identity key."""


class Tracked(StrEnum):
    """What statistics are kept of."""

    REVENUE = "revenue"
    USAGE = "usage"
    PERFORMANCE = "performance"


class Analytics(Part):
    """Which statistics are kept, and how long."""

    retention: Duration | None = None
    """How long single events are kept."""
    track: tuple[Annotated[Tracked, BeforeValidator(word(Tracked))], ...] | None = None
    """What statistics are kept of; by default all."""


class Notification(Part):
    """An address that is told when something happens."""

    url: Url
    """Where it is posted to."""
    secret: Secret | None = None
    """Where the key of the signature is."""
    on: tuple[Annotated[Occasion, BeforeValidator(word(Occasion))], ...] | None = None
    """What it is told of; by default everything."""


def _variables(value: object) -> dict[str, str | None]:
    """Names and values; null declares a name that has to be given."""
    if not isinstance(value, Table):
        raise fault("wrong-type", "{field} is not a mapping", expected="a mapping of names to values")
    return {name: _variable(name, node) for name, node in value.items()}


def _variable(name: str, node: object) -> str | None:
    if not VARIABLE.fullmatch(name):
        expected = "letters, digits and _, not beginning with a digit"
        raise fault("wrong-value", f"'{name}' cannot name a variable", expected=expected, at=(name,))
    if isinstance(node, Table | Items):
        raise fault("wrong-type", "{field} is not a single value", expected="text or a number", at=(name,))
    return None if isinstance(node, Plain) and node.is_null else str(node)


class Defaults(Part):
    """What holds for every good that says nothing else."""

    license: Line | None = None
    """What may be done with goods that say nothing else."""
    tags: Tags | None = None
    """Added to each good's own."""
    payment_rule: Name | None = None
    """The PaymentRule of goods that name none."""
    replication: Name | None = None
    """The ReplicationRule of datasets that name none and that no selector matches."""
    pricing: DefaultPricing | None = None
    """Prices of goods that have none of their own."""
    max_cost: Amount | None = None
    """The most that one apply may cost without being asked, in satoshis."""
    max_price_factor: Factor | None = None
    """The most by which one apply may multiply or divide a price without being asked."""
    region: Region | None = None
    """Where this producer is at home."""


class ProducerSpec(Part):
    """The producer itself."""

    display_name: Annotated[Line | None, PUBLIC] = None
    """Its name for people."""
    description: Annotated[Text | None, PUBLIC] = None
    """Who it is, in a sentence or two."""
    contact: Annotated[Contact | None, PUBLIC] = None
    """How to reach it."""
    regions: Annotated[Regions | None, PUBLIC] = None
    """Where its goods are served."""
    capabilities: Annotated[Capabilities | None, PUBLIC] = None
    """What it is found by; by default what is advertised."""
    gateway: Annotated[Gateway | None, PUBLIC] = None
    """The server that consumers talk to."""
    identity: Annotated[Identity, LOCAL] = Identity()
    """Where the identity key is."""
    network: Annotated[
        NetworkSettings | None,
        BeforeValidator(_network, json_schema_input_type=Preset | NetworkSettings),
        Shape("embedded | local | test | main, or a mapping", "embedded"),
        SEALED,
    ] = None
    """Which world: embedded, local, test or main."""
    storage_hosts: Annotated[tuple[StorageHostSettings, ...] | None, SEALED] = None
    """Who keeps the bytes; by default the network's own."""
    payees: Annotated[dict[Name, Payee] | None, SEALED] = None
    """Others who get a share of the revenue, by name."""
    defaults: Annotated[Defaults | None, SEALED] = None
    """What holds for every good that says nothing else."""
    vars: Annotated[
        dict[str, str | None] | None,
        BeforeValidator(_variables),
        WithJsonSchema(_VARIABLES_SCHEMA),
        LOCAL,
    ] = None
    """Variables, and their values unless --var or --var-file give others; null declares one without."""
    analytics: Annotated[Analytics | None, SEALED] = None
    """Which statistics are kept, and how long."""
    notify: Annotated[tuple[Notification, ...] | None, SEALED] = None
    """Addresses that are told when something happens."""

    @model_validator(mode="after")
    def _payees_are_others(self) -> Self:
        if OURSELVES in (self.payees or {}):
            hint = "it gets a share without being a payee"
            raise fault("conflict", f"'{OURSELVES}' is this producer", hint=hint, at=("payees", OURSELVES))
        return self

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

    RECORD: ClassVar[Kind] = Kind.PRODUCER

    api_version: Literal["overlay/v1"]
    kind: Literal["Producer"]
    metadata: Metadata
    spec: ProducerSpec
