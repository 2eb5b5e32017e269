"""Buying, in one object: whom to trust, what it costs, paying for it, having it, and what was spent (docs/buying.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.apply.receiving import funding_address
from reconciler.clients.payment import PATIENCE, Pausing
from reconciler.consumer.cashier import Cashier
from reconciler.consumer.download import Downloads, Got, Tell, tell_nobody
from reconciler.consumer.ports import Books
from reconciler.consumer.report import Report, report_of
from reconciler.consumer.surroundings import Surroundings
from reconciler.consumer.trust import Trust, TrustedCatalog
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import GuardError, LockedError, OverlayError, RefusedError, UsageError, VerificationError
from reconciler.model.goods import Good, TierId
from reconciler.model.ids import Digest, IdentityKey, RecordId
from reconciler.model.order import NOTHING, Order, OrderEvent, OrderState
from reconciler.model.payment import PaymentMethod
from reconciler.store.coins import Balance
from reconciler.wallet.keys import Keys
from reconciler.wire.documents import RecordDocument
from reconciler.wire.receipt import Receipt
from reconciler.wire.selling import Quote, ReceiptStanding

_ORDER: Final = 8
"""Random bytes of an order's id."""
_METHODS: Final = (PaymentMethod.BRC105, PaymentMethod.NATIVE)
"""Those that are spoken here, the cheapest first: a native payment has an output, and its fee, for every payee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One buyer on one network. `clock` gives unix seconds."""

    keys: Keys
    books: Books
    surroundings: Surroundings
    clock: Callable[[], float]
    randomness: Callable[[int], bytes]
    max_price: Satoshis | None = None
    """The most that one purchase may cost, unless the call says otherwise."""
    daily_budget: Satoshis | None = None
    """The most that all purchases of one day (UTC) may cost, fees included."""
    witnesses: int = 1
    """How many hosts besides the gateway have to show a root before it is believed."""
    pause: Pausing = asyncio.sleep
    patience: float = PATIENCE
    """Seconds for which a payment is brought to a gateway that does not answer to it."""

    async def catalog(self, where: str | IdentityKey) -> TrustedCatalog:
        """What the producer behind a gateway's URL, or with an identity key, publishes, proven. Raises as consumer.trust does."""
        return await self._trust.catalog(where)

    async def document(self, catalog: TrustedCatalog, record: RecordId) -> RecordDocument:
        """A record's document. Raises VerificationError for a record that the root does not cover."""
        return await self._trust.document(catalog, record)

    async def quote(self, catalog: TrustedCatalog, good: Good) -> Quote:
        """What the gateway asks us for a good, of the version that the root covers. Raises VerificationError, RefusedError."""
        wanted = _version(catalog, good)
        order = self._order(catalog, good, None)
        quoted = await self._cashier.gateway(order).quote(good)
        faults = {
            "good": (str(quoted.good), str(good)),
            "version": (quoted.document, wanted),
            "recipient": (quoted.recipient, catalog.gateway_key),
        }
        for name, (shown, expected) in faults.items():
            if shown != expected:
                raise VerificationError(
                    f"{catalog.gateway} quotes another {name}: {shown}, not {expected}", where=catalog.gateway
                )
        return quoted

    async def buy(
        self,
        catalog: TrustedCatalog,
        good: Good,
        *,
        max_price: Satoshis | None = None,
        method: PaymentMethod | None = None,
        quoted: Quote | None = None,
    ) -> Order:
        """Order a good and pay for it; content that lies free in storage costs no question.

        Returns the order once it is paid. An order for the same good that was left is finished first, and is the one returned.
        Raises GuardError where it costs more than is allowed, or than there is: nothing was signed then; else as
        consumer.cashier does: an order that stays *paying* goes on with `finish`.
        """
        left = await self._left(catalog, good)
        if left is not None:
            return await self.finish(left)
        if await self._is_free(catalog, good):
            order = self._order(catalog, good, None)
            await self.books.add(order)
            return await self.books.move(order, OrderEvent.RECEIVE)
        quoted = quoted or await self.quote(catalog, good)
        self._check_price(quoted, max_price)
        return await self.pay(await self.order(catalog, quoted, method=method))

    async def order(self, catalog: TrustedCatalog, quoted: Quote, *, method: PaymentMethod | None = None) -> Order:
        """Write an order down at the price that was quoted, for `pay`. Nothing is signed, and it lapses with the quote."""
        order = self._order(catalog, quoted.good, quoted, method=_chosen(quoted, method))
        await self.books.add(order)
        return order

    async def pay(self, order: Order) -> Order:
        """Pay an order; one that was paid before is given as it is. Raises as `buy` does, and UsageError for a quote that is over."""
        if order.state is not OrderState.QUOTED:
            return await self.finish(order)
        if order.price and order.expires <= self._now():
            raise UsageError("the quote has expired", where=order.id, hint="ask for another one")
        bought, _ = await self._cashier.buy(order)
        return bought

    async def finish(self, order: Order) -> Order:
        """Bring an order that was left as far as *paid*: the same payment again, never another one."""
        if order.state is not OrderState.PAYING:
            return order
        try:
            order, _ = await self._cashier.present(order)
        except LockedError:
            current = await self.books.order(order.id)
            if current is None or current.state is OrderState.PAYING:
                raise
            return current  # another process was at it, too, and was there first
        return order

    async def get(self, order: Order, target: Path, *, tell: Tell = tell_nobody) -> Got:
        """Download what was ordered into a file that appears whole and verified, or not at all; goes on where it was left.

        Raises as consumer.download does.
        """
        order = await self.finish(order)
        return await self._downloads.get(order, target, tell=tell)

    async def recover(self) -> tuple[Order | OverlayError, ...]:
        """Finish what was left: what never left is freed, what may have is brought again. An error for what stays open."""
        await self.books.recover()
        ended: list[Order | OverlayError] = []
        for order in await self.books.left():
            if order.state is OrderState.PAYING:
                try:
                    ended.append(await self.finish(order))
                except OverlayError as error:
                    ended.append(error)
            elif order.state is OrderState.QUOTED and order.updated < self._now() - _LAPSED:
                ended.append(await self.books.move(order, OrderEvent.REFUSE, reason="it was left before it was paid"))
        return tuple(ended)

    async def orders(self, *, since: int = 0) -> tuple[Order, ...]:
        """All orders, oldest first."""
        return await self.books.orders(since=since)

    async def standing(self, order: Order) -> ReceiptStanding:
        """How the receipt of an order stands with its gateway. Raises RefusedError, UnreachableError, UsageError."""
        if order.receipt is None:
            raise UsageError("the order has no receipt", where=order.id)
        return await self._cashier.gateway(order).receipt(Receipt.from_bytes(order.receipt).id)

    async def report(self, *, since: int = 0) -> Report:
        """What was bought and spent."""
        return report_of(await self.books.orders(since=since), at=self._now())

    async def balance(self) -> Balance:
        """The wallet's money."""
        return await self.books.balance()

    @property
    def address(self) -> str:
        """Where the wallet is paid."""
        return funding_address(self.keys, self.surroundings.network)

    async def fund(self, satoshis: Satoshis) -> Satoshis:
        """Take coins from a toy network's faucet; returns how many satoshis came. Raises UsageError elsewhere."""
        if self.surroundings.faucet is None:
            raise UsageError("this network has no faucet", hint=f"pay to {self.address}, then look for it")
        gift = await self.surroundings.faucet.fund(self.address, satoshis)
        return await self.books.receive(gift.beef, gift.txid)

    async def receive(self) -> tuple[Satoshis, Sequence[str]]:
        """Look for coins that were paid to the address; their sum, and a sentence about each that could not be had."""
        return await self.books.receive_unspent()

    @property
    def _trust(self) -> Trust:
        return Trust(surroundings=self.surroundings, books=self.books, clock=self.clock, witnesses=self.witnesses)

    @property
    def _cashier(self) -> Cashier:
        return Cashier(
            books=self.books,
            keys=self.keys,
            surroundings=self.surroundings,
            clock=self.clock,
            randomness=self.randomness,
            budget=self.daily_budget,
            pause=self.pause,
            patience=self.patience,
        )

    @property
    def _downloads(self) -> Downloads:
        return Downloads(
            books=self.books,
            keys=self.keys,
            surroundings=self.surroundings,
            cashier=self._cashier,
            clock=self.clock,
        )

    async def _is_free(self, catalog: TrustedCatalog, good: Good) -> bool:
        """Whether it lies in storage for everybody."""
        if isinstance(good.sold, TierId):
            return False
        content = (await self.document(catalog, good.sold)).content
        return content is not None and content.key_commitment is None

    async def _left(self, catalog: TrustedCatalog, good: Good) -> Order | None:
        for order in await self.books.left():
            if (order.producer, order.good, order.state) == (catalog.producer, good, OrderState.PAYING):
                return order
        return None

    def _order(
        self, catalog: TrustedCatalog, good: Good, quoted: Quote | None, *, method: PaymentMethod | None = None
    ) -> Order:
        if catalog.gateway is None:
            raise RefusedError(f"the root of {catalog.producer} names no gateway, so nothing can be bought")
        now = self._now()
        return Order(
            id=self.randomness(_ORDER).hex(),
            producer=catalog.producer,
            gateway=catalog.gateway,
            gateway_key=catalog.gateway_key,
            good=good,
            document=_version(catalog, good),
            price=NOTHING if quoted is None else quoted.satoshis,
            method=method,
            prefix="" if quoted is None else quoted.id,
            expires=now if quoted is None else quoted.expires,
            created=now,
            updated=now,
        )

    def _check_price(self, quoted: Quote, max_price: Satoshis | None) -> None:
        most = self.max_price if max_price is None else max_price
        if most is not None and quoted.satoshis > most:
            raise GuardError(
                f"{quoted.good} costs {quoted.satoshis:,} satoshis, and at most {most:,} are allowed",
                hint="allow more, or leave it",
                guards=("max-price",),
            )

    def _now(self) -> int:
        return int(self.clock())


