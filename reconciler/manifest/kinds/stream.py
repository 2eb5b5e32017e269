"""`kind: Stream`: a good that is delivered while it comes into being."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from reconciler.manifest.kinds.addresses import Url, url_of
from reconciler.manifest.kinds.envelope import Part, RecordMetadata, check_verb
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.goods import PaymentRuleChoice
from reconciler.manifest.kinds.paths import RelativePath
from reconciler.manifest.kinds.pricing import StreamPricing
from reconciler.manifest.kinds.quantities import Capability, Count, Depth, Duration, SmallCount
from reconciler.manifest.kinds.scalars import JsonMapping, Line, Name, Shape, Text, Truth, Yes, line, word
from reconciler.manifest.kinds.secrets import Secret
from reconciler.manifest.kinds.sets import Tags
from reconciler.manifest.kinds.visibility import PUBLIC, SEALED
from reconciler.model.durations import milliseconds
from reconciler.model.ids import Kind

_SLOWEST_PER_PACKET_MS: Final = 5000
"""0.2 packets a second: above that a transaction for each packet cannot be paid for nor mined (PROTOCOL §9)."""
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Format(StrEnum):
    """What a packet is."""

    JSON = "json"
    CSV = "csv"
    BINARY = "binary"
    VIDEO = "video"
    AUDIO = "audio"


class StreamState(StrEnum):
    """What a stream shall be doing; what it does is status."""

    LIVE = "live"
    PAUSED = "paused"
    STOPPED = "stopped"


class Quality(StrEnum):
    """How hard the gateway may batch and thin for slow consumers."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    ULTRA_HIGH = "ultra-high"


class AnchorMode(StrEnum):
    """How packets are anchored on chain."""

    BATCH = "batch"
    PER_PACKET = "per-packet"


class When(StrEnum):
    """How far a packet's anchor has to be before the packet is delivered."""

    ACCEPTED = "accepted"
    SEEN = "seen"
    MINED = "mined"


class Overflow(StrEnum):
    """What becomes of a consumer that cannot keep up."""

    DROP_OLDEST = "drop-oldest"
    THIN = "thin"
    CLOSE = "close"


class DeliveryFormat(StrEnum):
    """What is sent to a webhook or agent."""

    ENVELOPE = "envelope"
    """The packet with its stream, sequence and proof."""
    PAYLOAD = "payload"
    """Its payload alone."""


class WebhookEvent(StrEnum):
    """What a webhook is told of."""

    PACKET = "packet"
    GAP = "gap"
    STATE = "state"


def _header(value: object) -> str:
    name = line(value)
    if not _HEADER.fullmatch(name):
        raise fault(
            "wrong-value", "a header's name has characters that it cannot have", expected="a name such as X-Key"
        )
    return name


_WEBSOCKET: Final = "wss://feed.example.com/ws"
_NATS: Final = "nats://bus.example.com:4222/prices.btc"
WebSocketUrl = Annotated[
    str,
    BeforeValidator(url_of("ws", "wss", example=_WEBSOCKET)),
    WithJsonSchema({"type": "string", "pattern": "^wss?://"}),
    Shape("ws or wss URL", _WEBSOCKET),
]
NatsUrl = Annotated[
    str,
    BeforeValidator(url_of("nats", "tls", example=_NATS)),
    WithJsonSchema({"type": "string", "pattern": "^(nats|tls)://"}),
    Shape("nats URL with a subject", _NATS),
]
HeaderName = Annotated[str, BeforeValidator(_header)]

_SOURCES: Final = ("websocket", "sse", "http", "file", "stdin", "nats")
_WITH_HEADERS: Final = frozenset({"websocket", "sse", "http"})


class StreamSource(Part):
    """Where packets come from: exactly one of these."""

    websocket: WebSocketUrl | None = None
    """Messages of a WebSocket."""
    sse: Url | None = None
    """Server-sent events."""
    http: Url | None = None
    """An address that is asked again and again, at the stream's frequency."""
    file: RelativePath | None = None
    """Lines that are appended to a file."""
    stdin: Yes | None = None
    """Lines of the standard input."""
    nats: NatsUrl | None = None
    """Messages of a NATS subject."""
    headers: dict[HeaderName, Secret] | None = None
    """Headers of the request, by reference."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if not given:
            raise fault("missing-field", "the source names no origin", expected=" | ".join(_SOURCES))
        if len(given) > 1:
            raise fault("conflict", "the source has two origins", expected="one of them", at=(given[1],))
        if self.headers and given[0] not in _WITH_HEADERS:
            raise fault("conflict", f"a source of kind {given[0]} has no headers", at=("headers",))
        return self


class Transform(Part):
    """What is made of each packet: exactly one of these."""

    jmespath: Line | None = None
    """An expression that picks and renames fields."""
    plugin: Name | None = None
    """A program of one's own, by name."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.jmespath is None) == (self.plugin is None):
            raise fault("conflict", "a transform is one thing", expected="jmespath or plugin")
        return self


class Anchoring(Part):
    """How packets are committed to on chain."""

    mode: Annotated[AnchorMode, BeforeValidator(word(AnchorMode))]
    """One anchor for many packets, or for each."""
    every: Duration | None = None
    """A batch ends after this time, or maxPackets, whichever is first."""
    max_packets: Count | None = None
    """A batch ends with this many packets, or after every, whichever is first."""

    @model_validator(mode="after")
    def _only_batches_end(self) -> Self:
        batch = self.every is not None or self.max_packets is not None
        if self.mode is AnchorMode.PER_PACKET and batch:
            at = ("every",) if self.every is not None else ("maxPackets",)
            raise fault("conflict", "only a batch has an end", expected="mode: batch", at=at)
        if self.mode is AnchorMode.BATCH and not batch:
            raise fault("missing-field", "the batch has no end", expected="every: 10s, maxPackets: 1000, or both")
        return self


