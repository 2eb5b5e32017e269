"""OpenAPI documents (3.1) as values, written by hand beside each app: what a route takes, and everything that it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler import __version__
from reconciler.model.json import JsonObject

PATH: Final = "/openapi.json"
JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
PROBLEM: Final = "application/problem+json"
AUTH_PATH: Final = "/.well-known/auth"
AUTHRITE_PATH: Final = "/authrite/initialRequest"

TEXT: Final[JsonObject] = {"type": "string"}
WHOLE: Final[JsonObject] = {"type": "integer", "minimum": 0}
FLAG: Final[JsonObject] = {"type": "boolean"}
ANY: Final[JsonObject] = {}
BINARY: Final[JsonObject] = {"type": "string", "format": "binary"}
HASH: Final[JsonObject] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
KEY: Final[JsonObject] = {"type": "string", "pattern": "^0[23][0-9a-f]{64}$"}
OUTPOINT: Final[JsonObject] = {"type": "string", "pattern": "^[0-9a-f]{64}\\.[0-9]+$"}

BRC103: Final = "brc103"
"""The security scheme of routes that want to know who asks."""


def shown(schema: JsonObject, example: JsonObject) -> JsonObject:
    """The same, with an example."""
    return {**schema, "example": example}


def listed(items: JsonObject) -> JsonObject:
    """An array of these."""
    return {"type": "array", "items": items}


def nullable(schema: JsonObject) -> JsonObject:
    """This, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(required: Mapping[str, JsonObject], optional: Mapping[str, JsonObject] | None = None) -> JsonObject:
    """An object with these fields; others may be there."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": [*required]}


def by_name(values: JsonObject) -> JsonObject:
    """An object of any names."""
    return {"type": "object", "additionalProperties": values}


def answer(about: str, schema: JsonObject | None = None, media_type: str = JSON, **headers: str) -> JsonObject:
    """One answer; `headers` by name, with `_` for `-`, say what each means."""
    content = {} if schema is None else {"content": {media_type: {"schema": schema}}}
    shown: JsonObject = {
        name.replace("_", "-"): {"description": text, "schema": TEXT} for name, text in headers.items()
    }
    return {"description": about, **content, **({"headers": shown} if shown else {})}


def parameter(place: str, name: str, about: str, schema: JsonObject = TEXT, *, required: bool = False) -> JsonObject:
    """One parameter; `place` is query, header or path."""
    return {"in": place, "name": name, "description": about, "schema": schema, "required": required or place == "path"}


def body(schema: JsonObject, media_type: str = JSON) -> JsonObject:
    """What a request has to bring."""
    return {"required": True, "content": {media_type: {"schema": schema}}}


def operation(
    summary: str,
    answers: Mapping[str, JsonObject],
    *,
    parameters: Sequence[JsonObject] = (),
    brings: JsonObject | None = None,
    security: str | None = None,
) -> JsonObject:
    """One method of one path. `answers` by status."""
    return {
        "summary": summary,
        "parameters": [*parameters],
        **({} if brings is None else {"requestBody": brings}),
        "responses": dict(answers),
        **({} if security is None else {"security": [{security: []}]}),
    }


def document(
    title: str, about: str, paths: Mapping[str, JsonObject], schemes: Mapping[str, JsonObject] | None = None
) -> JsonObject:
    """A whole document, which describes itself, too."""
    itself = operation("This document", {"200": answer("OpenAPI 3.1", record({"openapi": TEXT}))})
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": about, "version": __version__},
        "paths": {**paths, PATH: {"get": itself}},
        "components": {"securitySchemes": dict(schemes or {})},
    }


def route(described: JsonObject, path: str = PATH) -> Route:
    """Where an app shows its document."""

    async def show(_: Request) -> Response:
        return JSONResponse(described, headers={"cache-control": "no-cache"})

    return Route(path, show)


FAILURE: Final = record({"status": {"const": "error"}}, {"code": TEXT, "message": TEXT, "description": TEXT})
"""An error in the reference's shape."""

SCHEMES: Final[Mapping[str, JsonObject]] = {
    BRC103: {
        "type": "apiKey",
        "in": "header",
        "name": "x-bsv-auth-signature",
        "description": (
            "BRC-103 mutual authentication over HTTP (BRC-104): a handshake at POST /.well-known/auth, then the headers "
            "x-bsv-auth-version, -identity-key, -nonce, -your-nonce, -request-id and -signature, which sign method, path, "
            "query, x-bsv-* headers and body. Every answer is signed alike."
        ),
    }
}

UNAVAILABLE: Final = answer(
    "Something that this server needs is out of reach; try again", FAILURE, retry_after="Seconds"
)
UNKNOWN: Final = answer("Nobody has proven who they are", FAILURE)
TOO_LONG: Final = answer("The body is longer than is taken", FAILURE)

HANDSHAKE: Final[JsonObject] = {
    "post": operation(
        "A message of BRC-103: a handshake, or certificates",
        {
            "200": answer("The message that answers it", record({}, {"messageType": TEXT, "status": TEXT})),
            "401": UNKNOWN,
            "413": TOO_LONG,
            "503": UNAVAILABLE,
        },
        brings=body(
            record({"version": {"const": "0.1"}, "messageType": TEXT, "identityKey": KEY}, {"initialNonce": TEXT})
        ),
    )
}

AUTHRITE_HANDSHAKE: Final[JsonObject] = {
    "post": operation(
        "A handshake of Authrite (BRC-31), which BRC-103 has superseded",
        {
            "200": answer(
                "The server's half, signed",
                record({"authrite": TEXT, "messageType": TEXT, "identityKey": KEY, "nonce": TEXT, "signature": TEXT}),
            ),
            "400": answer("No handshake, or one of another version", FAILURE),
            "413": TOO_LONG,
            "503": UNAVAILABLE,
        },
        brings=body(record({"authrite": {"const": "0.2"}, "identityKey": KEY, "nonce": TEXT}, {"messageType": TEXT})),
    )
}

PAYMENT: Final = parameter(
    "header", "x-bsv-payment", "BRC-105: JSON of derivationPrefix, derivationSuffix, transaction"
)
CHARGE: Final = record({"status": {"const": "error"}, "code": TEXT, "satoshisRequired": WHOLE}, {"description": TEXT})
CHARGED: Final = answer(
    "There is something to pay first (BRC-105)",
    CHARGE,
    x_bsv_payment_version="1.0",
    x_bsv_payment_satoshis_required="How much",
    x_bsv_payment_derivation_prefix="Names the key to be paid to; good until its time is up",
)
PAID: Final = {"x_bsv_payment_satoshis_paid": "What was paid, where something was"}
