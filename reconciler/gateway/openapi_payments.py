"""The part of the gateway's OpenAPI document that is about native payments and about what becomes of the money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.gateway import examples
from reconciler.gateway.schemas import MISSING, PROBLEM_BODY, RECEIPT, REFUND, REFUSED, UNAVAILABLE
from reconciler.model.json import JsonObject
from reconciler.web.openapi import (
    BRC103,
    HASH,
    JSON,
    KEY,
    PROBLEM,
    TEXT,
    UNKNOWN,
    WHOLE,
    answer,
    body,
    listed,
    nullable,
    operation,
    parameter,
    record,
    shown,
)
from reconciler.wire.payment import PaymentError

_ERROR: Final = record({"status": {"const": "error"}, "code": {"enum": [*PaymentError]}, "description": TEXT})
_WRONG: Final[JsonObject] = {
    "description": "The payment is not good, by a code of BRC-105; or the request is not",
    "content": {JSON: {"schema": _ERROR}, PROBLEM: {"schema": PROBLEM_BODY}},
}
_LATER: Final = answer("It is not known yet: the same again", _ERROR, retry_after="Seconds")
_MANY: Final = answer("Too many templates of this buyer's are open", PROBLEM_BODY, PROBLEM)
_QUOTE: Final = record({"id": TEXT, "kind": TEXT, "name": TEXT, "satoshis": WHOLE}, {"quantity": WHOLE})
_OUTPUT: Final = record({"satoshis": WHOLE, "script": TEXT, "to": {"enum": ["producer", "payee"]}})
_TEMPLATE: Final = record(
    {"id": HASH, "expires": WHOLE, "satoshis": WHOLE, "outputs": listed(_OUTPUT), "quote": _QUOTE}
)
_COIN: Final = record(
    {
        "txid": HASH,
        "vout": WHOLE,
        "satoshis": WHOLE,
        "protocol": TEXT,
        "keyId": TEXT,
        "counterparty": KEY,
        "state": TEXT,
        "height": nullable(WHOLE),
        "beef": TEXT,
    }
)
_SETTLEMENTS: Final = shown(
    record(
        {
            "settlements": listed(_COIN),
            "unsettled": record({"count": WHOLE, "satoshis": WHOLE}),
            "next": nullable(TEXT),
        }
    ),
    examples.SETTLEMENTS,
)

NATIVE_PATHS: Final[Mapping[str, JsonObject]] = {
    "/v1/payments/templates": {
        "post": operation(
            "The outputs that a transaction must have to pay a quote, in order, before anything else",
            {
                "201": answer("They; the same for the same quote", shown(_TEMPLATE, examples.TEMPLATE)),
                "400": _WRONG,
                "401": UNKNOWN,
                "404": MISSING,
                "429": _MANY,
                "503": UNAVAILABLE,
            },
            brings=body(shown(record({"quote": _QUOTE}), examples.TEMPLATE_WISH)),
            security=BRC103,
        )
    },
    "/v1/payments": {
        "post": operation(
            "A transaction that was made from a template; the same again is the same",
            {
                "200": answer(
                    "The receipt; or, of a payment that came too late to buy anything, how it is given back",
                    shown(record({"receipt": nullable(RECEIPT)}, {"refund": REFUND}), examples.NATIVE_PAID),
                ),
                "400": _WRONG,
                "401": UNKNOWN,
                "404": MISSING,
                "503": _LATER,
            },
            brings=body(shown(record({"template": HASH, "transaction": TEXT}), examples.NATIVE_PAYMENT)),
            security=BRC103,
        )
    },
}
"""Of gateway/native.py."""

SETTLEMENT_PATHS: Final[Mapping[str, JsonObject]] = {
    "/v1/settlements": {
        "get": operation(
            "What was settled to who asks: the producer, or a payee; each coin with all that it takes to spend it",
            {
                "200": answer("What blocks prove from there on, and all that none proves yet", _SETTLEMENTS),
                "400": REFUSED,
                "401": UNKNOWN,
                "503": UNAVAILABLE,
            },
            parameters=[parameter("query", "since", "A height, or `next` of the page before")],
            security=BRC103,
        )
    },
}
"""Of gateway/settlements.py."""
