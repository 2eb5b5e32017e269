"""The gateway's OpenAPI document: all of its routes, nothing else, and what they answer."""

from __future__ import annotations

import secrets
import time

import jsonschema
import pytest

from reconciler.gateway.app import build_app
from reconciler.gateway.examples import RECEIPT
from reconciler.gateway.openapi import DOCUMENT, SELLING
from reconciler.web.metrics import Metrics
from reconciler.web.operators import Operator
from reconciler.wire.http import Reply
from reconciler.wire.receipt import Receipt
from tests.describing import check, described, hammer, routed


@pytest.fixture
def app(database, publisher, host, keys, contents):
    return build_app(
        database=database,
        identity=publisher.identity,
        host=host.app(),
        keys=keys,
        contents=contents,
        clock=time.time,
        randomness=secrets.token_bytes,
        metrics=Metrics(database, Operator(identity=publisher.identity, token="token"), clock=time.time),
    )


def test_every_route_is_described_and_nothing_else(app):
    assert set(routed(app)) == described(DOCUMENT)


async def test_what_it_answers_is_as_described(gateway, publisher, make):
    await publisher.publish(
        [make("dataset/prices/btc", price=5, capability="prices"), make("dataset/free"), make("stream/ticks")]
    )
    document = (await gateway.get("/v1/catalog")).json()["records"][0]["documentHash"]
    for path, url, status in (
        ("/", "/", 200),
        ("/", "/?limit=0", 400),
        ("/v1/producer", "/v1/producer", 200),
        ("/v1/catalog", "/v1/catalog?limit=1", 200),
        ("/v1/catalog", "/v1/catalog?none=1", 400),
        ("/v1/catalog", "/v1/catalog?format=dcat", 200),
        ("/v1/catalog", "/v1/catalog?format=croissant", 406),
        ("/v1/catalog/{kind}/{name}", "/v1/catalog/dataset/prices/btc", 200),
        ("/v1/catalog/{kind}/{name}", "/v1/catalog/dataset/prices/btc?format=dcat", 200),
        ("/v1/catalog/{kind}/{name}", "/v1/catalog/dataset/prices/btc?format=croissant", 200),
        ("/v1/catalog/{kind}/{name}", "/v1/catalog/dataset/prices/btc?format=rdf", 400),
        ("/v1/catalog/{kind}/{name}", "/v1/catalog/dataset/none", 404),
        ("/v1/documents/{digest}", f"/v1/documents/{document}", 200),
        ("/v1/documents/{digest}", "/v1/documents/x", 400),
        ("/v1/documents/{digest}", f"/v1/documents/{'ab' * 32}", 404),
        ("/v1/datasets/{name}/content", "/v1/datasets/free/content", 200),
        ("/v1/datasets/{name}/content", "/v1/datasets/prices/btc/content", 403),
        ("/v1/datasets/{name}/content", "/v1/datasets/prices/btc/content?grant=x", 403),
        ("/v1/datasets/{name}/content", "/v1/datasets/free/content?grant=x&grant=y", 400),
        ("/v1/datasets/{name}/content", "/v1/datasets/none/content", 404),
        ("/v1/whoami", "/v1/whoami", 401),
        *((path, path, 200) for path in ("/health", "/health/live", "/health/ready", "/openapi.json")),
    ):
        given = await gateway.get(url)
        assert given.status_code == status, (url, given.text)
        headers = {name.lower(): value for name, value in given.headers.items()}
        check(DOCUMENT, "get", path, Reply(url, given.status_code, headers, given.content))


async def test_content_is_answered_as_described(gateway, publisher, make, contents):
    await publisher.publish([make("dataset/free")])
    path, url = "/v1/datasets/{name}/content", "/v1/datasets/free/content"
    etag = (await gateway.get(url)).headers["etag"]
    for headers, status in (
        ({"range": "bytes=1-2"}, 206),
        ({"if-none-match": etag}, 304),
        ({"range": "bytes=99999-"}, 416),
        ({"range": "bytes=0-1,2-3"}, 416),
    ):
        given = await gateway.get(url, headers=headers)
        check(DOCUMENT, "get", path, Reply(url, status, dict(given.headers), given.content))
        assert given.status_code == status
    contents.away = True
    given = await gateway.get(url)
    assert given.status_code == 503
    check(DOCUMENT, "get", path, Reply(url, 503, dict(given.headers), given.content))


async def test_before_anything_is_published_it_says_so_as_described(gateway):
    for path in ("/v1/producer", "/v1/catalog"):
        given = await gateway.get(path)
        assert given.status_code == 404
        check(DOCUMENT, "get", path, Reply(path, 404, dict(given.headers), given.content))


async def test_whatever_is_asked_a_few_times_the_answer_is_one_of_these(app, publisher, make):
    await publisher.publish([make("dataset/prices/btc")])
    await hammer(DOCUMENT, app, examples=1)


@pytest.mark.long
async def test_whatever_is_asked_the_answer_is_one_of_these(app, publisher, make):
    await publisher.publish([make("dataset/prices/btc")])
    await hammer(DOCUMENT, app, examples=15)


def examples(document):
    """Path, method, what is exampled, and its schema, of everything in JSON that is brought or given."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            given = {status: each for status, each in operation["responses"].items() if status.startswith("2")}
            for name, each in {"body": operation.get("requestBody", {}), **given}.items():
                schema = each.get("content", {}).get("application/json", {}).get("schema")
                if schema is not None:
                    yield path, method, name, schema


def test_what_is_sold_over_has_examples_that_are_as_described():
    seen = set()
    for path, method, name, schema in examples(SELLING):
        if "example" in schema:
            jsonschema.validate(schema["example"], schema)
            seen.add((method, path, name))
    counted = {(method, path, name) for path, method, name, _ in examples(SELLING) if path.startswith(COUNTER)}
    assert counted <= seen
    Receipt.parse(RECEIPT).check()


COUNTER = (
    "/v1/quotes",
    "/v1/datasets/{name}/access",
    "/v1/tiers/",
    "/v1/payments",
    "/v1/receipts",
    "/v1/settlements",
    "/v1/whoami",
    "/v1/catalog",
)
"""What a buyer uses."""
