"""`kind: Advertisement`: a service that is offered, found by a capability."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator

from reconciler.manifest.kinds.envelope import Part, RecordMetadata
from reconciler.manifest.kinds.pricing import Pricing
from reconciler.manifest.kinds.quantities import Availability, Capability, Count, Day
from reconciler.manifest.kinds.scalars import Line, word
from reconciler.manifest.kinds.sets import Regions
from reconciler.manifest.kinds.visibility import PUBLIC, SEALED
from reconciler.model.ids import Kind


class WhenUnhealthy(StrEnum):
    """What becomes of an advertisement whose gateway does not answer."""

    KEEP = "keep"
    WITHDRAW = "withdraw"


class AdvertisementSpec(Part):
    """A service."""

    service_type: Annotated[Line, PUBLIC]
    """What kind of service it is, such as data-feed."""
    capability: Annotated[Capability, PUBLIC]
    """What it is found by: `tm_data_<capability>` and `ls_data_<capability>` on the trackers."""
    pricing: Annotated[Pricing | None, PUBLIC] = None
    """From what price on, as information; each good has its own."""
    availability: Annotated[Availability | None, PUBLIC] = None
    """Percent of the time, or 24/7."""
    regions: Annotated[Regions | None, PUBLIC] = None
    """Where it is offered."""
    max_consumers: Annotated[Count | None, PUBLIC] = None
    """How many are served at the same time."""
    expires: Annotated[Day | None, PUBLIC] = None
    """The last day that it is offered."""
    when_unhealthy: Annotated[WhenUnhealthy, BeforeValidator(word(WhenUnhealthy)), SEALED] = WhenUnhealthy.KEEP
    """What becomes of it while the gateway does not answer."""


class Advertisement(Part):
    """A service that is offered at the producer's gateway."""

    RECORD: ClassVar[Kind] = Kind.ADVERTISEMENT

    api_version: Literal["overlay/v1"]
    kind: Literal["Advertisement"]
    metadata: RecordMetadata
    spec: AdvertisementSpec
