"""What a storage host takes and answers (WIRE §4.3), as its OpenAPI document."""

from __future__ import annotations

from typing import Final

from reconciler.model.json import JsonObject
from reconciler.web.openapi import (
    AUTH_PATH,
    BINARY,
    BRC103,
    BYTES,
    CHARGED,
    FAILURE,
    FLAG,
    HANDSHAKE,
    HASH,
    PAID,
    PAYMENT,
    SCHEMES,
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
    operation,
    parameter,
    record,
)

_REFUSED: Final = answer("It is refused, and why", FAILURE)
_MISSING: Final = answer("Nothing of the kind is kept here", FAILURE)
_SUCCESS: Final[JsonObject] = {"const": "success"}
_ERRORS: Final = {"400": _REFUSED, "503": UNAVAILABLE}
_KNOWN: Final = {**_ERRORS, "401": UNKNOWN}
_WISH: Final = record(
    {
        "fileSize": {"type": "integer", "minimum": 1, "maximum": 11_000_000_000},
        "retentionPeriod": {"type": "integer", "minimum": 1, "maximum": 69_000_000},
    },
    {"sha256": HASH},
)
_HEALTH: Final = operation("Whether it is well", {"200": answer("It is", record({"status": TEXT, "ready": FLAG}))})

_QUOTE: Final = operation(
    "What keeping something costs, in satoshis",
    {"200": answer("The price", record({"quote": WHOLE})), **_ERRORS, "413": TOO_LONG},
    brings=body(_WISH),
)

_UPLOAD: Final = operation(
    "Leave to bring something",
    {
        "200": answer(
            "Where to PUT it, and with which headers",
            record({"status": _SUCCESS, "uploadURL": TEXT, "requiredHeaders": by_name(TEXT)}, {"amount": WHOLE}),
            **PAID,
        ),
        "402": CHARGED,
        "413": TOO_LONG,
        **_KNOWN,
    },
    parameters=[PAYMENT],
    brings=body(_WISH),
    security=BRC103,
)

_PUT: Final = operation(
    "Bring it, to the URL that was given",
    {
        "200": answer(
            "It is kept, and advertised",
            record({"status": _SUCCESS, "uhrpUrl": TEXT, "url": TEXT, "size": WHOLE, "expiryTime": WHOLE}),
        ),
        "404": _MISSING,
        "408": answer("It came too slowly", FAILURE),
        "413": TOO_LONG,
        **_ERRORS,
    },
    parameters=[
        parameter("query", name, about, required=True)
        for name, about in {
            "fileSize": "Bytes",
            "objectID": "Which upload",
            "expiry": "Until when it is kept, unix seconds",
            "uploader": "Who brings it",
            "hmac": "This host's own, over all of these",
        }.items()
    ]
    + [parameter("query", "sha256", "What it must hash to, where that was announced", HASH)],
    brings=body(BINARY, BYTES),
)

_FILE: Final = record({"name": TEXT, "size": TEXT, "mimeType": TEXT, "expiryTime": WHOLE})
_URL: Final = parameter("query", "uhrpUrl", "UHRP URL, with or without its scheme", required=True)

_FIND: Final = operation(
    "Something that one has brought",
    {"200": answer("What is known of it", record({"status": _SUCCESS, "data": _FILE})), "404": _MISSING, **_KNOWN},
    parameters=[_URL],
    security=BRC103,
)

_LIST: Final = operation(
    "Everything that one has brought",
    {
        "200": answer(
            "A page",
            record({"status": _SUCCESS, "uploads": listed(record({"uhrpUrl": TEXT, "expiryTime": WHOLE}))}),
        ),
        **_KNOWN,
    },
    parameters=[
        parameter("query", "limit", "Entries of a page, 1000 at most", WHOLE),
        parameter("query", "offset", "Entries that are passed over", WHOLE),
    ],
    security=BRC103,
)

_RENEW: Final = operation(
    "Have something kept for longer",
    {
        "200": answer(
            "It is",
            record({"status": _SUCCESS, "prevExpiryTime": WHOLE, "newExpiryTime": WHOLE, "amount": WHOLE}),
            **PAID,
        ),
        "402": CHARGED,
        "404": _MISSING,
        "413": TOO_LONG,
        **_KNOWN,
    },
    parameters=[PAYMENT],
    brings=body(record({"uhrpUrl": TEXT, "additionalMinutes": {"type": "integer", "minimum": 1}})),
    security=BRC103,
)

_DOWNLOAD: Final = operation(
    "Something by its SHA-256; whole, or a range of it",
    {
        "200": answer("All of it", BINARY, "*/*", etag="The hash", accept_ranges="bytes"),
        "206": answer("A range", BINARY, "*/*", content_range="Which"),
        "304": answer("It is the one that is known"),
        "416": answer("The range begins beyond its end", content_range="How long it is"),
        "404": _MISSING,
        **_ERRORS,
    },
    parameters=[
        parameter("path", "sha256", "64 hex digits"),
        parameter("header", "range", "bytes=FIRST-LAST"),
        parameter("header", "if-none-match", "An etag"),
    ],
)

DOCUMENT: Final = document(
    "UHRP storage host",
    "Keeps bytes for their uploaders, and advertises them by UHRP tokens (BRC-26).",
    {
        AUTH_PATH: HANDSHAKE,
        "/quote": {"post": _QUOTE},
        "/upload": {"post": _UPLOAD},
        "/put": {"put": _PUT},
        "/find": {"get": _FIND},
        "/list": {"get": _LIST},
        "/renew": {"post": _RENEW},
        "/cdn/{sha256}": {"get": _DOWNLOAD},
        "/health": {"get": _HEALTH},
        "/health/live": {"get": _HEALTH},
        "/health/ready": {"get": _HEALTH},
    },
    SCHEMES,
)
