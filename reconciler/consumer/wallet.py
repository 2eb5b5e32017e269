"""What a payment is made of: which coins, which outputs, what change, what fee. Pure but for the keys it signs with.

Change goes to the wallet's one address, so that whoever has the key finds it by an address index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.consumer.ports import Money, Payment
from reconciler.model.amounts import FeeRate, Satoshis
from reconciler.model.errors import GuardError
from reconciler.model.keys import FUNDING_KEY
from reconciler.plan import sizes
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput

_MOST_INPUTS: Final = 500
"""Coins that one payment spends at most."""


def make_payment(
    outputs: Sequence[TxOutput], *, must: Sequence[Money], may: Sequence[Money], rate: FeeRate, keys: Keys
) -> Payment:
    """Sign a transaction with these outputs first, and with change behind them where that is worth spending.

    Spends all that it `must`, and of what it `may` as much as it takes, in that order. Raises GuardError where that is not
    enough.
    """
    paid = sum(output.satoshis for output in outputs)
    chosen = list(must)
    rest = iter(may)
    while (change := _change(chosen, outputs, rate)) is None:
        coin = next(rest, None)
        if coin is None or len(chosen) >= _MOST_INPUTS:
            raise _too_poor(paid, [*must, *may])
        chosen.append(coin)
    locking = p2pkh(keys.public(FUNDING_KEY))
    back = [TxOutput(change, locking)] if change else []
    spends = [Spendable(coin.outpoint, coin.output, coin.key, Lock.P2PKH) for coin in chosen]
    transaction = signed(spends, [*outputs, *back], keys)
    returned = Money(outpoint=transaction.outpoint(len(outputs)), output=back[0], key=FUNDING_KEY) if back else None
    fee = sum(coin.output.satoshis for coin in chosen) - paid - change
    return Payment(transaction=transaction, paid=Satoshis(paid), fee=Satoshis(fee), change=returned)


def _change(chosen: Sequence[Money], outputs: Sequence[TxOutput], rate: FeeRate) -> Satoshis | None:
    """What is left over: 0 where it would cost as much to spend as it is; None where the coins are not enough."""
    if not chosen:
        return None
    has = sum(coin.output.satoshis for coin in chosen)
    left = has - sum(output.satoshis for output in outputs) - rate.fee(_size(chosen, outputs))
    if left < 0:
        return None
    change = left + rate.fee(_size(chosen, outputs)) - rate.fee(_size(chosen, outputs, change=1))
    return Satoshis(change if change > rate.fee(sizes.P2PKH_INPUT) else 0)


def _size(chosen: Sequence[Money], outputs: Sequence[TxOutput], *, change: int = 0) -> int:
    given = sum(8 + sizes.compact_size(len(output.locking)) + len(output.locking) for output in outputs)
    return sizes.transaction(
        p2pkh_inputs=len(chosen),
        pushdrop_inputs=0,
        outputs=len(outputs) + change,
        outputs_size=given + change * sizes.P2PKH_OUTPUT,
    )


def _too_poor(paid: int, coins: Sequence[Money]) -> GuardError:
    has = sum(coin.output.satoshis for coin in coins)
    return GuardError(
        f"the wallet has {has:,} satoshis to spend, and {paid:,} with a fee are to be paid",
        hint="fund the wallet; coins of payments that are on their way count once the network has seen them",
        guards=("coins",),
    )
