"""What a buyer is told of a payment that is given back."""

from __future__ import annotations

import base64

from reconciler.model.ids import IdentityKey
from reconciler.model.json import JsonObject
from reconciler.payments.payout import REFUND_SUFFIX
from reconciler.store.refunds import Returned


def refund_json(returned: Returned, gateway: IdentityKey) -> JsonObject:
    """What a buyer needs to spend what came back: the key is theirs, by BRC-29, with the gateway as sender."""
    payment, refund = returned.payment, returned.refund
    sent: JsonObject = {}
    if refund is not None:
        sent = {
            "txid": refund.txid,
            "vout": 0,
            "satoshis": refund.satoshis,
            "fee": refund.fee,
            "derivationPrefix": payment.txid,
            "derivationSuffix": REFUND_SUFFIX,
            "senderIdentityKey": gateway,
            "height": refund.height,
            "beef": base64.b64encode(refund.shown().to_atomic(refund.txid)).decode(),
        }
    return {
        "payment": payment.txid,
        "reason": payment.reason,
        "state": "waiting" if returned.credit is None else "credited" if refund is None else refund.state.value,
        "credit": returned.credit or 0,
        **sent,
    }
