"""Selling by native payment on a toy chain: what is sold how, quotes, and transactions that buyers make themselves."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from reconciler.model.goods import Good
from reconciler.model.ids import RecordId
from reconciler.model.keys import FUNDING_KEY
from reconciler.payments.native import NativeSales, Selling
from reconciler.payments.quote import RANDOM, Offer, prefix_of
from reconciler.payments.splits import Split
from reconciler.wallet.signing import signed
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput
from tests.paying import FEE, keys_of

GOOD = Good(RecordId.parse("dataset/btc"))
PRICE = 60_000
PAYEE, OTHER = keys_of("overlay"), keys_of("agents")


class Counter:
    """A good, and how it is sold."""

    def __init__(self, shop) -> None:
        splits = (
            Split(PAYEE.identity, Fraction("0.05")),
            Split(shop.keys.identity, Fraction("0.9")),
            Split(OTHER.identity, Fraction("0.05")),
        )
        self.selling_now = Selling(price=PRICE, terms=None, splits=splits, seconds=3600)
        self.asked = 0

    async def selling(self, buyer, good):
        self.asked += 1
        return self.selling_now if good == GOOD else None


def sell(shop, counter, **more):
    return NativeSales(
        database=shop.database, till=shop.till(**more), keys=shop.keys, counter=counter, clock=shop.clock
    )


def quote(shop, buyer, price=PRICE, good=GOOD, seconds=600):
    offer = Offer(buyer.identity, str(good), price)
    seal = shop.till()._seal
    return prefix_of(offer, seal=seal, random=shop.randomness(RANDOM), expires=int(shop.clock()) + seconds)


async def transaction(buyer, outputs, coin=None):
    """A payment of its outputs, in the buyer's own words: the rest is change."""
    amount = sum(output.satoshis for output in outputs)
    money, beef = coin or await buyer.coin(amount + FEE + 1)
    rest = TxOutput(money.output.satoshis - amount - FEE, p2pkh(buyer.keys.public(FUNDING_KEY)))
    made = signed([money], [*outputs, rest], buyer.keys)
    parents = [replace(entry, bump=None) for entry in beef.transactions.values()]
    return merge([beef, Beef.of((), [*parents, BeefTx(made)])]), made.txid


def outputs(template):
    return [each.output for each in template.outputs]


async def template(shop, sales, buyer):
    return await sales.template(buyer.identity, GOOD, quote(shop, buyer), PRICE)
