"""The reference TypeScript SDK finds a gateway by SLAP, reads what is served there, and walks a record's history."""

from __future__ import annotations

import hashlib

import pytest

CAPABILITY = """\
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: tables}
spec: {serviceType: data-feed, capability: market-tables}
"""


@pytest.fixture
def gateway(overlay, local, base_port):
    """A producer who has published three versions of a record, and serves them."""
    manifest = overlay.folder / "producer.yaml"
    url = f"http://localhost:{base_port + 1}"
    text = manifest.read_text().replace("  displayName:", f"  gateway: {{url: '{url}'}}\n  displayName:") + CAPABILITY
    text = text.replace("  tags: [test]", "  tags: [test]\n  capability: market-tables")
    documents = []
    for number in range(3):
        manifest.write_text(text.replace('"Table {stem}"', f'"Table {{stem}}, edition {number}"'))
        overlay.run("apply", "--yes")
        documents.append(listed(overlay))
    with overlay.started("serve", "--port", str(base_port + 1)) as server:
        assert server.ready["url"] == url
        yield url, documents


def listed(overlay):
    """The published records by their addresses."""
    return {each["object"]: each for each in overlay.json("state", "list")["objects"] if "documentHash" in each}


def test_the_sdk_finds_a_gateway_and_walks_three_versions_of_a_record(run_peer, gateway, local):
    url, editions = gateway
    live = editions[-1]

    told = run_peer(
        "gateway.mjs",
        {
            "tracker": local.ready["hosts"][0],
            "host": local.ready["hosts"][0],
            "service": "ls_data_market_tables",
            "name": "tables/data/a.csv",
        },
    )

    assert told["asked"] == [local.ready["hosts"][0], url]
    found = {each["outpoint"]: each["context"] for each in told["found"]}
    assert found.keys() == {each["outpoint"] for each in live.values()}
    for record in live.values():
        if not record["object"].startswith("record/producer"):
            context = bytes.fromhex(found[record["outpoint"]])
            assert hashlib.sha256(context).hexdigest() == record["documentHash"]
    assert told["root"][0] == live["record/producer/acme"]["documentHash"]
    assert sorted(told["local"]) == sorted(found)
    versions = [edition["record/dataset/tables/data/a.csv"]["documentHash"] for edition in editions]
    assert len(set(versions)) == 3
    assert told["histories"] == {
        "resolver 1": [versions[1:]],
        "resolver 2": [versions],
        "resolver 5": [versions],
        "plain": [versions],
    }