class Delivery(Part):
    """When packets reach consumers."""

    when: Annotated[When, BeforeValidator(word(When))] = When.SEEN
    """How far the anchor has to be."""
    depth: Depth | None = None
    """With `mined`: in how many blocks."""
    overflow: Annotated[Overflow, BeforeValidator(word(Overflow))] = Overflow.DROP_OLDEST
    """What becomes of a consumer that cannot keep up."""

    @model_validator(mode="after")
    def _depth_is_of_blocks(self) -> Self:
        if self.depth is not None and self.when is not When.MINED:
            raise fault("conflict", "only mined packets have a depth", expected="when: mined", at=("depth",))
        return self


class Webhook(Part):
    """An address that packets are posted to."""

    url: Url
    """Where they are posted to."""
    secret: Secret | None = None
    """Where the key of the signature is (Standard Webhooks)."""
    events: tuple[Annotated[WebhookEvent, BeforeValidator(word(WebhookEvent))], ...] = (WebhookEvent.PACKET,)
    """What it is told of."""
    batch: SmallCount = 1
    """How many packets it gets at once."""
    format: Annotated[DeliveryFormat, BeforeValidator(word(DeliveryFormat))] = DeliveryFormat.ENVELOPE
    """What it gets of each."""


class Agent(Part):
    """A program that packets are given to."""

    name: Name
    """Its name in lists and logs."""
    url: Url | None = None
    """Where it takes packets."""
    mcp: Url | None = None
    """Its MCP server."""
    trigger: Line | None = None
    """A JMESPath expression; by default every packet is given to it."""
    format: Annotated[DeliveryFormat, BeforeValidator(word(DeliveryFormat))] = DeliveryFormat.ENVELOPE
    """What it gets of each packet."""

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url is None) == (self.mcp is None):
            raise fault("conflict", "an agent has one address", expected="url or mcp")
        return self


class StreamSpec(Part):
    """A good that is delivered while it comes into being."""

    title: Annotated[Line | None, PUBLIC] = None
    """Its name for people."""
    description: Annotated[Text | None, PUBLIC] = None
    """What it is."""
    capability: Annotated[Capability | None, PUBLIC] = None
    """What it is found by; it has to be advertised."""
    tags: Annotated[Tags | None, PUBLIC] = None
    """Words to find it by; the producer's default tags are added."""
    license: Annotated[Line | None, PUBLIC] = None
    """What may be done with it; by default the producer's."""
    format: Annotated[Format | None, BeforeValidator(word(Format)), PUBLIC] = None
    """What a packet is."""
    frequency: Annotated[Duration | None, PUBLIC] = None
    """The interval between two packets."""
    conflate: Annotated[Truth, SEALED] = True
    """At most one packet in an interval, the latest wins."""
    pricing: Annotated[StreamPricing | None, PUBLIC] = None
    """What it costs; by default the producer's, else it is free."""
    payment_rule: Annotated[PaymentRuleChoice | None, SEALED] = None
    """A PaymentRule by name, or one inline."""
    max_consumers: Annotated[Count | None, PUBLIC] = None
    """How many may listen at the same time."""
    data_schema: Annotated[JsonMapping | None, PUBLIC] = None
    """A description of a packet's structure, such as a JSON Schema."""
    state: Annotated[StreamState, BeforeValidator(word(StreamState)), SEALED] = StreamState.LIVE
    """What it shall be doing."""
    source: Annotated[StreamSource | None, SEALED] = None
    """Where packets come from; by default they are published by `overlay stream publish` and the library."""
    transform: Annotated[Transform | None, SEALED] = None
    """What is made of each packet."""
    buffer: Annotated[Duration | None, PUBLIC] = None
    """How long packets can be had again."""
    redundancy: Annotated[SmallCount | None, SEALED] = None
    """How many gateways may run it; one leads."""
    quality: Annotated[Quality | None, BeforeValidator(word(Quality)), PUBLIC] = None
    """How hard the gateway may batch and thin for slow consumers."""
    anchoring: Annotated[Anchoring | None, PUBLIC] = None
    """How packets are committed to on chain."""
    delivery: Annotated[Delivery | None, PUBLIC] = None
    """When packets reach consumers."""
    webhooks: Annotated[tuple[Webhook, ...] | None, SEALED] = None
    """Addresses that packets are posted to."""
    agents: Annotated[tuple[Agent, ...] | None, SEALED] = None
    """Programs that packets are given to."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        per_packet = self.anchoring is not None and self.anchoring.mode is AnchorMode.PER_PACKET
        if per_packet and self.frequency is not None and milliseconds(self.frequency) < _SLOWEST_PER_PACKET_MS:
            raise fault(
                "conflict",
                "the packets come too fast to be anchored each",
                expected="at most 0.2 packets a second: frequency 5s or more",
                hint="anchoring: {mode: batch, every: 10s}",
                at=("anchoring", "mode"),
            )
        names: set[str] = set()
        for index, agent in enumerate(self.agents or ()):
            if agent.name in names:
                raise fault("duplicate-name", "two agents have the same name", at=("agents", index, "name"))
            names.add(agent.name)
        return self


class Stream(Part):
    """A good that is delivered while it comes into being."""

    RECORD: ClassVar[Kind] = Kind.STREAM

    api_version: Literal["overlay/v1"]
    kind: Literal["Stream"]
    metadata: RecordMetadata
    spec: StreamSpec

    @model_validator(mode="after")
    def _no_verb(self) -> Self:
        check_verb(self.RECORD, self.metadata.name)
        return self
