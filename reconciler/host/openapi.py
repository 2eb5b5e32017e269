"""What an overlay host takes and answers (BRC-22, BRC-24, BRC-76; WIRE §4.1), as its OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.model.json import JsonObject
from reconciler.web.openapi import (
    ANY,
    BINARY,
    BYTES,
    FAILURE,
    FLAG,
    HASH,
    JSON,
    KEY,
    OUTPOINT,
    TEXT,
    TOO_LONG,
    UNAVAILABLE,
    UNKNOWN,
    WHOLE,
    answer,
    body,
    by_name,
    document,
    listed,
    nullable,
    operation,
    parameter,
    record,
)

_REFUSED: Final = answer("It is refused, and why", FAILURE)
_MISSING: Final = answer("There is no such document here", FAILURE)
_BYTES: Final[JsonObject] = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}}
_SERVICES: Final = by_name(
    record({"name": TEXT, "shortDescription": TEXT}, {"iconURL": TEXT, "version": TEXT, "informationURL": TEXT})
)
_INDICES: Final = listed(WHOLE)
_STEAK: Final = by_name(record({"outputsToAdmit": _INDICES, "coinsToRetain": _INDICES}, {"coinsRemoved": _INDICES}))
_FOUND: Final = record(
    {
        "type": {"const": "output-list"},
        "outputs": listed(record({"beef": _BYTES, "outputIndex": WHOLE}, {"context": _BYTES})),
    }
)
_HEALTH: Final = record({"status": TEXT, "ready": FLAG}, {"live": FLAG, "service": record({"name": TEXT})})
_SICK: Final = answer("The database cannot be read", _HEALTH)


def _health(summary: str) -> JsonObject:
    return {"get": operation(summary, {"200": answer("It is well", _HEALTH), "503": _SICK})}


def _services(summary: str) -> JsonObject:
    return {"get": operation(summary, {"200": answer("By name", _SERVICES)})}


def _documentation(summary: str, name: str) -> JsonObject:
    asked = parameter("query", name, "Whose", required=True)
    given = answer("Markdown; that there is none is said in words", TEXT, "text/markdown; charset=utf-8")
    return {"get": operation(summary, {"200": given, "400": _REFUSED}, parameters=[asked])}


_SUBMIT: Final = operation(
    "Submit a transaction to topics (BRC-22)",
    {"200": answer("STEAK: what became of it, by topic", _STEAK)}
    | {"400": _REFUSED, "413": TOO_LONG, "503": UNAVAILABLE},
    parameters=[
        parameter("header", "x-topics", 'A JSON array of topics, such as ["tm_ship"]', required=True),
        parameter(
            "header",
            "x-includes-off-chain-values",
            "Whether the body is VarInt(length of the BEEF), BEEF, off-chain values",
            {"enum": ["true", "false"]},
        ),
    ],
    brings=body(BINARY, BYTES),
)

_LOOKUP: Final = operation(
    "Ask a look-up service (BRC-24)",
    {
        "200": {
            "description": "The outputs that were found: as JSON, or aggregated in one BEEF",
            "content": {JSON: {"schema": _FOUND}, BYTES: {"schema": BINARY}},
        },
        "400": _REFUSED,
        "413": TOO_LONG,
        "503": UNAVAILABLE,
    },
    parameters=[
        parameter("header", "x-aggregation", "`yes` for the aggregated form", {"enum": ["yes", "no"]}),
        parameter(
            "header", "x-after", "The last output of the page before, `txid.vout`: the next one costs less", TEXT
        ),
    ],
    brings=body(record({"service": TEXT, "query": ANY})),
)

_DOCUMENT: Final = operation(
    "A document by its SHA-256",
    {"200": answer("Its bytes", BINARY, BYTES, etag="The hash"), "400": _REFUSED, "404": _MISSING},
    parameters=[parameter("path", "digest", "SHA-256, 64 hex digits")],
)

_LIST: Final = operation(
    "What a topic keeps, from a score on (GASP)",
    {
        "200": answer(
            "A page",
            record({"UTXOList": listed(record({"txid": HASH, "outputIndex": WHOLE, "score": WHOLE})), "since": WHOLE}),
        ),
        "400": _REFUSED,
        "413": TOO_LONG,
        "503": UNAVAILABLE,
    },
    parameters=[parameter("header", "x-bsv-topic", "The topic", required=True)],
    brings=body(record({"version": {"const": 1}, "since": WHOLE}, {"limit": {"type": "integer", "minimum": 1}})),
)

_NODE: Final = operation(
    "A transaction of an output's graph (GASP)",
    {
        "200": answer("It", record({"graphID": OUTPOINT, "rawTx": TEXT, "outputIndex": WHOLE}, {"proof": TEXT})),
        "400": _REFUSED,
        "413": TOO_LONG,
        "503": UNAVAILABLE,
    },
    brings=body(record({"graphID": OUTPOINT, "txid": HASH, "outputIndex": WHOLE}, {"metadata": FLAG})),
)

_INGEST: Final = operation(
    "A report of ARC about a transaction, or a batch of them",
    {
        "200": answer("What became of them", record({"status": TEXT, "message": TEXT, "reports": by_name(WHOLE)})),
        "400": _REFUSED,
        "401": UNKNOWN,
        "413": TOO_LONG,
        "503": UNAVAILABLE,
    },
    brings=body(record({}, {"txid": HASH, "txStatus": TEXT, "merklePath": TEXT, "callbacks": listed(ANY)})),
    security="callback",
)

_BAN: Final[Mapping[str, JsonObject]] = {
    "type": {"enum": ["domain", "outpoint"]},
    "value": {"type": "string", "minLength": 1},
}
_FORBIDDEN: Final = answer("Somebody else than the operator asks", FAILURE)
_ADMITTED: Final = {"401": UNKNOWN, "403": _FORBIDDEN, "503": UNAVAILABLE}
_PAGE: Final = [
    parameter("query", "page", "From 1 on", WHOLE),
    parameter("query", "limit", "Records of a page", WHOLE),
    parameter("query", "search", "Words in what they say"),
]


def _shown(summary: str, data: JsonObject, parameters: Sequence[JsonObject] = ()) -> JsonObject:
    """What the operator looks at."""
    given = answer("It", record({"status": {"const": "success"}, "data": data}))
    return {"get": operation(summary, {"200": given, **_ADMITTED}, parameters=parameters, security="operator")}


def _done(summary: str, wanted: JsonObject) -> JsonObject:
    """What the operator does."""
    given = answer("It is done", record({"status": {"const": "success"}, "message": TEXT}))
    answers = {"200": given, "400": _REFUSED, "413": TOO_LONG, **_ADMITTED}
    return {"post": operation(summary, answers, brings=body(wanted), security="operator")}


_CONFIG: Final = operation(
    "Whose key opens what follows",
    {"200": answer("It", record({"adminIdentityKey": nullable(KEY), "nodeName": TEXT}))},
)
_RECORDS: Final = record({"records": listed(record({"txid": HASH, "outputIndex": WHOLE})), "total": WHOLE})

_ADMIN: Final[Mapping[str, JsonObject]] = {
    "/admin/config": {"get": _CONFIG},
    "/admin/stats": _shown("What this host keeps", record({"nodeName": TEXT, "uptime": WHOLE, "totalBans": WHOLE})),
    "/admin/bans": _shown(
        "What is not shown any more",
        record({"bans": listed(record({"type": TEXT, "value": TEXT}))}),
        [parameter("query", "type", "domain or outpoint")],
    ),
    "/admin/ban": _done("Show something no more", record(_BAN, {"reason": TEXT})),
    "/admin/unban": _done("Show it again", record(_BAN)),
    "/admin/evictOutpoint": _done(
        "Forget an output", record({"txid": HASH, "outputIndex": WHOLE}, {"service": nullable(TEXT)})
    ),
    "/admin/ship-records": _shown("The SHIP advertisements that are kept", _RECORDS, _PAGE),
    "/admin/slap-records": _shown("The SLAP advertisements that are kept", _RECORDS, _PAGE),
}
"""The operator's routes."""

DOCUMENT: Final = document(
    "Overlay host",
    "Takes transactions into topics, and finds their outputs again. Everything is verified before it is taken.",
    {
        "/submit": {"post": _SUBMIT},
        "/lookup": {"post": _LOOKUP},
        "/listTopicManagers": _services("The topics that are kept here"),
        "/listLookupServiceProviders": _services("The look-up services that answer here"),
        "/getDocumentationForTopicManager": _documentation("What a topic is about", "manager"),
        "/getDocumentationForLookupServiceProvider": _documentation("What a service answers", "lookupService"),
        "/v1/documents/{digest}": {"get": _DOCUMENT},
        "/requestSyncResponse": {"post": _LIST},
        "/requestForeignGASPNode": {"post": _NODE},
        "/arc-ingest": {"post": _INGEST},
        **_ADMIN,
        "/health": _health("Whether it is well"),
        "/health/live": _health("Whether it runs"),
        "/health/ready": _health("Whether it can answer"),
    },
    {
        "callback": {"type": "http", "scheme": "bearer", "description": "The token that ARC was given"},
        "operator": {
            "type": "http",
            "scheme": "bearer",
            "description": "The operator's token; or BRC-103 as the producer",
        },
    },
)
