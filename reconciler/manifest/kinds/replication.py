"""`kind: ReplicationRule`, and the same as a good has it inline."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from reconciler.manifest.kinds.envelope import Part, SettingMetadata
from reconciler.manifest.kinds.fault import fault
from reconciler.manifest.kinds.quantities import Count, Duration, SmallCount
from reconciler.manifest.kinds.scalars import Line, Name, Size, word
from reconciler.manifest.kinds.sets import Regions, Tags, as_set
from reconciler.manifest.kinds.visibility import SEALED
from reconciler.model.ids import SettingKind


class Selector(Part):
    """Which datasets a rule holds for; all that is said must hold."""

    match_labels: dict[str, Line] | None = None
    """Labels that a dataset has, with these values."""
    match_tags: Tags | None = None
    """Tags that a dataset has, all of them."""
    max_size: Size | None = None
    """The size of content up to which the rule holds."""

    def matches(self, labels: Mapping[str, str], tags: Collection[str], size: int) -> bool:
        """Whether all that is said holds for a dataset; `tags` are those it is published with, `size` is in bytes."""
        return (
            all(labels.get(label) == value for label, value in (self.match_labels or {}).items())
            and set(tags).issuperset(self.match_tags or ())
            and (self.max_size is None or size <= self.max_size)
        )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.match_labels or self.match_tags or self.max_size is not None):
            raise fault("missing-field", "the selector selects nothing", expected="matchLabels, matchTags or maxSize")
        return self


class Place(StrEnum):
    """What copies are spread over."""

    REGION = "region"


class Spread(Part):
    """Over how many places copies are spread."""

    by: Annotated[Place, BeforeValidator(word(Place))] = Place.REGION
    """What counts as a place."""
    min: SmallCount
    """How many of them at least."""


class AutoScale(Part):
    """More copies for what is asked for often."""

    max: SmallCount
    """How many copies at most."""
    per_downloads: Count
    """One more copy for so many downloads a day."""


class Replicating(Part):
    """How content is kept: what a rule and an inline `replication` have in common."""

    replicas: Annotated[SmallCount, SEALED] = 1
    """How many storage hosts shall keep a copy."""
    spread: Annotated[Spread | None, SEALED] = None
    """Over how many regions copies are spread."""
    regions: Annotated[Regions | None, SEALED] = None
    """Where copies may be kept; by default anywhere."""
    hosts: Annotated[tuple[Name, ...] | None, AfterValidator(lambda names: names and as_set(names)), SEALED] = None
    """Names of the storage hosts that may keep copies; by default all."""
    min_replicas: Annotated[SmallCount, SEALED] = 1
    """How many copies must be made before an apply commits."""
    renew_before: Annotated[Duration | None, SEALED] = None
    """How long before its end a copy is renewed; by default the smaller of 7 days and a third of its term."""
    auto_scale: Annotated[AutoScale | None, SEALED] = None
    """More copies for what is asked for often."""

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        most = f"at most replicas ({self.replicas})"
        if self.min_replicas > self.replicas:
            raise fault("conflict", "more copies are due than are wanted", expected=most, at=("minReplicas",))
        if self.spread and self.spread.min > self.replicas:
            raise fault("conflict", "there are fewer copies than regions", expected=most, at=("spread", "min"))
        if self.hosts is not None and len(self.hosts) < self.replicas:
            summary = "there are fewer hosts than copies"
            raise fault("conflict", summary, expected=f"at least replicas ({self.replicas}) names", at=("hosts",))
        if self.auto_scale and self.auto_scale.max < self.replicas:
            expected = f"at least replicas ({self.replicas})"
            raise fault("conflict", "the most copies are fewer than wanted", expected=expected, at=("autoScale", "max"))
        return self


class Selecting(Part):
    """Whose content it is."""

    selector: Annotated[Selector | None, SEALED] = None
    """Datasets that it holds for without naming it."""


class ReplicationRuleSpec(Replicating, Selecting):
    """How content is kept, and whose."""


class ReplicationRule(Part):
    """How content is kept: how many copies, where, and for how long."""

    SETTING: ClassVar[SettingKind] = SettingKind.REPLICATION_RULE

    api_version: Literal["overlay/v1"]
    kind: Literal["ReplicationRule"]
    metadata: SettingMetadata
    spec: ReplicationRuleSpec
