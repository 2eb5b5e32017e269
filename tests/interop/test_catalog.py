"""A program of somebody else's, with the reference TypeScript SDK, finds what we published and believes it."""

from __future__ import annotations

import base64
import hashlib
import json

import httpx
import pytest

from reconciler.wire.canonical import parse_cbor


@pytest.fixture
def published(overlay, local):
    """A producer with three records, applied on the local world."""
    overlay.run("apply", "--yes")
    return overlay


@pytest.fixture
def state(published):
    return published.json("state", "list")


@pytest.fixture
def identity(published):
    return published.json("identity", "show")["identityKey"]


def test_the_sdk_finds_every_record_and_each_stands_up_to_it(run_peer, published, local, state, identity):
    found = run_peer("catalog.mjs", {"host": local.ready["hosts"][0], "headers": local.ready["chainTracker"]})

    expected = {each["object"]: each for each in state["objects"] if "documentHash" in each}
    for way in ("resolver", "aggregated", "plain"):
        records = {f"record/{each['kind']}/{each['name']}": each for each in found[way]}
        assert records.keys() == expected.keys(), way
        assert len(found[way]) == len(expected)
        for address, record in records.items():
            assert record["magic"] == "DLM1"
            assert record["identity"] == identity
            assert record["satoshis"] == 1
            assert record["verified"] is True
            assert record["signed"] is True
            assert record["locked"] is True
            assert record["spends"] is True
            assert record["outpoint"] == expected[address]["outpoint"]
            assert record["anchor"] == record["documents"][0] == expected[address]["documentHash"]
            assert record["document"]["public"] == expected[address]["public"]
            sealed = [record["document"]["sealed"]["sha256"]] if record["kind"] == "producer" else []
            assert record["documents"][1:] == sealed


def test_a_submission_by_the_sdk_is_acknowledged_although_it_is_known(run_peer, published, local):
    told = run_peer("submit.mjs", {"host": local.ready["hosts"][0]})

    assert told["broadcast"]["status"] == "success"
    assert told["broadcast"]["txid"] == told["txid"]
    assert told["steak"].keys() == {"tm_data_catalog"}
    assert told["steak"]["tm_data_catalog"]["outputsToAdmit"] == [0, 1, 2]
    assert told["steak"]["tm_data_catalog"]["coinsToRetain"] == []


def test_a_gateway_in_typescript_could_read_the_sealed_document(run_peer, published, local, identity):
    answer = httpx.post(
        f"{local.ready['hosts'][0]}/lookup",
        json={"service": "ls_data_catalog", "query": {"producer": identity, "kind": "producer"}},
    ).json()
    document, sealed = parse_cbor(bytes(answer["outputs"][0]["context"]))
    root = json.loads(document)
    assert hashlib.sha256(sealed).hexdigest() == root["sealed"]["sha256"]

    secret = (published.home / "identity.key").read_text().strip()
    told = run_peer("sealed.mjs", {"sealed": sealed.hex(), "secret": secret})

    assert told["gateway"] == root["keys"]["gatewayKey"]
    assert told["recipients"] == sorted([identity, root["keys"]["gatewayKey"]])
    opened = told["opened"]["gateway"]
    assert opened == told["opened"]["producer"]
    assert opened["source"] == "acme"
    assert len(base64.b64decode(opened["contentSeed"])) == 32
    assert opened["producer"]["network"]["hosts"] == local.ready["hosts"]
