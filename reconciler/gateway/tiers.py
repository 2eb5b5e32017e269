"""What holds for one consumer: the ConsumerPolicy of the live root. Pure.

A consumer is in the first of these tiers that holds: the one that the policy names for its key; the one that lists it among its
members; the dearest that it is a paying member of; the highest that it rose to by what it has spent; the default one. A tier
with a fee holds for nobody whose membership is not paid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Final

from reconciler.gateway.settings import amount, length, read_setting
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError, VerificationError
from reconciler.model.ids import IdentityKey, SettingKind, identity_key
from reconciler.model.json import Json, JsonObject
from reconciler.model.vocabulary import ConsumerState
from reconciler.wire.fields import Fields, read_object

WHOLE: Final = 10_000
"""A discount of 100 %, in hundredths of a percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much one consumer may have; None is any amount."""

    bytes: int | None = None
    """Of content, in a window."""
    requests: int | None = None
    """Answered, in a window."""
    streams: int | None = None
    """Open at the same time."""
    window: int | None = None
    """Seconds; there where bytes or requests are counted."""


@dataclass(frozen=True, slots=True)
class Fee:
    """What membership costs for a term of so many seconds."""

    satoshis: Satoshis
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What holds for the consumers of one tier."""

    name: str
    quota: Quota | None = None
    fee: Fee | None = None
    discount: int = 0
    """In hundredths of a percent of every price."""
    members: frozenset[IdentityKey] = frozenset()
    promoted_from: Satoshis | None = None
    """Who has paid so much in all rises into it."""

    @property
    def percentage(self) -> str:
        """The discount, as manifests write it: `2.5%`."""
        return f"{Decimal(self.discount) / 100:f}%"


NO_TIER: Final = Tier(name="none")
"""Of everybody where the policy has no default tier, or there is no policy: list prices, and no quota."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """What the policy says of one key."""

    tier: str | None
    state: ConsumerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumers:
    """The policy of one generation."""

    tiers: Mapping[str, Tier] = field(default_factory=dict)
    default: str | None = None
    named: Mapping[IdentityKey, Consumer] = field(default_factory=dict)

    def state(self, key: IdentityKey) -> ConsumerState:
        """Whether the policy lets a consumer be served; what it has done since is for others to know."""
        named = self.named.get(key)
        return ConsumerState.ACTIVE if named is None else named.state

    def tier(self, key: IdentityKey, *, spent: int, paid: Collection[str]) -> Tier:
        """The tier of a consumer who has paid so many satoshis in all, and membership of these tiers for now."""
        held = (tier for tier in self._candidates(key, spent, paid) if tier.fee is None or tier.name in paid)
        return next(held, NO_TIER)

    @property
    def asks_membership(self) -> bool:
        """Whether it matters what a consumer is a paying member of."""
        return any(tier.fee is not None for tier in self.tiers.values())

    def _candidates(self, key: IdentityKey, spent: int, paid: Collection[str]) -> Iterator[Tier]:
        named = self.named.get(key)
        if named is not None and named.tier is not None:
            yield self.tiers[named.tier]
        yield from (tier for tier in self.tiers.values() if key in tier.members)
        yield from _dearest(tier for tier in self.tiers.values() if tier.fee is not None and tier.name in paid)
        reached = [
            tier for tier in self.tiers.values() if tier.promoted_from is not None and tier.promoted_from <= spent
        ]
        yield from sorted(reached, key=lambda tier: (-(tier.promoted_from or 0), tier.name))
        if self.default is not None:
            yield self.tiers[self.default]


def consumers_of(settings: Mapping[str, JsonObject]) -> Consumers:
    """The policy in a root's settings (by `kind/name`), of which there is one at most. Raises StateError for one that cannot be read."""
    prefix = f"{SettingKind.CONSUMER_POLICY}/"
    found = [value for address, value in settings.items() if address.startswith(prefix)]
    if len(found) > 1:
        raise StateError("the root has more than one consumer policy")
    return read_setting(found[0], "the consumer policy", _policy) if found else Consumers()


def _dearest(tiers: Iterable[Tier]) -> list[Tier]:
    return sorted(tiers, key=lambda tier: (-(tier.fee.satoshis if tier.fee else 0), tier.name))


def _policy(fields: Fields) -> Consumers:
    tiers = fields.given("tiers", fields.json_object) or {}
    policy = Consumers(
        tiers={name: _tier(name, value) for name, value in sorted(tiers.items())},
        default=fields.given("defaultTier", fields.text),
        named=dict(fields.given("consumers", lambda name: fields.items(name, _consumer)) or ()),
    )
    wanted = {policy.default, *(consumer.tier for consumer in policy.named.values())} - {None}
    if not wanted <= policy.tiers.keys():
        raise VerificationError("it names a tier that is not there")
    return policy


def _consumer(fields: Fields) -> tuple[IdentityKey, Consumer]:
    key = fields.parsed("key", identity_key)
    fields.given("note", fields.text)  # for the producer
    return key, Consumer(fields.given("tier", fields.text), fields.parsed("state", ConsumerState))


def _tier(name: str, value: Json) -> Tier:
    return read_object(value, f"the tier {name!r}", partial(_named_tier, name))


def _named_tier(name: str, fields: Fields) -> Tier:
    return Tier(
        name=name,
        quota=fields.given("quota", lambda quota: fields.nested(quota, _quota)),
        fee=fields.given("fee", lambda fee: fields.nested(fee, _fee)),
        discount=fields.given("discount", lambda discount: fields.parsed(discount, _hundredths)) or 0,
        members=frozenset(fields.built("members", _keys, fields.given("members", fields.array) or ())),
        promoted_from=fields.given("promote", lambda promote: fields.nested(promote, partial(amount, name="spent"))),
    )


def _quota(fields: Fields) -> Quota:
    quota = Quota(
        bytes=fields.given("bytes", fields.integer),
        requests=fields.given("requests", fields.integer),
        streams=fields.given("streams", fields.integer),
        window=fields.given("window", partial(length, fields)),
    )
    if quota.window is None and (quota.bytes is not None or quota.requests is not None):
        raise VerificationError("a quota of bytes or requests has no window")
    return quota


def _fee(fields: Fields) -> Fee:
    return Fee(amount(fields, "satoshis"), length(fields, "per"))


def _keys(values: Iterable[Json]) -> list[IdentityKey]:
    return [identity_key(value if isinstance(value, str) else repr(value)) for value in values]


def _hundredths(text: str) -> int:
    """`2.5%` is 250. Raises ValueError."""
    number = Decimal(text[:-1]) * 100 if text.endswith("%") and text[:-1].replace(".", "", 1).isdigit() else Decimal(-1)
    if not 0 <= number <= WHOLE or number != int(number):
        raise ValueError(f"not a percentage with at most two decimals: {text!r:.40}")
    return int(number)
