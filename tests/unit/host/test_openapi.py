"""The host's OpenAPI document: all of its routes, nothing else, and what they answer."""

from __future__ import annotations

import json

import pytest

from reconciler.host.openapi import DOCUMENT
from reconciler.web.operators import Operator
from tests.describing import check, described, hammer, routed

JSON = {"content-type": "application/json"}
OPERATOR = {**JSON, "authorization": "Bearer secret"}


@pytest.fixture
def app(world):
    world.serve(callback_token="secret", operator=Operator(token="secret"))
    return world.http._worlds.mounted[b"public.embedded"].app


def test_every_route_is_described_and_nothing_else(app):
    assert {(method, path) for method, path in routed(app) if path != "/host/openapi.json"} == described(DOCUMENT)


async def test_what_it_answers_is_as_described(app, world, make_dataset):
    published = await world.publish(make_dataset(world.keys(), "btc"))
    submission = published.submission("tm_data_catalog")
    txid = published.transaction.txid
    find = {"service": "ls_data_catalog", "query": {}}
    page = {"version": 1, "since": 0}
    node = {"graphID": f"{txid}.0", "txid": txid, "outputIndex": 0, "metadata": False}
    topic = {**JSON, "x-bsv-topic": "tm_data_catalog"}
    aggregated = {**JSON, "x-aggregation": "yes"}
    report = {"txid": txid, "txStatus": "SEEN_ON_NETWORK"}
    for method, path, url, headers, content, status in (
        ("post", "/submit", "/submit", submission.headers(), submission.body(), 200),
        ("post", "/submit", "/submit", JSON, b"{}", 400),
        ("post", "/lookup", "/lookup", JSON, find, 200),
        ("post", "/lookup", "/lookup", aggregated, find, 200),
        ("post", "/lookup", "/lookup", JSON, [], 400),
        ("get", "/listTopicManagers", "/listTopicManagers", {}, None, 200),
        ("get", "/listLookupServiceProviders", "/listLookupServiceProviders", {}, None, 200),
        *(
            ("get", f"/getDocumentationFor{whose}", f"/getDocumentationFor{whose}{query}", {}, None, status)
            for whose, name in (("TopicManager", "manager"), ("LookupServiceProvider", "lookupService"))
            for query, status in (("", 400), (f"?{name}=tm_ship", 200))
        ),
        ("get", "/v1/documents/{digest}", "/v1/documents/x", {}, None, 400),
        ("get", "/v1/documents/{digest}", f"/v1/documents/{'ab' * 32}", {}, None, 404),
        ("post", "/requestSyncResponse", "/requestSyncResponse", topic, page, 200),
        ("post", "/requestSyncResponse", "/requestSyncResponse", topic, {"version": 99, "since": 0}, 400),
        ("post", "/requestForeignGASPNode", "/requestForeignGASPNode", JSON, node, 200),
        ("post", "/requestForeignGASPNode", "/requestForeignGASPNode", JSON, {}, 400),
        ("post", "/arc-ingest", "/arc-ingest", {**JSON, "authorization": "Bearer secret"}, report, 200),
        ("post", "/arc-ingest", "/arc-ingest", JSON, report, 401),
        ("get", "/admin/config", "/admin/config", {}, None, 200),
        ("get", "/admin/stats", "/admin/stats", {}, None, 401),
        ("get", "/admin/stats", "/admin/stats", {"authorization": "Bearer x"}, None, 403),
        *(
            ("get", f"/admin/{path}", f"/admin/{path}", OPERATOR, None, 200)
            for path in ("stats", "bans", "ship-records", "slap-records")
        ),
        *(
            ("post", f"/admin/{path}", f"/admin/{path}", OPERATOR, {"type": "domain", "value": "a.example"}, status)
            for path, status in (("ban", 200), ("unban", 200), ("evictOutpoint", 400))
        ),
        *(("get", path, path, {}, None, 200) for path in ("/health", "/health/live", "/health/ready", "/openapi.json")),
    ):
        body = content if content is None or isinstance(content, bytes) else json.dumps(content).encode()
        reply = await world.http.request(method.upper(), f"{world.host.url}{url}", headers=headers, content=body)
        assert reply.status == status, (url, reply.body)
        check(DOCUMENT, method, path, reply)


async def test_it_is_shown_also_where_the_gateway_does_not_hide_it(world):
    for path in ("/openapi.json", "/host/openapi.json"):
        assert (await world.http.request("GET", f"{world.host.url}{path}")).json() == DOCUMENT


async def test_whatever_is_asked_a_few_times_the_answer_is_one_of_these(app):
    await hammer(DOCUMENT, app, examples=1)


@pytest.mark.long
async def test_whatever_is_asked_the_answer_is_one_of_these(app):
    await hammer(DOCUMENT, app, examples=15)


@pytest.mark.long
async def test_whatever_the_operator_asks_the_answer_is_one_of_these(app):
    await hammer(DOCUMENT, app, examples=15, headers={"authorization": "Bearer secret"})
