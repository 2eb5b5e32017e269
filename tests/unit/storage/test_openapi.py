"""The storage host's OpenAPI document: all of its routes, nothing else, and what they answer."""

from __future__ import annotations

import json

import pytest

from reconciler.storage.openapi import DOCUMENT
from reconciler.storage.terms import Prices
from reconciler.web.openapi import AUTH_PATH
from tests.describing import check, described, hammer, known, routed

JSON = {"content-type": "application/json"}


@pytest.fixture
def app(world):
    return world.http._worlds.mounted[b"storage-eu.embedded"].app


def test_every_route_is_described_and_nothing_else(app):
    assert set(routed(app)) == described(DOCUMENT)


async def test_what_it_answers_is_as_described(app, world):
    wish = {"fileSize": 5, "retentionPeriod": 5}
    for method, path, url, content, status in (
        ("post", "/quote", "/quote", wish, 200),
        ("post", "/quote", "/quote", {}, 400),
        ("post", "/upload", "/upload", wish, 401),
        ("put", "/put", "/put?fileSize=1", b"x", 400),
        ("get", "/find", "/find?uhrpUrl=x", None, 401),
        ("get", "/list", "/list", None, 401),
        ("post", "/renew", "/renew", {}, 401),
        ("get", "/cdn/{sha256}", "/cdn/x", None, 404),
        ("get", "/cdn/{sha256}", f"/cdn/{'ab' * 32}", None, 404),
        ("post", "/.well-known/auth", "/.well-known/auth", {"version": "0.1", "messageType": "no"}, 401),
        *(("get", path, path, None, 200) for path in ("/health", "/health/live", "/health/ready", "/openapi.json")),
    ):
        body = content if content is None or isinstance(content, bytes) else json.dumps(content).encode()
        reply = await world.http.request(
            method.upper(), f"http://storage-eu.embedded{url}", headers={} if content is None else JSON, content=body
        )
        assert reply.status == status, (url, reply.body)
        check(DOCUMENT, method, path, reply)


async def test_whatever_is_asked_a_few_times_the_answer_is_one_of_these(app):
    await hammer(DOCUMENT, app, examples=1)


@pytest.mark.long
async def test_whatever_is_asked_the_answer_is_one_of_these(app):
    await hammer(DOCUMENT, app, examples=15)


@pytest.mark.long
@pytest.mark.parametrize("price", [0, 1_000_000])
async def test_whatever_somebody_asks_who_is_known_the_answer_is_one_of_these(world, price):
    world.serve(prices=Prices(price))
    app = known(world.http._worlds.mounted[b"storage-eu.embedded"].app, world.keys.identity)
    paths = {path: item for path, item in DOCUMENT["paths"].items() if path != AUTH_PATH}

    await hammer({**DOCUMENT, "paths": paths}, app, examples=15)
