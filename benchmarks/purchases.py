"""Purchases, made beforehand: payments with real coins, signatures and proofs, each of one good by one buyer.

Every payment spends a coin of its own, which a block of 1,024 transactions proves (a path of ten levels), and gives change. Who
has the seller's key can write what his 402 would ask, so nobody needs to be asked while payments are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from benchmarks.material import Coin
from benchmarks.shop import DATASET
from reconciler.model.amounts import Satoshis
from reconciler.model.goods import Good
from reconciler.model.ids import Kind, RecordId
from reconciler.model.keys import FUNDING_KEY, QUOTE_KEY, payment_key
from reconciler.payments.quote import RANDOM, Offer, prefix_of
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import signed
from reconciler.wire.payment import PaymentHeader
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput

_FEE: Final = 100
_SUFFIX: Final = "YmVuY2htYXJr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchases:
    """What one buyer pays one seller; `expires` (unix seconds) is until when the prices hold."""

    purse: Keys
    """Whose coins are spent."""
    seller: Keys
    buyer: Keys
    expires: int

    def payments(self, coins: Iterable[Coin]) -> Iterator[PaymentHeader]:
        """One with each coin, for the quantities from 1 on."""
        for quantity, coin in enumerate(coins, start=1):
            good = Good(RecordId(Kind.DATASET, DATASET), quantity)
            yield self._payment(Offer(self.buyer.identity, str(good), Satoshis(quantity)), coin)

    def _payment(self, offer: Offer, coin: Coin) -> PaymentHeader:
        random = sha256(coin.spendable.outpoint.to_bytes()).digest()[:RANDOM]
        prefix = prefix_of(offer, seal=partial(self.seller.mac, QUOTE_KEY), random=random, expires=self.expires)
        key = self.buyer.public_for(payment_key(prefix, _SUFFIX, self.seller.identity))
        rest = Satoshis(coin.spendable.output.satoshis - offer.price - _FEE)
        outputs = [TxOutput(offer.price, p2pkh(key)), TxOutput(rest, p2pkh(self.buyer.public(FUNDING_KEY)))]
        transaction = signed([coin.spendable], outputs, self.purse)
        return PaymentHeader(prefix, _SUFFIX, coin.spent_by(transaction), transaction.txid)
