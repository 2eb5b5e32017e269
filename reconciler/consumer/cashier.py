"""Paying for an order: signed and written down first, then brought to its gateway, as often as it takes, and never twice.

The gateway is given a payment before any ARC is: what it turns down has then been given to nobody else, and its coin may be
spent again (model/journal.py, REFUSED). What it takes, ARC is given as well.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.gateway import GatewayClient
from reconciler.clients.payment import PATIENCE, NoPayer, Pausing, PayingHttp, charge_of
from reconciler.consumer.ports import Books, Payment
from reconciler.consumer.receipts import checked_receipt
from reconciler.consumer.surroundings import Surroundings
from reconciler.consumer.wallet import make_payment
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import (
    GuardError,
    LockedError,
    OverlayError,
    RefusedError,
    StateError,
    TransientError,
    UnreachableError,
    VerificationError,
)
from reconciler.model.ids import IdentityKey, Txid
from reconciler.model.json import JsonObject
from reconciler.model.keys import KeyRef, payment_key
from reconciler.model.order import NOTHING, Order, OrderEvent, OrderState
from reconciler.model.payment import PaymentMethod
from reconciler.observe.succession import read_succession
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import parse_beef
from reconciler.wire.http import Reply
from reconciler.wire.payment import MAX_HEADER, MAX_TRANSACTIONS, Charge, PaymentHeader
from reconciler.wire.receipt import Receipt
from reconciler.wire.script import p2pkh
from reconciler.wire.selling import Access, NativeTemplate, Outcome
from reconciler.wire.transaction import TxOutput

SUFFIX_BYTES: Final = 8
"""Random bytes that a payer adds to the gateway's prefix."""
_JSON: Final = {"content-type": "application/json"}
_PAUSE: Final = 2.0
"""Seconds between two tries to bring a native payment."""
_BESIDES: Final = 1024
"""Characters of a payment header beside its BEEF, and more."""


