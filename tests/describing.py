"""What an app says that it does, held against what it does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from starlette.routing import Mount, Route

from reconciler.web.auth import _IDENTITY
from reconciler.web.openapi import AUTH_PATH, AUTHRITE_PATH
from reconciler.web.server import Door, serving
from reconciler.wire.http import Reply
from tests.patience import PATIENCE

METHODS = {"get", "put", "post", "delete", "patch"}
HANDSHAKES = {"Authenticated": AUTH_PATH, "Authrite": AUTHRITE_PATH}
"""What those who stand in front of an app take."""


def described(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Methods and paths of a document."""
    return {(method, path) for path, item in document["paths"].items() for method in item if method in METHODS}


def routed(app: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Methods and paths of an app, whatever it is wrapped in; of one that is mounted only if it is a router of its own."""
    while not hasattr(app, "routes"):
        if type(app).__name__ in HANDSHAKES:
            yield "post", HANDSHAKES[type(app).__name__]
        app = app._app
    for route in app.routes:
        if isinstance(route, Route):
            path = re.sub(r":[a-z]+\}", "}", prefix + route.path)
            yield from ((method.lower(), path) for method in route.methods - {"HEAD"})
        elif isinstance(route, Mount) and route.path:
            yield from routed(route.app, prefix + route.path)


def check(document: dict[str, Any], method: str, path: str, reply: Reply) -> None:
    """An answer is one of those described: its status, type and form."""
    answers = document["paths"][path][method]["responses"]
    assert str(reply.status) in answers, f"{method} {path} answers {reply.status}: {reply.body[:200]!r}"
    content = answers[str(reply.status)].get("content")
    if content is None:
        return
    stated = reply.headers["content-type"]
    (schema,) = [each["schema"] for kind, each in content.items() if kind in {stated, "*/*"}]
    if stated.endswith("json"):
        jsonschema.validate(reply.json(), schema)


def known(app: Any, identity: str) -> Any:
    """An app behind its authentication, which has said who asks."""
    while type(app).__name__ in {"OpenOrigins", *HANDSHAKES}:
        app = app._app

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, _IDENTITY: identity}, receive, send)

    return call


async def hammer(document: dict[str, Any], app: Any, *, examples: int, headers: dict[str, str] | None = None) -> None:
    """Ask an app on TCP whatever its document allows, and what it does not, and hold every answer against the document."""
    schemathesis = pytest.importorskip("schemathesis", reason="the extra [fuzz] is not installed")
    checks = pytest.importorskip("schemathesis.specs.openapi.checks")
    held = [
        schemathesis.checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.response_headers_conformance,
    ]
    modes = [*pytest.importorskip("schemathesis.generation").GenerationMode]
    schema = schemathesis.openapi.from_dict(document)

    def ask(url: str) -> None:
        for made in schema.get_all_operations():
            operation = made.ok()
            takes = any(operation.iter_parameters()) or operation.body
            for mode in modes if takes else modes[:1]:

                @settings(
                    max_examples=examples,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.generate],
                )
                @given(case=operation.as_strategy(mode))
                def one(case: Any) -> None:
                    response = case.call(base_url=url, timeout=PATIENCE, headers=headers or {})
                    is_stated = response.status_code == 503 and "retry-after" in response.headers
                    case.validate_response(response, checks=held[1:] if is_stated else held)

                with suppress(*([] if mode is modes[0] else [Unsatisfiable])):  # where nothing is wrong that is a text
                    one()

    async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
        await asyncio.to_thread(ask, url)
