"""The transactions that pay storage hosts, and what the splitter makes for them.

A host takes a payment for each part of a content (BRC-105), so each is a transaction of its own that spends exactly one coin
made for it: price and fee. A payment travels in an HTTP header with the transaction that made its coin, so that one must not
be large: above `together` payments the splitter funds *pouches*, each of which makes the coins of so many. For 100 of them it
has 3.5 kB; Node's servers read 16 kB of headers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from reconciler.model.amounts import FeeRate
from reconciler.plan import sizes
from reconciler.plan.storage import Purchase
from reconciler.plan.transactions import Made, Output, OutputRole, TxLayout, TxRole


@dataclass(frozen=True)
class StorageSet:
    """The payments of one apply; none where there are no purchases."""

    purchases: tuple[Purchase, ...]
    rate: FeeRate
    together: int

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """What the splitter makes: the payments' coins, or the pouches'."""
        if not self._pouches:
            return self._coins(self.purchases)
        return tuple(
            Output(role=OutputRole.POUCH, satoshis=self._worth(each) + self.rate.fee(_pouch_size(each)))
            for each in self._pouches
        )

    def lay_out(self, first: int) -> tuple[TxLayout, ...]:
        """Pouches and payments, where the splitter's output `first` is the first of `outputs`."""
        pouches = tuple(
            TxLayout(
                role=TxRole.POUCH,
                index=number,
                spends=(Made(TxRole.SPLITTER, first + number),),
                outputs=self._coins(each),
                size=_pouch_size(each),
                fee=self.rate.fee(_pouch_size(each)),
            )
            for number, each in enumerate(self._pouches)
        )
        return (*pouches, *(self._payment(number, each, first) for number, each in enumerate(self.purchases)))

    @property
    def _pouches(self) -> tuple[tuple[Purchase, ...], ...]:
        if len(self.purchases) <= self.together:
            return ()
        starts = range(0, len(self.purchases), self.together)
        return tuple(self.purchases[start : start + self.together] for start in starts)

    def _coins(self, purchases: tuple[Purchase, ...]) -> tuple[Output, ...]:
        return tuple(Output(role=OutputRole.STORAGE, satoshis=each.satoshis + self._fee) for each in purchases)

    def _worth(self, purchases: tuple[Purchase, ...]) -> int:
        return sum(coin.satoshis for coin in self._coins(purchases))

    def _payment(self, number: int, purchase: Purchase, first: int) -> TxLayout:
        pouch, place = divmod(number, self.together)
        coin = Made(TxRole.POUCH, place, pouch) if self._pouches else Made(TxRole.SPLITTER, first + number)
        return TxLayout(
            role=TxRole.PAYMENT,
            index=number,
            spends=(coin,),
            outputs=(Output(role=OutputRole.PAYMENT, object=purchase.object, satoshis=purchase.satoshis),),
            size=_PAYMENT_SIZE,
            fee=self._fee,
        )

    @property
    def _fee(self) -> int:
        return self.rate.fee(_PAYMENT_SIZE)


_PAYMENT_SIZE: Final = sizes.transaction(
    p2pkh_inputs=1, pushdrop_inputs=0, outputs=2, outputs_size=2 * sizes.P2PKH_OUTPUT
)
"""With the output that pays back what a host asks less than it quoted."""


def _pouch_size(purchases: tuple[Purchase, ...]) -> int:
    count = len(purchases)
    return sizes.transaction(p2pkh_inputs=1, pushdrop_inputs=0, outputs=count, outputs_size=count * sizes.P2PKH_OUTPUT)
