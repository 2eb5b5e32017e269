"""The public conformance vectors of GASP: each passed, *invalid* for the reason given, or of what no overlay host does.

Requests and answers are read by our own parsers, as host and as client; those that name a route are asked of a host. The
vectors stay where they are; see FOLDER.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.clients.http import HttpClient
from reconciler.host.app import build_app
from reconciler.host.topics.advertisements import AdTopic
from reconciler.model.errors import VerificationError
from reconciler.model.ids import AdProtocol
from reconciler.wire.gasp import (
    VERSION,
    GaspVersionError,
    parse_list_answer,
    parse_list_request,
    parse_node,
    parse_node_request,
)

FOLDER = Path(os.environ.get("OVERLAY_VECTORS") or Path(__file__).parents[2].parent / "shared" / "vectors")
FILE = FOLDER / "sync" / "gasp-protocol.json"
ARC = "http://arc.embedded"

_PULL = "overlay hosts are asked, and never told: the reference's does not speak this half either"
_CUT = "its transaction is cut short"

INVALID = {
    "sync.gasprotocol.12": "its transaction is an odd number of hex digits, and its proof is cut short",
    "sync.gasprotocol.13": _CUT,
    "sync.gasprotocol.17": "asks for a state of the node that it does not set up",
    "sync.gasprotocol.19": f"its graphID is not its transaction's id, and {_CUT}",
}
ABSENT = {f"sync.gasprotocol.{number}": _PULL for number in (9, 14, 15, 16)}

PARSERS = {
    "gasp/initialRequest": parse_list_request,
    "gasp/initialResponse": parse_list_answer,
    "gasp/requestNode": parse_node_request,
    "gasp/node": parse_node,
}
VECTORS = {each["id"]: each for each in json.loads(FILE.read_text())["vectors"]} if FILE.is_file() else {}
ABSENT_FILE = "the public vectors are not here: sync/gasp-protocol.json (set OVERLAY_VECTORS)"


def parameters(*, http: bool):
    if not VECTORS:
        return [pytest.param(None, marks=pytest.mark.skip(reason=ABSENT_FILE), id="sync")]
    reasons = {name: f"vector invalid: {reason}" for name, reason in INVALID.items()} | ABSENT
    return [
        pytest.param(vector, marks=[pytest.mark.skip(reason=reasons[name])] if name in reasons else [], id=name)
        for name, vector in VECTORS.items()
        if ("path" in vector["input"]) is http
    ]


@pytest.mark.parametrize("vector", parameters(http=False))
def test_a_message_is_understood_or_refused_as_the_vector_says(vector):
    parse, message = PARSERS[vector["input"]["channel"]], vector["input"]["message"]
    expected = vector["expected"]
    if expected["valid"]:
        written = parse(message).to_json()
        assert {name: written[name] for name in message if name not in {"limit", "metadata"}} == {
            name: value for name, value in message.items() if name not in {"limit", "metadata"}
        }
        return
    with pytest.raises(VerificationError) as refused:
        parse(message)
    if "error" in expected:
        assert isinstance(refused.value, GaspVersionError)
        assert (VERSION, refused.value.foreign) == (
            expected["error"]["currentVersion"],
            expected["error"]["foreignVersion"],
        )


@pytest.fixture
async def host(database) -> AsyncIterator[httpx.AsyncClient]:
    async with HttpClient() as http:
        app = build_app(
            database=database,
            headers=Headers(http, ARC),
            arc=Arc(http, ARC),
            clock=lambda: 1_800_000_000.0,
            topics=[AdTopic(protocol) for protocol in AdProtocol],
            lookups=[],
        )
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://host.embedded") as client:
            yield client


@pytest.mark.parametrize("vector", parameters(http=True))
async def test_a_host_answers_as_the_vector_says(host, vector):
    given, expected = vector["input"], vector["expected"]

    reply = await host.request(
        given["method"], given["path"], headers=given["headers"], content=json.dumps(given["body"])
    )

    assert reply.status_code == expected["status"]
    assert {name: reply.json()[name] for name in expected["body"]} == expected["body"]


@pytest.mark.parametrize("name", [name for name in INVALID if name in VECTORS and name != "sync.gasprotocol.17"])
def test_what_is_called_invalid_is(name):
    vector = VECTORS[name]
    node = vector["input"].get("message") or vector["expected"]["body"]

    with pytest.raises(VerificationError):
        parse_node(node)


@pytest.mark.skipif(not VECTORS, reason=ABSENT_FILE)
def test_every_vector_is_accounted_for():
    assert len(VECTORS) == 20
    assert INVALID.keys() | ABSENT.keys() <= VECTORS.keys()
    assert len(VECTORS.keys() - INVALID.keys() - ABSENT.keys()) == 12