_LAPSED: Final = 3600
"""Seconds after which an order that was never paid for is nobody's any more."""


def _version(catalog: TrustedCatalog, good: Good) -> Digest:
    """The hash of the document that says what a good is; of a membership, the root's. Raises VerificationError."""
    if isinstance(good.sold, TierId):
        return catalog.root.token.anchor.document_hash
    wanted = catalog.records.get(good.sold)
    if wanted is None:
        raise VerificationError(f"the root of generation {catalog.generation} covers no {good.sold}")
    return wanted


def quoted_of(order: Order) -> Quote:
    """What was quoted, as the order that was made of it tells."""
    return Quote(
        id=order.prefix,
        good=order.good,
        document=order.document,
        satoshis=order.price,
        list_satoshis=order.price,
        tier=None,
        credit=NOTHING,
        expires=order.expires,
        recipient=order.gateway_key,
        methods=frozenset({order.method} if order.method else ()),
    )


def _chosen(quoted: Quote, wanted: PaymentMethod | None) -> PaymentMethod | None:
    """The cheapest that the gateway takes and we speak, or the one that is wanted. Raises RefusedError."""
    if not quoted.satoshis:
        return None
    usable = [method for method in _METHODS if method in quoted.methods and wanted in {None, method}]
    if not usable:
        named = ", ".join(sorted(quoted.methods)) or "none"
        raise RefusedError(f"the gateway takes {quoted.good} to be paid by {named}", hint="choose another method")
    return usable[0]
