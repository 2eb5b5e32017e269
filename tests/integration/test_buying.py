"""A buyer pays once for what he was quoted, and has it, whole and verified, from whoever keeps it."""

from __future__ import annotations

import pytest

from reconciler.model.order import OrderState
from reconciler.model.payment import PaymentMethod
from tests.buying import PRICE, SECRET, SOLD, URL, open_market, shop

ACCESS = f"{URL}/v1/datasets/secrets/access"


@pytest.fixture
async def market(stocked):
    async with open_market(stocked, shop) as market:
        yield market


async def balanced(buyer):
    """What the wallet has, and what orders cost, is what came."""
    spent = await buyer.books.spent_since(0)
    balance = await buyer.balance()
    assert balance.total + spent == 100_000
    return spent


async def test_what_is_sold_is_paid_for_and_had(market, tmp_path):
    buyer = await market.buyer()
    catalog = await buyer.catalog(URL)

    quoted = await buyer.quote(catalog, SOLD)
    order = await buyer.buy(catalog, SOLD)
    got = await buyer.get(order, tmp_path / "secrets.csv")

    assert (quoted.satoshis, quoted.recipient) == (PRICE, market.gateway_keys.identity)
    assert order.state is OrderState.RECEIVED
    assert (order.price, order.paid, order.method) == (PRICE, PRICE, PaymentMethod.BRC105)
    assert (tmp_path / "secrets.csv").read_text() == SECRET
    assert got.order.state is OrderState.DONE
    assert got.blamed == ()
    assert all("storage" in url for url in got.came)
    spent = await balanced(buyer)
    assert spent == order.paid + order.fee
    assert order.fee < 100
