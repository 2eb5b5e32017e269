"""`kind: PaymentRule`: by which methods goods are paid, and who gets what of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag, model_validator

from reconciler.manifest.kinds.addresses import Url
from reconciler.manifest.kinds.envelope import Part, SettingMetadata
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.quantities import Duration, Share
from reconciler.manifest.kinds.scalars import Amount, Name, word
from reconciler.manifest.kinds.secrets import Secret
from reconciler.manifest.kinds.unions import MAPPING, WRITTEN, is_mapping
from reconciler.manifest.kinds.visibility import SEALED
from reconciler.model.ids import SettingKind
from reconciler.model.vocabulary import ArcPreset, Way


class Arc(Part):
    """A transaction processor of one's own choice."""

    name: Name
    """Its name in logs."""
    url: Url
    """Its base address."""
    key: Secret | None = None
    """Where its API key is."""


class HttpMethod(Part):
    """Payment with the request that it pays for."""

    min: Amount | None = None
    """The smallest payment taken."""
    max: Amount | None = None
    """The largest payment taken."""
    window: Duration | None = None
    """How long a quote or challenge holds."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise fault("conflict", "the smallest payment is above the largest", expected="min <= max", at=("min",))
        return self


class Split(Part):
    """One share of a payment."""

    to: Name
    """`producer`, or one of the producer's payees."""
    share: Share
    """An exact decimal; all of a rule add up to 1."""


def _whole(splits: tuple[Split, ...]) -> tuple[Split, ...]:
    known: set[str] = set()
    for index, split in enumerate(splits):
        if split.to in known:
            raise fault("duplicate-name", f"'{split.to}' gets two shares", at=(index, "to"))
        known.add(split.to)
    total = sum((Decimal(split.share) for split in splits), Decimal(0))
    if splits and total != 1:
        raise fault("conflict", f"the shares add up to {total}", expected="shares that add up to exactly 1")
    return splits


_ArcChoice = Annotated[
    Annotated[ArcPreset, BeforeValidator(word(ArcPreset)), Tag(WRITTEN)] | Annotated[Arc, Tag(MAPPING)],
    Discriminator(is_mapping),
]


class NativeMethod(Part):
    """Payment by a transaction made from a template."""

    arc: tuple[_ArcChoice, ...] | None = None
    """Who processes transactions, the first that answers."""
    splits: Annotated[tuple[Split, ...] | None, AfterValidator(lambda splits: splits and _whole(splits))] = None
    """Who gets which share; by default the producer gets all."""
    template_expiry: Duration | None = None
    """How long a template may be paid."""


_Way = Annotated[Way, BeforeValidator(word(Way))]


class Routing(Part):
    """Which method is offered for which amount."""

    threshold: Amount
    """From this amount on a payment is large."""
    small: _Way
    """For amounts below the threshold."""
    large: _Way
    """For amounts from the threshold on."""


class Acceptance(Part):
    """When a payment is good enough."""

    seen: Amount
    """Up to this amount it suffices that the network has seen it; above, it has to be mined."""


class Settlement(Part):
    """When what was earned is moved on."""

    above: Amount | None = None
    """As soon as so much has come together."""
    every: Duration | None = None
    """After so long."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.above is None and self.every is None:
            raise fault("missing-field", "the settlement does not say when", expected="above or every")
        return self


class PaymentRuleSpec(Part):
    """Which payments are accepted. A method that is absent is not."""

    http: Annotated[HttpMethod | None, SEALED] = None
    """Payment with the request that it pays for."""
    native: Annotated[NativeMethod | None, SEALED] = None
    """Payment by a transaction made from a template."""
    routing: Annotated[Routing | None, SEALED] = None
    """Which method is offered for which amount; needed only where both are accepted."""
    accept: Annotated[Acceptance | None, SEALED] = None
    """When a payment is good enough; by default it has to be seen up to http.max."""
    settle: Annotated[Settlement | None, SEALED] = None
    """When what was earned is moved on."""

    @model_validator(mode="after")
    def _methods_are_routed(self) -> Self:
        ways = {way for way in Way if getattr(self, way.value) is not None}
        if not ways:
            raise fault("missing-field", "the rule accepts no payment", expected="http or native")
        if len(ways) == 2 and self.routing is None:
            expected = "routing: {threshold, small, large}"
            raise fault("missing-field", "two methods are accepted, but not when which", expected=expected)
        for size in ("small", "large"):
            method = getattr(self.routing, size, None)
            if method is not None and method not in ways:
                expected = " or ".join(sorted(ways))
                raise fault("conflict", f"the rule does not accept '{method}'", expected=expected, at=("routing", size))
        return self


class PaymentRule(Part):
    """Which payments are accepted, and who gets what of them."""

    SETTING: ClassVar[SettingKind] = SettingKind.PAYMENT_RULE

    api_version: Literal["overlay/v1"]
    kind: Literal["PaymentRule"]
    metadata: SettingMetadata
    spec: PaymentRuleSpec