class RefundPendingError(TransientError):
    """A gateway has a payment, sells nothing for it, and has not given it back yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cashier:
    """Who pays, and asks for what was paid for."""

    books: Books
    keys: Keys
    surroundings: Surroundings
    clock: Callable[[], float]
    randomness: Callable[[int], bytes]
    budget: Satoshis | None = None
    """What may be spent on one day (UTC), fees included."""
    pause: Pausing = asyncio.sleep
    patience: float = PATIENCE
    """Seconds for which one call brings a payment that the gateway does not answer to."""

    async def buy(self, order: Order) -> tuple[Order, Access | None]:
        """Bring a quoted order as far as it goes: *received* where access is given with the receipt, else *paid*.

        Nothing is paid where the good is free or an earlier receipt still holds. Raises GuardError for what budget or coins do
        not allow, LockedError where the same good is being paid for: then nothing was signed and the order is *refused*. Raises
        RefusedError, UnreachableError or VerificationError as `present` does.
        """
        try:
            started = await self._start(order)
        except OverlayError as error:
            with suppress(LockedError):  # it was written down after all: `recover` knows what became of it
                await self.books.move(order, OrderEvent.REFUSE, reason=error.message)
            raise
        if isinstance(started, Access):
            return await self._given(order, started), started
        return await self.present(started)

    async def present(self, order: Order) -> tuple[Order, Access | None]:
        """Bring the payment of an order that is *paying*, again if need be.

        Raises RefusedError where the gateway does not take it, or does not give what it was paid for; VerificationError where
        its receipt is not one; UnreachableError where it does not answer: calling again brings the same payment.
        """
        await self.books.leaving(order, order.gateway)
        try:
            if order.method is PaymentMethod.NATIVE:
                order, access = await self._bring_native(order), None
            else:
                order, access = await self._bring(order)
        except RefusedError as error:
            order, access = await self._refused(order, error), None
        await self.books.broadcast(order)
        return order, access

    async def access(self, order: Order) -> Access:
        """Ask for what a receipt allows, without paying. Raises RefusedError where the gateway wants to be paid (again)."""
        gateway = self.gateway(order)
        reply = await self._ask(gateway, order)
        if reply.status == 402:
            raise RefusedError(
                f"{order.gateway} gives no access to {order.good} by what was paid before",
                code="402",
                where=order.gateway,
                hint="the receipt's allowance is used up, or its time is over: buy it again",
            )
        return gateway.access(reply)

    async def received(self, order: Order, access: Access) -> Order:
        """Keep what access has brought: the key, and the receipt where it was not here."""
        return await self._given(order, access)

    def gateway(self, order: Order) -> GatewayClient:
        """The gateway of an order, which has to sign as the root's."""
        return self.client(order.gateway, order)

    def client(self, url: str, order: Order) -> GatewayClient:
        """The same at a URL."""
        signed = self._signed(order)
        return GatewayClient(self.surroundings.strangers, url, signed=signed)

    def _signed(self, order: Order) -> AuthenticatedHttp:
        return AuthenticatedHttp(
            self.surroundings.strangers,
            self.keys,
            servers={order.gateway: order.gateway_key},
            randomness=self.randomness,
        )

    async def _ask(self, gateway: GatewayClient, order: Order) -> Reply:
        body = gateway.access_body(order.good.quantity)
        return await self._signed(order).request("POST", gateway.access_url(order.good), headers=_JSON, content=body)

    async def _start(self, order: Order) -> Order | Access:
        """Ask without money; where it has a price, sign the payment and write it down."""
        gateway = self.gateway(order)
        reply = await self._ask(gateway, order)
        if reply.status != 402:
            return gateway.access(reply)
        if order.method is PaymentMethod.NATIVE:
            return await self._start_native(order, gateway)
        charge = self._charge(order, reply)
        suffix = base64.b64encode(self.randomness(SUFFIX_BYTES)).decode()
        return await self._write_down(order, [self._output(charge, suffix)], prefix=charge.prefix, suffix=suffix)

    @staticmethod
    def _charge(order: Order, reply: Reply) -> Charge:
        """What is paid: what was quoted, whose price holds for its time, or what is asked now where that is less."""
        charge = charge_of(reply.headers)
        if charge.recipient != order.gateway_key:
            raise VerificationError("somebody else than the gateway is to be paid", where=order.gateway)
        return charge if charge.satoshis <= order.price else Charge(order.price, order.prefix, order.gateway_key)

    async def _start_native(self, order: Order, gateway: GatewayClient) -> Order:
        template = await gateway.template(order.prefix, order.good, order.price)
        if template.satoshis != order.price:
            raise VerificationError(
                f"{order.gateway} quoted {order.price} satoshis, and its template asks {template.satoshis}",
                where=order.gateway,
            )
        self._check_own(order, template)
        return await self._write_down(order, template.outputs, prefix=template.id, expires=template.expires)

    def _check_own(self, order: Order, template: NativeTemplate) -> None:
        """What is said to pay the gateway has to be its key; what pays others, only it knows."""
        for index in template.own:
            key = payment_key(template.id, str(index), order.gateway_key)
            if template.outputs[index].locking != p2pkh(self.keys.public_for(key)):
                raise VerificationError(f"output {index} of the template is not the gateway's key", where=order.gateway)

    def _output(self, charge: Charge, suffix: str) -> TxOutput:
        key = payment_key(charge.prefix, suffix, charge.recipient)
        return TxOutput(charge.satoshis, p2pkh(self.keys.public_for(key)))

    async def _write_down(self, order: Order, outputs: Sequence[TxOutput], **changes: object) -> Order:
        """Sign and journal. Where coins are wanting, or no proof of them is here, what became of them is looked at first."""
        try:
            return await self._signed_for(order, outputs, **changes)
        except GuardError as error:
            if "coins" not in error.guards:
                raise
        except UnreachableError:  # too large without the proofs of its coins, which may have come since
            pass
        await self.books.recover()
        return await self._signed_for(order, outputs, **changes)

    async def _signed_for(self, order: Order, outputs: Sequence[TxOutput], **changes: object) -> Order:
        rate = await self._rate()
        async with self.books.turn():
            must, may = await self.books.money(order)
            payment = make_payment(outputs, must=must, may=may, rate=rate, keys=self.keys)
            await self._check_size(order, payment)
            paying = await self.books.pay(order, payment, budget=self.budget, **changes)
            await self.books.leaving(paying, order.gateway)
        return paying

    async def _check_size(self, order: Order, payment: Payment) -> None:
        """Raises UnreachableError where a header has no room for the payment with its ancestry: nothing was written."""
        if order.method is PaymentMethod.NATIVE:
            return
        ancestry = await self.books.beef(each.outpoint.txid for each in payment.transaction.inputs)
        size = len(ancestry.to_bytes()) + len(payment.transaction.raw)
        if size * 4 // 3 + _BESIDES > MAX_HEADER or len(ancestry.transactions) >= MAX_TRANSACTIONS:
            raise UnreachableError(
                "no block has the coins of the payment yet, and without it the payment is too large for a header",
                hint="try again after the next block, or pay by the method native",
            )

    async def _rate(self) -> FeeRate:
        return await self.surroundings.arcs.policy()

    async def _bring(self, order: Order) -> tuple[Order, Access]:
        gateway, header = self.gateway(order), await self._header(order)
        door = PayingHttp(
            self._signed(order),
            NoPayer(),
            cap=Satoshis(0),
            patience=self.patience,
            pause=_Meanwhile(self, order).pause,
        )
        reply = await door.request(
            "POST",
            gateway.access_url(order.good),
            headers=_JSON,
            content=gateway.access_body(order.good.quantity),
            payment=header,
        )
        access = gateway.access(reply)
        return await self._given(order, access), access

    async def _bring_native(self, order: Order) -> Order:
        gateway, subject = self.gateway(order), _subject(order)
        transaction = (await self.books.beef([subject])).to_atomic(subject)
        waited = 0.0
        while True:
            try:
                return await self._settled(order, await gateway.pay_native(order.prefix, transaction))
            except UnreachableError:
                if waited >= self.patience:
                    raise
            await _Meanwhile(self, order).pause(_PAUSE)
            waited += _PAUSE

    async def _settled(self, order: Order, outcome: Outcome) -> Order:
        """Write down what a gateway says that came of a payment. Raises RefundPendingError where nothing has yet."""
        for shown in outcome.receipts:
            receipt = await self._checked(shown, order)
            return await self.books.move(order, OrderEvent.ACCEPT, receipt=receipt.to_bytes(), reason="")
        refund = outcome.refund
        if refund is None or (refund.beef is None and not refund.credit):
            raise RefundPendingError(
                f"{order.gateway} sells nothing for the payment, and gives it back once a block has it",
                where=order.gateway,
                hint="ask again later: it comes into the wallet then",
            )
        back, said = NOTHING, []
        if refund.beef is not None:
            back = await self._came_back(
                order, refund.beef, payment_key(refund.prefix, refund.suffix, order.gateway_key)
            )
            said.append(f"gave {back:,} satoshis back")
        if refund.credit:
            said.append(f"owes {refund.credit:,}, which its next quotes take into account")
        return await self.books.move(
            order,
            OrderEvent.REFUND,
            paid=Satoshis(max(0, order.paid - back)),
            reason=f"{order.gateway} {' and '.join(said)}",
        )

    async def _came_back(self, order: Order, shown: bytes, key: KeyRef) -> Satoshis:
        """Take in a refund. It spends what the order paid: so no transaction can be shown for the refund of two orders."""
        beef, named = parse_beef(shown)
        subject = beef.subject_or_last(named)
        if order.payment not in {spent.outpoint.txid for spent in beef.transactions[subject].transaction.inputs}:
            raise VerificationError(f"{order.gateway} shows a refund of another payment", where=order.gateway)
        return await self.books.receive(beef, subject, key=key)

    async def _given(self, order: Order, access: Access) -> Order:
        """Write down what came: the receipt once it is verified, and the key."""
        if access.receipt is None:
            if order.price:
                raise VerificationError(f"{order.gateway} gives access without a receipt", where=order.gateway)
            return await self.books.move(order, OrderEvent.RECEIVE, key=access.key)
        receipt = await self._checked(access.receipt, order)
        kept = receipt.to_bytes()
        if order.state is OrderState.PAYING:
            order = await self.books.move(order, OrderEvent.ACCEPT, receipt=kept, reason="")
        return await self.books.move(order, OrderEvent.RECEIVE, receipt=kept, key=access.key, document=receipt.document)

    async def _checked(self, value: JsonObject, order: Order) -> Receipt:
        network = await self.surroundings.headers.network_id()
        named = Receipt.parse(value).producer
        also = {named} if named != order.producer and await self._is_same(named, order.producer) else set[IdentityKey]()
        return checked_receipt(value, order, buyer=self.keys.identity, network=network, also=also)

    async def _is_same(self, one: IdentityKey, other: IdentityKey) -> bool:
        """Whether one of two identities took over from the other: a receipt lasts longer than the key in whose name it was given."""
        for old, new in ((one, other), (other, one)):
            found = await read_succession(
                old, hosts=self.surroundings.hosts, verifier=self.surroundings.headers, now=int(self.clock())
            )
            if found is not None and found.heir == new:
                return True
        return False

    async def _header(self, order: Order) -> PaymentHeader:
        subject = _subject(order)
        return PaymentHeader(order.prefix, order.suffix, await self.books.beef([subject]), subject)

    async def _refused(self, order: Order, error: RefusedError) -> Order:
        """What becomes of an order whose gateway turns the payment down, or gives nothing for it. Raises RefusedError."""
        await self.books.turned_down(order, order.gateway, error.code or "refused")
        if await self.books.give_up(order):
            await self.books.move(order, OrderEvent.REFUSE, reason=error.message)
            raise RefusedError(
                f"{order.gateway} does not take the payment of {order.paid:,} satoshis, which is taken back: {error.message}",
                code=error.code,
                where=order.gateway,
            ) from error
        try:
            return await self._settled(order, await self.gateway(order).outcome(_subject(order)))
        except (RefusedError, UnreachableError):
            raise RefusedError(
                f"{order.gateway} was paid {order.paid:,} satoshis ({order.payment}) and gives nothing for them: {error.message}",
                code=error.code,
                where=order.gateway,
                hint="it is not paid a second time; the same payment is brought to it again whenever you ask",
            ) from error


@dataclass(frozen=True, slots=True)
class _Meanwhile:
    """What is done while a gateway waits for the network, which perhaps only we can tell."""

    cashier: Cashier
    order: Order

    async def pause(self, seconds: float) -> None:
        """See clients.payment.Pausing."""
        await self.cashier.books.broadcast(self.order)
        await self.cashier.pause(seconds)


def _subject(order: Order) -> Txid:
    if order.payment is None:
        raise StateError("the order has no payment to bring", where=order.id)
    return order.payment
