"""What the gateway takes and answers (DESIGN §5), as its OpenAPI document; the host that is mounted has one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.gateway import examples
from reconciler.gateway.negotiation import Form
from reconciler.gateway.openapi_counter import COUNTER_PATHS, LATER, NOT_GOOD, STANDING
from reconciler.gateway.openapi_payments import NATIVE_PATHS, SETTLEMENT_PATHS
from reconciler.gateway.query import MOST
from reconciler.gateway.schemas import MISSING, PROBLEM_BODY, REFUND, REFUSED, STORED_RECEIPT, UNAVAILABLE
from reconciler.model.ids import Kind
from reconciler.model.json import JsonObject
from reconciler.web.metrics import MEDIA_TYPE as METRICS
from reconciler.web.openapi import (
    AUTH_PATH,
    AUTHRITE_HANDSHAKE,
    AUTHRITE_PATH,
    BINARY,
    BRC103,
    BYTES,
    FLAG,
    HANDSHAKE,
    HASH,
    JSON,
    KEY,
    OUTPOINT,
    PROBLEM,
    SCHEMES,
    TEXT,
    UNKNOWN,
    WHOLE,
    answer,
    document,
    listed,
    nullable,
    operation,
    parameter,
    record,
    shown,
)

_PRODUCER: Final = record(
    {
        "identityKey": KEY,
        "previous": listed(record({"identityKey": KEY, "until": nullable(TEXT)})),
        "name": TEXT,
        "profile": {"type": "object"},
        "generation": WHOLE,
        "stateRoot": HASH,
        "leafCount": WHOLE,
        "outpoint": OUTPOINT,
        "documentHash": HASH,
        "gateway": record({"identityKey": nullable(KEY), "url": nullable(TEXT)}),
        "network": HASH,
        "source": record({"repo": nullable(TEXT), "commit": nullable(TEXT), "dirty": FLAG}),
        "proof": record({"beef": TEXT}),
    }
)
_ENTRY: Final = {
    "kind": {"enum": [*Kind]},
    "name": TEXT,
    "title": TEXT,
    "documentHash": HASH,
    "outpoint": OUTPOINT,
    "tags": listed(TEXT),
    "capability": nullable(TEXT),
    "price": record({"model": nullable(TEXT), "satoshis": nullable(WHOLE)}),
}
_CONTENT: Final = {"uhrp": TEXT, "sha256": HASH, "size": WHOLE, "mediaType": TEXT}
_RECORD: Final = record(
    {
        **_ENTRY,
        "document": {"type": "object"},
        "proof": record(
            {"index": WHOLE, "path": listed(HASH), "leafCount": WHOLE, "stateRoot": HASH, "root": OUTPOINT}
        ),
    },
    _CONTENT,
)
_PAGE: Final = record({"records": listed(record(_ENTRY, _CONTENT)), "next": nullable(TEXT)})
_LINKED: Final = record({"@context": {"type": "object"}, "@type": TEXT})
_DCAT, _CROISSANT = Form.DCAT.media_type, Form.CROISSANT.media_type
_FORM: Final = [
    parameter("query", "format", "In place of the Accept header", {"enum": [*Form]}),
    parameter("header", "accept", "application/ld+json is DCAT, or Croissant where its profile says so"),
]
_OTHERWISE: Final = answer("It is not shown in this form", PROBLEM_BODY, PROBLEM)


def _linked(about: str, schema: JsonObject, *linked: str) -> JsonObject:
    """An answer that may be JSON-LD as well."""
    forms: JsonObject = {media_type: {"schema": _LINKED} for media_type in linked}
    return {"description": about, "content": {JSON: {"schema": schema}, **forms}}


_QUERY: Final = [
    parameter("query", "kind", "Of this kind only", {"enum": [*Kind, ""]}),
    parameter("query", "tag", "With this tag only"),
    parameter("query", "q", "With these words only"),
    parameter("query", "cursor", "Where the page before ended"),
    parameter("query", "limit", "Records of a page", {"type": "integer", "minimum": 1, "maximum": MOST}),
]
_HEALTH: Final = operation(
    "Whether it is well, and whose it is",
    {
        "200": answer("It is", record({"status": TEXT, "ready": FLAG, "identityKey": KEY})),
        "503": UNAVAILABLE,
    },
)
_BYTES: Final[JsonObject] = {"*/*": {"schema": BINARY}}
_ETAG: Final[JsonObject] = {"etag": {"description": "SHA-256 of the plaintext, in quotes", "schema": TEXT}}
_GIVEN: Final[Mapping[str, JsonObject]] = {
    "200": {"description": "All of it", "content": _BYTES, "headers": _ETAG},
    "206": {"description": "The range that was asked for", "content": _BYTES, "headers": _ETAG},
    "304": {"description": "It is the one that the client has", "headers": _ETAG},
    "400": NOT_GOOD,
    "402": {
        "description": (
            "There is something to pay first: as for access (BRC-105) where the request is signed, else x-bsv-sats to a key of "
            "x-bsv-server (BRC-121), and for a payment that is not good x-bsv-payment-error; a replay names its receipt in a link"
        )
    },
    "403": answer("Not for this grant, or not any more; or not for this consumer", PROBLEM_BODY, PROBLEM),
    "404": MISSING,
    "416": answer("There is no such range; one is given at a time", PROBLEM_BODY, PROBLEM),
    "429": answer("The quota is used up", PROBLEM_BODY, PROBLEM, retry_after="Seconds"),
    "500": {"description": "Whether a payment by BRC-121 is good cannot be found out now: the same again, later"},
    "503": LATER,
}
_PAYING: Final = (
    parameter("header", "x-bsv-payment", "BRC-105, of a signed request"),
    parameter("header", "x-bsv-beef", "BRC-121, with the four that follow: base64 of an Atomic BEEF"),
    parameter("header", "x-bsv-sender", "Who pays, and can open the answer: its key is named by x-bsv-receipt"),
    parameter("header", "x-bsv-nonce", "The derivation prefix: base64"),
    parameter("header", "x-bsv-time", "Milliseconds since 1970, not half a minute away; its base64 is the suffix"),
    parameter("header", "x-bsv-vout", "Which output pays"),
)
_CONTENT_ROUTE: Final = operation(
    "A dataset's plaintext: for a grant, for a payment that comes along where it is small, or free",
    _GIVEN,
    parameters=[
        parameter("path", "name", "A name may have slashes"),
        parameter("query", "grant", "From POST /v1/datasets/{name}/access; it ends, and is for this content alone"),
        parameter("header", "range", "One range of bytes, such as bytes=0-1023"),
        parameter("header", "if-range", "The etag of what was had before"),
        parameter("header", "if-none-match", "The etag of what was had before"),
        *_PAYING,
    ],
)
_WHO: Final = answer("Who was proven to ask, and how they stand with this producer", STANDING)

_PATHS: Final[Mapping[str, JsonObject]] = {
    "/": {
        "get": operation(
            "The catalog as a page",
            {
                "200": answer("HTML", TEXT, "text/html; charset=utf-8"),
                "400": REFUSED,
                "503": UNAVAILABLE,
            },
            parameters=_QUERY,
        )
    },
    AUTH_PATH: HANDSHAKE,
    AUTHRITE_PATH: AUTHRITE_HANDSHAKE,
    "/v1/producer": {
        "get": operation(
            "Who publishes here, and the root that commits to all of it",
            {"200": answer("The live root", _PRODUCER), "404": MISSING, "503": UNAVAILABLE},
        )
    },
    "/v1/catalog": {
        "get": operation(
            "What is published, page after page",
            {
                "200": _linked("A page", shown(_PAGE, examples.CATALOG), _DCAT),
                "400": REFUSED,
                "404": MISSING,
                "406": _OTHERWISE,
                "503": UNAVAILABLE,
            },
            parameters=[*_QUERY, *_FORM],
        )
    },
    "/v1/catalog/{kind}/{name}": {
        "get": operation(
            "One record, its document, and the proof that the root covers it",
            {
                "200": _linked("It", shown(_RECORD, examples.RECORD), _DCAT, _CROISSANT),
                "400": REFUSED,
                "404": MISSING,
                "406": _OTHERWISE,
                "503": UNAVAILABLE,
            },
            parameters=[
                parameter("path", "kind", "producer, advertisement, dataset or stream"),
                parameter("path", "name", "A name may have slashes"),
                *_FORM,
            ],
        )
    },
    "/v1/documents/{digest}": {
        "get": operation(
            "A document by its SHA-256",
            {
                "200": {
                    "description": "Canonical JSON, or the root's sealed document",
                    "content": {JSON: {"schema": {"type": "object"}}, BYTES: {"schema": BINARY}},
                },
                "400": REFUSED,
                "404": MISSING,
                "503": UNAVAILABLE,
            },
            parameters=[parameter("path", "digest", "64 hex digits")],
        )
    },
    "/v1/datasets/{name}/content": {"get": _CONTENT_ROUTE},
    "/v1/whoami": {"get": operation("Who asks", {"200": _WHO, "401": UNKNOWN, "503": UNAVAILABLE}, security=BRC103)},
    "/v1/receipts": {
        "get": operation(
            "The receipt for a payment, for who paid; or what becomes of one that is given back",
            {
                "200": answer(
                    "It", shown(record({"receipts": listed(STORED_RECEIPT)}, {"refund": REFUND}), examples.RECEIPTS)
                ),
                "400": REFUSED,
                "401": UNKNOWN,
                "404": MISSING,
                "503": UNAVAILABLE,
            },
            parameters=[parameter("query", "txid", "The transaction that paid", HASH, required=True)],
            security=BRC103,
        )
    },
    "/v1/receipts/{id}": {
        "get": operation(
            "A receipt, what it is worth, and what was had for it; for its buyer",
            {
                "200": answer("It", shown(STORED_RECEIPT, examples.STORED_RECEIPT)),
                "401": UNKNOWN,
                "404": MISSING,
                "503": UNAVAILABLE,
            },
            parameters=[parameter("path", "id", "64 hex digits")],
            security=BRC103,
        )
    },
    "/metrics": {
        "get": operation(
            "Figures for Prometheus; for programs on the server's own machine, its operator, and who has the admin token",
            {
                "200": answer("The text format of Prometheus", TEXT, METRICS),
                "401": answer("It is nobody's to see who shows nothing", PROBLEM_BODY, PROBLEM),
                "403": answer("It is not for this one", PROBLEM_BODY, PROBLEM),
                "503": UNAVAILABLE,
            },
        )
    },
    **SETTLEMENT_PATHS,
    "/health": {"get": _HEALTH},
    "/health/live": {"get": _HEALTH},
    "/health/ready": {"get": _HEALTH},
}

_TITLE: Final = "Data gateway"
_ABOUT: Final = (
    "A producer's catalog. Whatever is not described here is the producer's overlay host: see /host/openapi.json."
)

DOCUMENT: Final = document(_TITLE, _ABOUT, _PATHS, SCHEMES)
"""Of a gateway that shows, and delivers what is free or was bought."""

SELLING: Final = document(_TITLE, _ABOUT, {**_PATHS, **COUNTER_PATHS, **NATIVE_PATHS}, SCHEMES)
"""Of one that sells."""
