"""`kind: ConsumerPolicy`: what consumers may do, by tier."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from reconciler.manifest.kinds.addresses import Key
from reconciler.manifest.kinds.envelope import Part, SettingMetadata
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.quantities import Count, Duration, Percentage
from reconciler.manifest.kinds.scalars import Amount, Name, Size, Text, word
from reconciler.manifest.kinds.sets import as_set
from reconciler.manifest.kinds.visibility import SEALED
from reconciler.model.ids import SettingKind
from reconciler.model.vocabulary import ConsumerState


class Quota(Part):
    """How much one consumer may have in a window of time."""

    bytes: Size | None = None
    """Content delivered."""
    requests: Count | None = None
    """Requests answered."""
    streams: Count | None = None
    """Streams open at the same time."""
    window: Duration | None = None
    """The time that bytes and requests are counted over."""

    @model_validator(mode="after")
    def _has_a_window(self) -> Self:
        if self.window is None and (self.bytes is not None or self.requests is not None):
            raise fault("missing-field", "a quota of bytes or requests has a window", expected="window: 24h")
        return self


class Fee(Part):
    """What membership of a tier costs."""

    satoshis: Amount
    """For one term."""
    per: Duration
    """The term."""


class Promotion(Part):
    """When a consumer rises into a tier by itself."""

    spent: Amount
    """Having paid so much in all."""


class ConsumerTier(Part):
    """What holds for the consumers of one tier."""

    quota: Quota | None = None
    """How much each may have; by default any amount."""
    fee: Fee | None = None
    """What membership costs."""
    discount: Percentage | None = None
    """Taken off every price, last of all."""
    members: Annotated[tuple[Key, ...] | None, AfterValidator(lambda keys: keys and as_set(keys))] = None
    """Consumers that belong here, by identity key."""
    promote: Promotion | None = None
    """When a consumer rises into this tier by itself."""


class Consumer(Part):
    """What holds for one consumer."""

    key: Key
    """Its identity key."""
    tier: Name | None = None
    """The tier that it belongs to."""
    state: Annotated[ConsumerState, BeforeValidator(word(ConsumerState))] = ConsumerState.ACTIVE
    """Whether it is served."""
    note: Text | None = None
    """For yourself."""


class ConsumerPolicySpec(Part):
    """Tiers, and who belongs to them."""

    tiers: Annotated[dict[Name, ConsumerTier] | None, SEALED] = None
    """Tiers by name."""
    default_tier: Annotated[Name | None, SEALED] = None
    """The tier of everybody else."""
    consumers: Annotated[tuple[Consumer, ...] | None, SEALED] = None
    """What holds for single consumers."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        tiers = self.tiers or {}
        known = ", ".join(tiers) or "no tier"
        if self.default_tier is not None and self.default_tier not in tiers:
            raise fault("dangling-reference", "there is no such tier", expected=known, at=("defaultTier",))
        keys: dict[str, str] = {}
        for index, consumer in enumerate(self.consumers or ()):
            if consumer.tier is not None and consumer.tier not in tiers:
                at = ("consumers", index, "tier")
                raise fault("dangling-reference", "there is no such tier", expected=known, at=at)
            if consumer.key in keys:
                raise fault("duplicate-name", "a consumer is there twice", at=("consumers", index, "key"))
            keys[consumer.key] = consumer.tier or ""
        for name, tier in tiers.items():
            for key in tier.members or ():
                if keys.setdefault(key, name) not in {name, ""}:
                    raise fault("conflict", "a consumer belongs to two tiers", at=("tiers", name, "members"))
        return self


class ConsumerPolicy(Part):
    """What consumers may do: at most one in a set of manifests."""

    SETTING: ClassVar[SettingKind] = SettingKind.CONSUMER_POLICY

    api_version: Literal["overlay/v1"]
    kind: Literal["ConsumerPolicy"]
    metadata: SettingMetadata
    spec: ConsumerPolicySpec
