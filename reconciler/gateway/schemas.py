"""What several of the gateway's routes answer, for its OpenAPI document."""

from __future__ import annotations

from typing import Final

from reconciler.model.goods import TierId
from reconciler.model.ids import Kind
from reconciler.model.payment import PaymentMethod
from reconciler.web.openapi import HASH, KEY, PROBLEM, TEXT, WHOLE, answer, nullable, record
from reconciler.wire.receipt import ReceiptState

PROBLEM_BODY: Final = record({"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT})
REFUSED: Final = answer("It is refused, and why", PROBLEM_BODY, PROBLEM)
MISSING: Final = answer("There is nothing here by this name", PROBLEM_BODY, PROBLEM)
UNAVAILABLE: Final = answer("The database is out of reach; try again", PROBLEM_BODY, PROBLEM, retry_after="Seconds")

RECEIPT: Final = record(
    {
        "version": {"const": 1},
        "id": HASH,
        "network": HASH,
        "producer": KEY,
        "gateway": KEY,
        "buyer": KEY,
        "good": record({"kind": {"enum": [*Kind, TierId.KIND]}, "name": TEXT, "documentHash": HASH}),
        "quantity": WHOLE,
        "method": {"enum": [*PaymentMethod]},
        "price": WHOLE,
        "satoshis": WHOLE,
        "txid": HASH,
        "issued": WHOLE,
        "allowance": record({"downloads": WHOLE, "bytes": WHOLE, "until": WHOLE}),
        "signature": TEXT,
    }
)

STORED_RECEIPT: Final = record(
    {
        "receipt": RECEIPT,
        "state": {"enum": [*ReceiptState]},
        "used": record({"downloads": WHOLE, "bytes": WHOLE}),
    }
)

REFUND: Final = record(
    {"payment": HASH, "reason": TEXT, "state": TEXT, "credit": WHOLE},
    {
        "txid": HASH,
        "vout": WHOLE,
        "satoshis": WHOLE,
        "fee": WHOLE,
        "derivationPrefix": TEXT,
        "derivationSuffix": TEXT,
        "senderIdentityKey": KEY,
        "height": nullable(WHOLE),
        "beef": TEXT,
    },
)
"""What becomes of a payment that is given back: `state` is waiting, until a block has it, credited, or the refund's."""
