"""The counter that quotes, access and memberships have in common: what is on offer, who asks, and what they are asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import Request

from reconciler.gateway.audit import Audit, Event, Outcome, What
from reconciler.gateway.deals import Deal, deal_for, membership
from reconciler.gateway.live import Shelf
from reconciler.gateway.offers import Offers
from reconciler.gateway.standing import Standing, Standings
from reconciler.gateway.tiers import Tier
from reconciler.model.errors import RefusedError
from reconciler.model.goods import Good, Sold, TierId
from reconciler.model.ids import Digest, IdentityKey, RecordId
from reconciler.payments.native import Selling
from reconciler.web.auth import identity_of, required_identity
from reconciler.web.problems import ProblemError


@dataclass(frozen=True, slots=True)
class Free:
    """A record that costs nobody anything."""

    record: RecordId
    document: Digest


@contextmanager
def refusals(audit: Audit, what: What, request: Request, good: str) -> Iterator[None]:
    """Have the audit told of what is refused during the block, for a reason that has a code of its own."""
    try:
        yield
    except ProblemError as error:
        who = identity_of(request)
        audit(Event(what=what, outcome=Outcome.REFUSED, who=who, good=good, code=error.code))
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """See the module. `clock` gives unix seconds."""

    shelf: Shelf
    standings: Standings
    gateway: IdentityKey | None
    """Ours, in whose name receipts are signed."""
    clock: Callable[[], float]

    async def offers(self) -> Offers:
        """What is on offer now. Raises RefusedError (404) before anything was published."""
        offers = await self.shelf.offers()
        if offers is None:
            raise RefusedError("nothing has been published here yet", code="404")
        return offers

    async def standing(self, request: Request, offers: Offers) -> Standing:
        """How whoever has signed this request stands. Raises UnauthorizedError where nobody has."""
        return await self.standings.of(required_identity(request), offers)

    async def served(self, request: Request, offers: Offers) -> Standing:
        """The same, for those who are served. Raises ProblemError (403) for others."""
        standing = await self.standing(request, offers)
        standing.check_served()
        return standing

    def free(self, offers: Offers, wanted: Sold) -> Free | None:
        """What is wanted, if it is free. Raises RefusedError (404) where it is not on offer."""
        if isinstance(wanted, TierId):
            return None
        offered = offers.find(wanted)
        return Free(wanted, offered.document_hash) if offered.pricing is None else None

    def deal(self, offers: Offers, wanted: Sold, quantity: int | None, tier: Tier) -> Deal:
        """What so much of it costs a buyer in this tier. Raises RefusedError where it is not on offer, or not for sale like this.

        Nothing is sold by a gateway that the root does not name: no buyer could check its receipts.
        """
        if offers.gateway != self.gateway:
            raise ProblemError(
                "the producer's root names another gateway than this one",
                status=503,
                code="ERR_NOT_THE_GATEWAY",
                hint="GET /v1/producer says which",
            )
        if isinstance(wanted, TierId):
            joined = offers.consumers.tiers.get(wanted.name)
            if joined is None or joined.fee is None:
                raise RefusedError(f"there is no {wanted} that one could pay to be a member of", code="404")
            return membership(offers, wanted.name, joined.fee, quantity, tier)
        offered = offers.find(wanted)
        if offered.pricing is None:
            raise RefusedError(f"{wanted} is free")
        return deal_for(offers, offered, offered.pricing, quantity, tier)

    async def selling(self, buyer: IdentityKey, good: Good) -> Selling | None:
        """How a good is sold now by native payment. Satisfies payments.native.Counter.

        A quote holds whichever way amounts are routed since, as long as native payments are taken at all. Raises ProblemError
        where the buyer is not served.
        """
        offers = await self.offers()
        standing = await self.standings.of(buyer, offers)
        standing.check_served()
        try:
            deal = self.deal(offers, good.sold, good.quantity, standing.tier)
        except RefusedError:  # such a good is not sold now, by whichever method
            return None
        native = deal.rule.native
        if native is None:
            return None
        return Selling(
            price=deal.price,
            terms=deal.terms,
            splits=native.splits,
            seconds=native.template_seconds,
            policy=deal.rule.policy,
        )
