"""What one buyer is asked for so much of a good, by which way, and what he gets for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from reconciler.gateway.offers import Offered, Offers
from reconciler.gateway.pricing import MEGABYTE, Pricing, discounted, list_price
from reconciler.gateway.rules import Rule
from reconciler.gateway.tiers import Fee, Tier
from reconciler.model.amounts import Satoshis
from reconciler.model.goods import Good, TierId
from reconciler.model.ids import Digest
from reconciler.model.vocabulary import PriceModel, Way
from reconciler.payments.conditions import Conditions
from reconciler.store.terms import Terms
from reconciler.web.problems import ProblemError

DOWNLOADS: Final = 10
"""Of a content, and as many times its bytes, for one payment: connections break, and machines are replaced."""
LEAST_BYTES: Final = 10 << 20
DAYS: Final = 30
_DAY: Final = 86_400
_LONGEST: Final = 100 * 366 * _DAY
_MOST: Final = 2**53 - 1
"""What JSON can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A good, to one buyer, at one price."""

    good: Good
    document: Digest
    """The version that is sold."""
    listed: Satoshis
    """Before the discount."""
    price: Satoshis
    way: Way | None
    """By which so much is paid now; None: by none. What was quoted before holds all the same."""
    rule: Rule
    tier: Tier
    terms: Terms
    size: int | None = None
    """Bytes of the one whole content that it is; None where it is more than that, or something else."""

    def check_taken(self) -> None:
        """Raises ProblemError where so much is paid by no way."""
        if self.way is None:
            raise ProblemError(
                f"it costs {self.price} satoshis, and that is more than is taken in one payment",
                status=409,
                code="ERR_PRICE_NOT_TAKEN",
                hint="ask for less of it",
            )

    @property
    def least(self) -> Satoshis:
        """What is to be paid whatever credit there is: the smallest payment that is taken."""
        return Satoshis(1) if self.rule.http is None or self.way is Way.NATIVE else self.rule.http.min

    @property
    def is_everybodys(self) -> bool:
        """Whether it costs this buyer what it costs anybody."""
        return self.price == max(self.listed, self.least)

    @property
    def conditions(self) -> Conditions:
        """By which it is paid with a request."""
        natively = self.way is not Way.HTTP
        return Conditions(terms=self.terms, policy=self.rule.policy, seconds=self.rule.window, natively=natively)


def deal_for(offers: Offers, offered: Offered, pricing: Pricing, quantity: int | None, tier: Tier) -> Deal:
    """So much of a record at its price; by default as much as is one whole content.

    Raises ProblemError for a quantity that is not sold.
    """
    whole = pricing.units(offered.size)
    wanted = whole if quantity is None else quantity
    if wanted < whole:  # the key, once told, opens all of it
        raise ProblemError(
            f"this is sold whole, and that is {whole} megabytes",
            status=409,
            code="ERR_QUANTITY",
            more={"quantity": whole},
        )
    listed = list_price(pricing, wanted)
    good = Good(offered.record, wanted)
    downloads, size, seconds = _allowance(offered.size, pricing, wanted)
    terms = Terms(
        network=offers.network,
        producer=offers.producer,
        good=good,
        document=offered.document_hash,
        downloads=downloads,
        bytes=size,
        seconds=seconds,
        tier=tier.name,
    )
    deal = _deal(terms, listed, discounted(listed, tier.discount), offered.rule, tier)
    return replace(deal, size=offered.size) if wanted == whole else deal


def membership(offers: Offers, name: str, fee: Fee, quantity: int | None, tier: Tier) -> Deal:
    """So many terms of membership. A fee has no discount. Raises ProblemError for too many."""
    terms_bought = 1 if quantity is None else quantity
    price = Satoshis(max(1, fee.satoshis * terms_bought))
    terms = Terms(
        network=offers.network,
        producer=offers.producer,
        good=Good(TierId(name), terms_bought),
        document=offers.document_hash,
        downloads=0,
        bytes=0,
        seconds=fee.seconds * terms_bought,
        tier=tier.name,
    )
    return _deal(terms, price, price, offers.rules.default_rule(), tier)


def _deal(terms: Terms, listed: Satoshis, price: Satoshis, rule: Rule, tier: Tier) -> Deal:
    if terms.seconds > _LONGEST:
        raise ProblemError("that is for more than a hundred years", status=409, code="ERR_QUANTITY")
    way = rule.way(price)
    if way is Way.HTTP and rule.http is not None:
        price = max(price, rule.http.min)
    return Deal(
        good=terms.good,
        document=terms.document,
        listed=listed,
        price=price,
        way=way,
        rule=rule,
        tier=tier,
        terms=terms,
    )


def _allowance(size: int, pricing: Pricing, quantity: int) -> tuple[int, int, int]:
    """Downloads, bytes and seconds. A subscription allows each day what another payment allows in all."""
    match pricing.model:
        case PriceModel.PER_MB:
            return DOWNLOADS, quantity * MEGABYTE, DAYS * _DAY
        case PriceModel.SUBSCRIPTION:
            seconds = (pricing.seconds or 0) * quantity
            times = max(1, -(-seconds // _DAY))
        case _:
            seconds, times = DAYS * _DAY, quantity
    return min(DOWNLOADS * times, _MOST), min(max(DOWNLOADS * size, LEAST_BYTES) * times, _MOST), seconds
