"""Receipts, as the buyer checks them: signed by the gateway that the root names, for this buyer, this good and this payment."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, IdentityKey
from reconciler.model.json import Json
from reconciler.model.order import Order
from reconciler.wire.receipt import Receipt


def checked_receipt(
    value: Json, order: Order, *, buyer: IdentityKey, network: Digest, also: Collection[IdentityKey] = ()
) -> Receipt:
    """A receipt, verified. Raises VerificationError, saying what differs from what was ordered.

    `also` are other keys of the order's producer, before or after a rotation.
    Where the order was not paid for itself, because an earlier receipt still holds, amount and transaction are that one's.
    """
    receipt = Receipt.parse(value)
    producer = receipt.producer if receipt.producer in also else order.producer
    expected = {
        "network": (receipt.network, network),
        "producer": (receipt.producer, producer),
        "gateway": (receipt.gateway, order.gateway_key),
        "buyer": (receipt.buyer, buyer),
        "good": (str(receipt.good), str(order.good)),
    }
    if order.payment is not None:
        expected |= {
            "version of the good": (receipt.document, order.document),
            "transaction": (receipt.txid, order.payment),
            "amount": (str(receipt.satoshis), str(order.paid)),
            "method": (receipt.method, str(order.method)),
        }
    for name, (shown, wanted) in expected.items():
        if shown != wanted:
            raise VerificationError(
                f"the receipt of {order.gateway} names another {name}: {shown}, not {wanted}", where=order.gateway
            )
    receipt.check()
    return receipt
