"""A buyer that is killed in any state of an order goes on from there: one payment, every satoshi somewhere, the content had."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.clients.gateway import GatewayClient
from reconciler.clients.payment import PayingHttp
from reconciler.consumer.books import DatabaseBooks
from reconciler.consumer.cashier import Cashier
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import OverlayError, RefusedError
from reconciler.model.ids import IdentityKey
from reconciler.model.keys import payment_key
from reconciler.model.order import Order, OrderEvent, OrderState
from reconciler.payments.payout import REFUND_SUFFIX, fee_of, refund
from reconciler.store.coins import Purpose, StoredCoin
from reconciler.store.payments import Payments
from reconciler.wire.beef import parse_beef
from reconciler.wire.script import p2pkh
from reconciler.wire.selling import Outcome, Refund
from reconciler.wire.transaction import Transaction
from tests.buying import NATIVE, PRICE, SECRET, SOLD, URL, Market, open_market, shop, stock

MONEY = 100_000
RATE = FeeRate(100, 1000)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(owner: Any, name: str, *, if_: Callable[..., bool] = lambda *_: True) -> Callable[[], None]:
    """Die once a method has done its work: what it says is durable, and nobody was told."""

    def arrange() -> None:
        method = getattr(owner, name)

        async def dying(*arguments: Any, **named: Any) -> Any:
            result = await method(*arguments, **named)
            if if_(*arguments):
                kill()
            return result

        setattr(owner, name, dying)

    return arrange


def moved(event: OrderEvent) -> Callable[[], None]:
    return after(DatabaseBooks, "move", if_=lambda _, __, what: what is event)


def turned_down() -> None:
    """The gateway takes no payment; the buyer dies between giving it up and saying so."""

    async def refusing(self: Cashier, order: Order) -> None:
        raise RefusedError("no", code="ERR_PAYMENT_FAILED")

    Cashier._bring = refusing
    after(DatabaseBooks, "give_up")()


POINTS: dict[str, tuple[OrderState, Callable[[], None]]] = {
    "ordered": (OrderState.QUOTED, after(DatabaseBooks, "add")),
    "signed and written down": (OrderState.PAYING, after(DatabaseBooks, "pay")),
    "about to leave": (OrderState.PAYING, after(DatabaseBooks, "leaving")),
    "brought, and nothing heard": (OrderState.PAYING, after(PayingHttp, "request")),
    "receipt written down": (OrderState.PAID, moved(OrderEvent.ACCEPT)),
    "key written down": (OrderState.RECEIVED, moved(OrderEvent.RECEIVE)),
    "content had": (OrderState.DONE, moved(OrderEvent.FINISH)),
    "given up": (OrderState.PAYING, turned_down),
    "refused": (OrderState.REFUSED, moved(OrderEvent.REFUSE)),
}
"""Where it dies, with the state that is written then, and how that is arranged in the process that is to die."""

ELSEWHERE = {OrderState.REFUNDED: "test_a_buyer_killed_while_a_payment_comes_back_has_it_once"}


def test_every_state_has_its_kill_test():
    assert {state for state, _ in POINTS.values()} | ELSEWHERE.keys() == set(OrderState)
    assert all(name in globals() for name in ELSEWHERE.values())


def buying(stocked: Any, arrange: Callable[[], None] | None, *, satoshis: int = 0) -> Callable[[], Awaitable[Any]]:
    """A process that buys and downloads; what it leaves."""

    async def work() -> dict[str, Any]:
        async with open_market(stocked, shop) as market:
            buyer = replace(await market.buyer(satoshis=satoshis), patience=0.0)
            if arrange is not None:
                arrange()
            await buyer.recover()
            target = stocked.folder / "had.csv"
            order = await buyer.buy(await buyer.catalog(URL), SOLD)
            await buyer.get(order, target)
            spent, balance = await buyer.books.spent_since(0), await buyer.balance()
            async with market.site.database.reading() as connection:
                taken = [
                    each
                    for order in await buyer.orders()
                    if order.payment is not None
                    for each in [await Payments(connection).find(order.payment)]
                    if each is not None
                ]
            return {
                "had": target.read_text(),
                "sum": spent + balance.total,
                "locked": balance.locked,
                "paid": [order.paid for order in await buyer.orders() if order.cost],
                "taken": len(taken),
                "states": sorted({order.state.value for order in await buyer.orders()}),
            }

    return work


def refusing(stocked: Any) -> Callable[[], Awaitable[Any]]:
    """A process whose gateway takes no payment."""

    async def work() -> None:
        async with open_market(stocked, shop) as market:
            buyer = await market.buyer(satoshis=MONEY)
            moved(OrderEvent.REFUSE)()

            async def no(self: Cashier, order: Order) -> None:
                raise RefusedError("no", code="ERR_PAYMENT_FAILED")

            Cashier._bring = no
            await buyer.buy(await buyer.catalog(URL), SOLD)

    return work


@pytest.mark.long
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_buyer_pays_once_and_has_what_he_paid_for(stocked, point):
    state, arrange = POINTS[point]
    first = refusing(stocked) if point == "refused" else buying(stocked, arrange, satoshis=MONEY)
    assert stocked.in_child(first) is None
    assert left_by(stocked) == [state.value]

    ended = stocked.in_child(buying(stocked, None))

    assert ended["had"] == SECRET
    assert ended["sum"] == MONEY
    assert ended["locked"] == 0
    assert ended["paid"] == [PRICE]
    assert ended["taken"] == 1
    assert set(ended["states"]) <= {"done", "refused", "received", "quoted", "paid"}


def left_by(stocked: Any) -> list[str]:
    """The states of all orders as a dead process has left them."""

    async def look() -> list[str]:
        async with open_market(stocked, shop) as market, market.opened() as buyer:
            return [order.state.value for order in await buyer.orders()]

    return stocked.in_child(look)


@pytest.mark.long
def test_a_buyer_killed_while_a_payment_comes_back_has_it_once(stocked):
    stock(stocked, manifest=NATIVE)

    async def prepare() -> None:
        await stocked.apply()

    def buying_in_vain(dies: bool) -> Callable[[], Awaitable[Any]]:
        async def work() -> dict[str, Any]:
            async with open_market(stocked, shop) as market:
                buyer = await market.buyer(satoshis=MONEY if dies else 0)

                async def returned(self: GatewayClient, template: str, transaction: bytes) -> Outcome:
                    return given_back(market, buyer.keys.identity, template, transaction)

                GatewayClient.pay_native = returned
                if dies:
                    after(DatabaseBooks, "receive")()
                    await buyer.buy(await buyer.catalog(URL), SOLD)
                (order,) = await buyer.recover()
                assert not isinstance(order, OverlayError), order
                spent, balance = await buyer.books.spent_since(0), await buyer.balance()
                return {"state": order.state.value, "sum": spent + balance.total, "cost": order.cost - order.fee}

        return work

    stocked.in_child(prepare)
    assert stocked.in_child(buying_in_vain(dies=True)) is None
    assert left_by(stocked) == ["paying"]
    ended = stocked.in_child(buying_in_vain(dies=False))
    assert ended == {"state": "refunded", "sum": MONEY, "cost": PRICE * 3 // 10 + fee_of(1, RATE)}


def given_back(market: Market, buyer: IdentityKey, template: str, payment: bytes) -> Outcome:
    """What a gateway says that has given back the coin of a payment, which is all that it had of it."""
    beef, named = parse_beef(payment)
    subject = beef.subject_or_last(named)
    made = refund(
        own_coin(market, buyer, template, beef.transactions[subject].transaction),
        beef,
        buyer=buyer,
        rate=RATE,
        keys=market.gateway_keys,
        now=0,
    )
    assert made is not None
    shown = made.beef.to_atomic(made.txid)
    given = Refund(state="seen", credit=Satoshis(0), beef=shown, prefix=subject, suffix=REFUND_SUFFIX)
    return Outcome(receipts=(), refund=given)


def own_coin(market: Market, buyer: IdentityKey, template: str, payment: Transaction) -> StoredCoin:
    """The gateway's output of a native payment."""
    for index, output in enumerate(payment.outputs):
        key = payment_key(template, str(index), buyer)
        if output.locking == p2pkh(market.gateway_keys.public(key)):
            return StoredCoin(
                outpoint=payment.outpoint(index),
                satoshis=output.satoshis,
                locking=output.locking,
                key=key,
                purpose=Purpose.MONEY,
            )
    raise AssertionError("the payment pays the gateway nothing")
