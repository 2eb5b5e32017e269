"""A payment to a storage host as its transaction, and what it buys (BRC-29, BRC-105). Pure but for the keys it signs with."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from reconciler.apply.build import Built, created, spendable
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StalePlanError
from reconciler.model.keys import FUNDING_KEY, payment_key
from reconciler.model.observed import StorageGood
from reconciler.plan.transactions import OutputRole, TxLayout
from reconciler.store.coins import StoredCoin
from reconciler.store.purchases import Bought
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import signed
from reconciler.wire.payment import Charge
from reconciler.wire.script import p2pkh
from reconciler.wire.storage import StorageWish
from reconciler.wire.transaction import TxOutput

SUFFIX_BYTES = 8
"""Random bytes that a payer adds to the host's prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What a host asks for a good, within what the plan has for it."""

    good: StorageGood
    url: str
    """The host's origin."""
    wish: StorageWish
    charge: Charge
    layout: TxLayout
    """Of the payment."""


def pay(owed: Owed, coin: StoredCoin, suffix: bytes, keys: Keys) -> tuple[Built, Bought]:
    """Sign the payment: output 0 to the host's key; what it asks less than planned comes back to the funding address.

    Raises StalePlanError where the host asks more than the plan has, or the coin is not the one that was made for it.
    """
    charge, planned = owed.charge, owed.layout.outputs[0].satoshis
    check_price(charge, planned, url=owed.url)
    if coin.satoshis != planned + owed.layout.fee:
        raise StalePlanError("the coin of a payment is not the one that the plan made for it", hint="plan again")
    text = base64.b64encode(suffix).decode()
    payee = keys.public_for(payment_key(charge.prefix, text, charge.recipient))
    paid = TxOutput(charge.satoshis, p2pkh(payee))
    rest = TxOutput(Satoshis(planned - charge.satoshis), p2pkh(keys.public(FUNDING_KEY)))
    transaction = signed([spendable(coin)], (paid, rest) if rest.satoshis else (paid,), keys)
    back = (created(transaction, 1, FUNDING_KEY, OutputRole.PAYOUT),) if rest.satoshis else ()
    bought = Bought(
        txid=transaction.txid,
        good=owed.good,
        url=owed.url,
        payee=charge.recipient,
        wish=owed.wish,
        satoshis=charge.satoshis,
        prefix=charge.prefix,
        suffix=text,
    )
    return Built(owed.layout, transaction, back), bought


def check_price(charge: Charge, planned: int, *, url: str) -> None:
    """Raises StalePlanError where a host asks more than the plan has for it (I4)."""
    if charge.satoshis > planned:
        has = f"the plan has {planned:,} for it" if planned else "the plan has nothing for it"
        raise StalePlanError(
            f"{url} asks {charge.satoshis:,} satoshis, and {has}; nothing was paid",
            where=url,
            hint="plan again: the new plan shows what it costs now",
        )
