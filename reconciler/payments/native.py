"""Native payments (D21): a template for a quote, and the transaction that was made from it.

What is late is never kept silently: it buys the good, where that is still sold for no more than was paid, and is given back
otherwise (payments/treasury.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, IdentityKey, Txid
from reconciler.model.payment import PaymentMethod, PaymentState
from reconciler.payments.conditions import Conditions
from reconciler.payments.quote import Offer
from reconciler.payments.splits import Split, apportioned
from reconciler.payments.templates import EXPIRY_SECONDS, Deriver, Template, template_of
from reconciler.payments.till import Till
from reconciler.payments.verdict import Policy
from reconciler.store.buyer_credits import Credits
from reconciler.store.database import Database
from reconciler.store.payments import Payment
from reconciler.store.templates import StoredTemplate, Templates
from reconciler.store.terms import Portion, Terms
from reconciler.store.works import Connection
from reconciler.wire.beef import Beef
from reconciler.wire.payment import PaymentError
from reconciler.wire.spv import Limits
from reconciler.wire.tender import Tender

MAX_BEEF: Final = 1 << 20
"""Bytes of a payment's BEEF: it stands in a body, which has more room than a header."""

MAX_TRANSACTIONS: Final = 500
"""In that BEEF."""

MAX_OPEN: Final = 100
"""Templates that one buyer may have at one time: each is a row that is kept for good."""

_LIMITS: Final = Limits(bytes=MAX_BEEF, transactions=MAX_TRANSACTIONS, depth=100, work=1 << 24)

_NO_OUTPUT: Final = "0"
"""The suffix where we get nothing: no key of ours is paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selling:
    """How a good is sold now, to one buyer, by native payment."""

    price: Satoshis
    """Today's."""
    terms: Terms | None
    splits: tuple[Split, ...]
    seconds: int = EXPIRY_SECONDS
    """For how long a template may be paid."""
    policy: Policy = field(default_factory=Policy)


class Counter(Protocol):
    """Whoever knows what is sold (gateway)."""

    async def selling(self, buyer: IdentityKey, good: Good) -> Selling | None:
        """How this is sold to this buyer now; None where it is not, or not by native payment.

        Raises RefusedError where the buyer is not served.
        """
        ...


class NativeSales:
    """Templates and their payments. `clock` gives unix seconds."""

    def __init__(
        self, *, database: Database, till: Till, keys: Deriver, counter: Counter, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._till = till
        self._keys = keys
        self._counter = counter
        self._clock = clock

    async def template(self, buyer: IdentityKey, good: Good, quote: str, price: Satoshis) -> Template:
        """The template of a quote of this buyer's: the same for the same quote.

        Raises RefusedError where the quote does not hold, the good is not sold so, or the buyer has too many templates open.
        """
        offer = Offer(buyer, str(good), price)
        known = await self._database.read(lambda connection: Templates(connection).quoted(quote))
        if known is not None and (known.buyer, known.good, known.price) == (buyer, offer.good, price):
            return self._template(known)
        self._till.promised(quote, offer)
        selling = await self._counter.selling(buyer, good)
        if selling is None:
            raise RefusedError(f"{good} is not sold by native payment now", code=PaymentError.PREFIX.value)
        template = self._stored(offer, quote, selling, apportioned(price, selling.splits))
        return self._template(await self._database.write(_Keep(template, self._now())))

    async def pay(self, buyer: IdentityKey, template: Digest, beef: Beef, subject: Txid) -> Payment:
        """The payment that a transaction is, once it is accepted, or if it is given back. The same again is the same.

        Raises RefusedError with a code of `PaymentError` (404: no such template of this buyer's), PendingError and
        UnreachableError as `Till.take` does.
        """
        stored = await self._database.read(lambda connection: Templates(connection).find(template))
        if stored is None or stored.buyer != buyer:
            raise RefusedError(f"there is no template {template} for this buyer", code="404")
        wanted = self._template(stored)
        tender = Tender(
            method=PaymentMethod.NATIVE,
            buyer=buyer,
            prefix=wanted.id,
            suffix=_NO_OUTPUT if wanted.own is None else str(wanted.own),
            beef=beef,
            subject=subject,
            vout=wanted.own,
        )
        payment = await self._till.booked(tender, wanted.offer, await self._conditions(stored, wanted))
        return payment if payment.state is PaymentState.RETURNED else await self._till.awaited(payment)

    async def _conditions(self, stored: StoredTemplate, wanted: Template) -> Conditions:
        """In time by what was promised, later by what holds now."""
        promised = Conditions(
            terms=stored.terms,
            policy=Policy(stored.accept),
            shares=wanted.shares,
            limits=_LIMITS,
            quote=stored.quote,
        )
        if self._clock() < stored.expires:
            return promised
        late = replace(promised, quote=None)  # the credit that it took is free again
        try:
            selling = await self._counter.selling(stored.buyer, Good.parse(stored.good))
        except RefusedError as error:
            return replace(late, gives_back=f"the template had expired, and {error.message}")
        if selling is None:
            return replace(late, gives_back="the template had expired, and the good is not sold any more")
        if selling.price > stored.price:
            return replace(late, gives_back=f"the template had expired, and the price is {selling.price} satoshis now")
        terms = selling.terms and replace(selling.terms, portions=stored.portions)
        return replace(late, terms=terms, policy=selling.policy)

    def _stored(self, offer: Offer, quote: str, selling: Selling, portions: tuple[Portion, ...]) -> StoredTemplate:
        expires = self._now() + selling.seconds
        made = template_of(offer, quote=quote, portions=portions, expires=expires, keys=self._keys)
        return StoredTemplate(
            id=made.id,
            quote=quote,
            buyer=offer.buyer,
            good=offer.good,
            price=offer.price,
            portions=portions,
            accept=selling.policy.demands(offer.price),
            terms=selling.terms and replace(selling.terms, portions=portions),
            expires=expires,
        )

    def _template(self, stored: StoredTemplate) -> Template:
        offer = Offer(stored.buyer, stored.good, stored.price)
        return template_of(offer, quote=stored.quote, portions=stored.portions, expires=stored.expires, keys=self._keys)

    def _now(self) -> int:
        return int(self._clock())


@dataclass(frozen=True, slots=True)
class _Keep:
    """A work: keep a template, unless its quote has one."""

    template: StoredTemplate
    now: int

    async def __call__(self, connection: Connection) -> StoredTemplate:
        """The template of the quote. Raises RefusedError where the buyer has too many that are open."""
        templates = Templates(connection)
        known = await templates.quoted(self.template.quote)
        if known is not None:
            return known
        if await templates.open(self.template.buyer, self.now) >= MAX_OPEN:
            raise RefusedError(f"{MAX_OPEN} templates of this buyer's are open", code="429", hint="pay one, or wait")
        await templates.put(self.template)
        await Credits(connection).extend(self.template.quote, self.template.expires)
        return self.template
