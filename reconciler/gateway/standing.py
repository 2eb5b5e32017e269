"""How a consumer stands with this producer: whether it is served, in which tier it is, and what is left of its quota.

What decides is the policy of the live generation and what the database knows, read in one go for each request, so that every
process is of the same mind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self

from reconciler.gateway.offers import Offers
from reconciler.gateway.tiers import NO_TIER, Consumers, Tier
from reconciler.model.ids import IdentityKey
from reconciler.model.json import JsonObject
from reconciler.model.vocabulary import ConsumerState
from reconciler.store.consumers import account
from reconciler.store.database import Database
from reconciler.store.usage import Usage, Used, Window, used
from reconciler.store.works import Connection
from reconciler.web.problems import ProblemError

_CODES: Final = {
    ConsumerState.SUSPENDED: "ERR_CONSUMER_SUSPENDED",
    ConsumerState.BLOCKED: "ERR_CONSUMER_BLOCKED",
}
_SEVERITY: Final = tuple(ConsumerState)
"""What the policy says, or what became of payments: the graver one holds."""

_QUOTA_CODE: Final = "ERR_QUOTA_EXCEEDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One consumer, at one moment."""

    consumer: IdentityKey
    state: ConsumerState
    tier: Tier
    window: Window | None
    """What its quota is counted over; None where nothing is counted."""
    used: Used

    @classmethod
    def unknown(cls, consumer: IdentityKey) -> Self:
        """Of anybody, where nothing has been published."""
        return cls(consumer=consumer, state=ConsumerState.ACTIVE, tier=NO_TIER, window=None, used=Used())

    def to_json(self) -> JsonObject:
        """As the consumer is told."""
        return {
            "identityKey": self.consumer,
            "tier": self.tier.name,
            "quota": self._quota(),
            "state": self.state.value,
        }

    def check_served(self) -> None:
        """Raises ProblemError (403) where the consumer is suspended or blocked: nobody pays who will not be served."""
        if self.state is not ConsumerState.ACTIVE:
            raise ProblemError(f"this producer has {self.state} this consumer", status=403, code=_CODES[self.state])

    def check_quota(self, now: float) -> None:
        """Raises ProblemError (429) where the quota of this window is used up."""
        quota, window = self.tier.quota, self.window
        if quota is None or window is None:
            return
        for what, most, had in (
            ("requests", quota.requests, self.used.requests),
            ("bytes", quota.bytes, self.used.bytes),
        ):
            if most is not None and had >= most:
                raise ProblemError(
                    f"the {most} {what} of the tier {self.tier.name!r} are used up",
                    status=429,
                    code=_QUOTA_CODE,
                    retry_after=max(1, window.resets - int(now)),
                )

    def _quota(self) -> JsonObject | None:
        quota = self.tier.quota
        if quota is None:
            return None
        counted: JsonObject = {}
        if self.window is not None:
            counted = {
                "used": {"bytes": self.used.bytes, "requests": self.used.requests},
                "resets": self.window.resets,
            }
        return {
            "bytes": quota.bytes,
            "requests": quota.requests,
            "streams": quota.streams,
            "window": quota.window,
            **counted,
        }


class Standings:
    """Who stands how, and what they have had."""

    def __init__(self, database: Database, usage: Usage, clock: Callable[[], float]) -> None:
        self._database = database
        self._usage = usage
        self._clock = clock

    async def of(self, consumer: IdentityKey, offers: Offers) -> Standing:
        """How a consumer stands now. Raises StateError for a policy that cannot be read."""
        now, consumers = self._clock(), offers.consumers

        async def read(connection: Connection) -> Standing:
            return await _standing(connection, consumer, consumers, now)

        await self._usage.landed(consumer)
        standing: Standing = await self._database.glance(read)
        if standing.window is None:
            return standing
        return replace(standing, used=standing.used + self._usage.unwritten(consumer, standing.window))

    def answered(self, standing: Standing) -> None:
        """Count a request that was answered."""
        self._count(standing, Used(requests=1))

    def delivered(self, standing: Standing, size: int) -> None:
        """Count bytes of content that were delivered."""
        self._count(standing, Used(bytes=size))

    async def written(self) -> None:
        """Wait until what was counted here is in the database, or cannot be written."""
        await self._usage.written()

    def _count(self, standing: Standing, had: Used) -> None:
        if standing.window is not None:
            self._usage.count(standing.consumer, standing.window, had)


async def _standing(connection: Connection, consumer: IdentityKey, consumers: Consumers, now: float) -> Standing:
    known = await account(connection, consumer, now=int(now), memberships=consumers.asks_membership)
    tier = consumers.tier(consumer, spent=known.spent, paid=known.memberships)
    seconds = None if tier.quota is None else tier.quota.window
    window = None if seconds is None else Window.at(now, seconds)
    return Standing(
        consumer=consumer,
        state=max(known.status, consumers.state(consumer), key=_SEVERITY.index),
        tier=tier,
        window=window,
        used=Used() if window is None else await used(connection, consumer, window),
    )
