"""The part of the gateway's OpenAPI document that is about the counter: quotes, access, memberships, and who stands how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.gateway import examples
from reconciler.gateway.schemas import MISSING, PROBLEM_BODY, RECEIPT, UNAVAILABLE
from reconciler.model.goods import TierId
from reconciler.model.ids import Kind
from reconciler.model.json import JsonObject
from reconciler.model.payment import PaymentMethod
from reconciler.model.vocabulary import ConsumerState
from reconciler.web.openapi import (
    BRC103,
    CHARGE,
    CHARGED,
    HASH,
    JSON,
    KEY,
    PAYMENT,
    PROBLEM,
    TEXT,
    UNKNOWN,
    WHOLE,
    answer,
    body,
    by_name,
    listed,
    nullable,
    operation,
    parameter,
    record,
    shown,
)
from reconciler.wire.payment import PaymentError

_CODED: Final = record({"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT, "code": TEXT})
_NAME: Final = parameter("path", "name", "A name may have slashes")
_QUANTITY: Final[JsonObject] = {"type": "integer", "minimum": 1}
_METHOD: Final = record({"method": {"enum": [*PaymentMethod]}, "url": TEXT})

_SUSPENDED: Final = answer(
    "This consumer is suspended or blocked, as `code` says: nothing is to be paid", _CODED, PROBLEM
)
_NOT_SO: Final = answer("It is not sold in this quantity, or for so much in one payment", _CODED, PROBLEM)
_TOO_MUCH: Final = answer(
    "The quota is used up, or too many requests come from here", _CODED, PROBLEM, retry_after="Seconds"
)
_TOO_LONG: Final[JsonObject] = {
    "description": "The body is longer than is taken",
    "content": {PROBLEM: {"schema": PROBLEM_BODY}, JSON: {"schema": by_name({})}},
}
_REFUSED: Final = answer("It is refused, and why", PROBLEM_BODY, PROBLEM)

_QUOTE: Final = shown(
    record(
        {
            "id": TEXT,
            "kind": {"enum": [*Kind, TierId.KIND]},
            "name": TEXT,
            "quantity": WHOLE,
            "documentHash": HASH,
            "satoshis": WHOLE,
            "listSatoshis": WHOLE,
            "tier": nullable(TEXT),
            "discount": nullable(TEXT),
            "credit": WHOLE,
            "expires": WHOLE,
            "recipient": KEY,
            "methods": listed(_METHOD),
        }
    ),
    examples.QUOTE,
)

_ACCESS: Final = shown(
    record(
        {
            "receipt": nullable(RECEIPT),
            "key": nullable(TEXT),
            "urls": listed(TEXT),
            "expires": WHOLE,
            "sha256": HASH,
            "size": WHOLE,
            "mediaType": TEXT,
            "parts": listed(record({"uhrp": TEXT, "sha256": HASH, "size": WHOLE})),
        }
    ),
    examples.ACCESS,
)
NOT_GOOD: Final[JsonObject] = {
    "description": "The payment that came along is not good, by a code of BRC-105; or the request is not",
    "content": {
        JSON: {
            "schema": record({"status": {"const": "error"}, "code": {"enum": [*PaymentError]}, "description": TEXT})
        },
        PROBLEM: {"schema": PROBLEM_BODY},
    },
}
_NATIVE: Final = record({"code": TEXT, "satoshis": WHOLE, "quote": by_name({}), "methods": listed(_METHOD)})
_CHARGED: Final[JsonObject] = {
    **CHARGED,
    "description": "There is something to pay first: by BRC-105, or, where it is a problem, by a template",
    "content": {JSON: {"schema": CHARGE}, PROBLEM: {"schema": _NATIVE}},
}
LATER: Final[JsonObject] = {
    "description": "It is not known yet whether the payment is good, or something is out of reach: the same again",
    "content": {JSON: {"schema": by_name({})}, PROBLEM: {"schema": PROBLEM_BODY}},
}


def _sold(summary: str, gives: JsonObject) -> JsonObject:
    return operation(
        summary,
        {
            "200": gives,
            "400": NOT_GOOD,
            "401": UNKNOWN,
            "402": _CHARGED,
            "403": _SUSPENDED,
            "404": MISSING,
            "409": _NOT_SO,
            "413": _TOO_LONG,
            "429": _TOO_MUCH,
            "503": LATER,
        },
        parameters=[_NAME, PAYMENT],
        brings=body(shown(record({}, {"quantity": _QUANTITY}), {"quantity": 1})),
        security=BRC103,
    )


COUNTER_PATHS: Final[Mapping[str, JsonObject]] = {
    "/v1/quotes": {
        "post": operation(
            "What a good costs who asks, until when, and by which methods it is paid; nobody need be known for what is free",
            {
                "200": answer("The price", _QUOTE),
                "400": _REFUSED,
                "401": UNKNOWN,
                "403": _SUSPENDED,
                "404": MISSING,
                "409": _NOT_SO,
                "413": _TOO_LONG,
                "429": _TOO_MUCH,
                "503": UNAVAILABLE,
            },
            brings=body(
                shown(
                    record({"kind": {"enum": ["dataset", TierId.KIND]}, "name": TEXT}, {"quantity": _QUANTITY}),
                    examples.QUOTE_WISH,
                )
            ),
            security=BRC103,
        )
    },
    "/v1/datasets/{name}/access": {
        "post": _sold(
            "Receipt, key and places of a dataset: for a payment, for a receipt that holds, or for nothing where it is free",
            answer("What was bought", _ACCESS, x_bsv_payment_satoshis_paid="What was paid for the receipt"),
        )
    },
    "/v1/tiers/{name}/access": {
        "post": _sold(
            "Membership of a tier of consumers, for so many terms",
            answer(
                "The receipt, which is the membership",
                shown(record({"receipt": RECEIPT}), examples.MEMBERSHIP),
                x_bsv_payment_satoshis_paid="What was paid for it",
            ),
        )
    },
}
"""Of gateway/quotes.py and gateway/access.py."""

STANDING: Final = shown(
    record(
        {
            "identityKey": KEY,
            "tier": TEXT,
            "quota": nullable(
                record(
                    {
                        "bytes": nullable(WHOLE),
                        "requests": nullable(WHOLE),
                        "streams": nullable(WHOLE),
                        "window": nullable(WHOLE),
                    },
                    {"used": record({"bytes": WHOLE, "requests": WHOLE}), "resets": WHOLE},
                )
            ),
            "state": {"enum": [*ConsumerState]},
        }
    ),
    examples.STANDING,
)
"""What GET /v1/whoami answers."""
