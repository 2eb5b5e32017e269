"""The public conformance vectors of an overlay host, asked over TCP: each passed, or *invalid* for the reason given.

Invalid are those that no host can satisfy: their transactions are none, their fields are those of no implementation, or they
ask for a state that they do not say how to reach. The vectors stay where they are; see FOLDER.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.clients.http import HttpClient
from reconciler.host.app import build_app
from reconciler.host.lookups.advertisements import AdLookup
from reconciler.host.topics.advertisements import AdTopic
from reconciler.model.ids import AdProtocol
from reconciler.web.operators import Operator
from reconciler.web.server import Door, serving

FOLDER = Path(os.environ.get("OVERLAY_VECTORS") or Path(__file__).parents[2].parent / "shared" / "vectors")
ARC = "http://arc.embedded"
CALLBACK = "callback token"
"""Without it nobody gets as far as the vector's mistake: the reference takes callbacks from everybody."""

_NO_BEEF = "its body is no BEEF, and STEAKs have no coinstakeOutputsToRetain"
_STATE = "asks for a state of the node that it does not set up"

INVALID = {
    **dict.fromkeys(("overlay.submit.1", "overlay.submit.2", "overlay.submit.3", "overlay.submit.10"), _NO_BEEF),
    "overlay.submit.8": "its body has the off-chain values first, and is no BEEF the other way round either",
    "overlay.lookup.1": "asks by a field that ls_ship does not have, for outputs that nobody submitted",
    "overlay.lookup.2": "asks for a freeform answer, which no engine gives any more",
    "overlay.lookup.8": "asks by a field that ls_slap does not have, for outputs that nobody submitted",
    **dict.fromkeys((f"overlay.topicmanagement.{number}" for number in (2, 5, 6, 13)), _STATE),
    "overlay.topicmanagement.17": "its Merkle path is cut short",
}
"""Why; `overlay.topicmanagement.2`, a node that is not ready, is held by tests/unit/host/test_app.py."""


def read(name):
    """The vectors of one file, or nothing where it is absent."""
    file = FOLDER / "overlay" / name
    return json.loads(file.read_text())["vectors"] if file.is_file() else []


FILES = ("submit.json", "lookup.json", "topic-management.json")
VECTORS = {vector["id"]: vector for name in FILES for vector in read(name)}
ABSENT_FILES = "the public vectors are not here: overlay/*.json (set OVERLAY_VECTORS)"


def parameters():
    if not VECTORS:
        return [pytest.param(None, marks=pytest.mark.skip(reason=ABSENT_FILES), id="overlay")]
    reasons = {name: f"vector invalid: {reason}" for name, reason in INVALID.items()}
    return [
        pytest.param(vector, marks=[pytest.mark.skip(reason=reasons[name])] if name in reasons else [], id=name)
        for name, vector in VECTORS.items()
    ]


@pytest.fixture
async def host(database, request) -> AsyncIterator[httpx.AsyncClient]:
    """A tracker on TCP, by the name that the vectors have for it: one of them has another than the rest."""
    async with HttpClient() as http:
        app = build_app(
            database=database,
            headers=Headers(http, ARC),
            arc=Arc(http, ARC),
            clock=time.time,
            topics=[AdTopic(protocol) for protocol in AdProtocol],
            lookups=[AdLookup(protocol) for protocol in AdProtocol],
            name="overlay-test-node" if request.node.callspec.id.endswith("management.8") else "overlay-node",
            network="main",
            callback_token=CALLBACK,
            operator=Operator(token="test-admin-token-abc123"),
        )
        async with (
            serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,),
            httpx.AsyncClient(base_url=url) as client,
        ):
            yield client


@pytest.mark.parametrize("vector", parameters())
async def test_a_host_answers_as_the_vector_says(host, vector):
    given, expected = vector["input"], vector["expected"]
    body = given.get("body")
    content = bytes.fromhex(given["body_hex"]) if "body_hex" in given else None if body is None else json.dumps(body)

    headers = given["headers"] | ({"Authorization": f"Bearer {CALLBACK}"} if given["path"] == "/arc-ingest" else {})
    reply = await host.request(
        given["method"], given["path"], headers=headers, params=given.get("query"), content=content
    )

    assert reply.status_code in expected.get("status_oneof", [expected.get("status")])
    if "content_type" in expected:
        assert reply.headers["content-type"].split(";")[0] == expected["content_type"]
    if "body" in expected:
        assert_named(expected["body"], reply.json())
    if "body_schema" in expected:
        for name, about in reply.json().items():
            assert name[:3] in {"tm_", "ls_"}
            assert about["name"]
            assert about["shortDescription"]


def assert_named(expected, found):
    """Everything that the vector names is there, and the same."""
    if not isinstance(expected, dict):
        assert found == expected
        return
    for name, value in expected.items():
        if name == "message_type":
            assert isinstance(found["message"], str)
            assert found["message"]
        else:
            assert_named(value, found[name])


@pytest.mark.skipif(not VECTORS, reason=ABSENT_FILES)
def test_every_vector_is_accounted_for():
    assert len(VECTORS) == 44
    assert INVALID.keys() <= VECTORS.keys()
    assert len(INVALID) == 13
    passed = VECTORS.keys() - INVALID.keys()
    counts = [
        len([name for name in passed if name.startswith(f"overlay.{file}.")])
        for file in ("submit", "lookup", "topicmanagement")
    ]
    assert counts == [7, 11, 13]
