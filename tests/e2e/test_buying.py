"""The shortest sale there is: one vendor, one buyer, a gateway on TCP between them."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: Acme, network: embedded, gateway: {url: "http://localhost:PORT"}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*.csv"}, title: "Table {stem}", price: 700}
"""


def test_what_one_applies_and_serves_another_buys_once(overlay, producer):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    producer.write(MANIFEST.replace("PORT", str(port)))
    overlay.folder, overlay.home = producer.folder, producer.home
    overlay.run("apply", "--yes")
    overlay.run("consumer", "init", "--overlay-url", f"http://localhost:{port}", "--max-price", "1000")
    with overlay.started("serve", "--port", str(port)) as server:
        checks = overlay.json("identity", "verify", "--validate-advertisements", "--test-payment-endpoints", "--pay")
        assert checks["ok"], checks

        refused = overlay.run("consumer", "get", "tables/data/a.csv", "--max-price", "699", code=3)
        assert "costs 700 satoshis, and at most 699 are allowed" in refused.stderr
        for target in ("first.csv", "second.csv"):
            overlay.run("consumer", "get", "tables/data/a.csv", "--output", target)
            assert (overlay.folder / target).read_bytes() == (overlay.folder / "data" / "a.csv").read_bytes()

        report = overlay.json("consumer", "report", "--time-range", "24h", "--include-payments")
        assert (report["total"]["purchases"], report["total"]["paid"]) == (1, 700)
        (receipt,) = report["receipts"]
        assert (receipt["good"], receipt["state"]) == ("dataset/tables/data/a.csv", "live")
        balance = overlay.json("consumer", "wallet")["balance"]
        assert balance["total"] == 100_000 - 700 - report["total"]["fees"]

        again = overlay.json("consumer", "pay", "tables/data/a.csv")["orders"]
        assert [order["receipt"] for order in again] == [receipt["id"]]
        *_, done = overlay.run("consumer", "get", "tables/*", "--output", "all/", "--json").stdout.splitlines()
        assert json.loads(done)["order"]["paid"] == 700
        assert overlay.json("consumer", "report")["total"]["purchases"] == 2
        assert server.stop() == 0
    assert overlay.json("wallet", "audit")["balanced"]


@pytest.mark.long
def test_a_rotation_of_the_identity_key_stops_no_sale(overlay, producer):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    manifest = MANIFEST.replace("PORT", str(port))
    producer.write(manifest)
    overlay.folder, overlay.home = producer.folder, producer.home
    overlay.run("apply", "--yes")
    overlay.run("consumer", "init", "--overlay-url", f"http://localhost:{port}", "--max-price", "1000")
    with overlay.started("serve", "--port", str(port)) as server:
        gateway = httpx.get(f"{server.ready['url']}/v1/producer").json()["gateway"]["identityKey"]
        (before,) = overlay.json("consumer", "pay", "tables/data/a.csv", "--yes")["orders"]
        assert server.stop() == 0
    made = overlay.json("identity", "rotate")
    address = f'gateway: {{url: "http://localhost:{port}"}}'
    one_line = f"spec: {{displayName: Acme, network: embedded, {address}}}"
    assert one_line in manifest
    for identity in (made["manifest"], f"identity: {{key: {{file: {Path(made['file']).name}}}}}"):
        lines = ["spec:", "displayName: Acme", "network: embedded", address, *identity.splitlines()]
        producer.write(manifest.replace(one_line, "\n  ".join(lines)))
        overlay.run("apply", "--yes")
    with overlay.started("serve", "--port", str(port)) as server:
        shown = httpx.get(f"{server.ready['url']}/v1/producer").json()
        assert (server.ready["identityKey"], shown["gateway"]["identityKey"]) == (made["identityKey"], gateway)
        (again,) = overlay.json("consumer", "pay", "tables/data/a.csv", "--yes")["orders"]
        (other,) = overlay.json("consumer", "pay", "tables/data/b.csv", "--yes")["orders"]
        assert again["receipt"] == before["receipt"] != other["receipt"]
        overlay.run("consumer", "get", "tables/data/a.csv", "--output", "got.csv")
        assert (overlay.folder / "got.csv").read_bytes() == (overlay.folder / "data" / "a.csv").read_bytes()
        assert server.stop() == 0
        assert server.log.read_text() == ""
    assert overlay.json("wallet", "audit")["balanced"]
    overlay.run("identity", "gateway", "--export", "carried.key")
    carried = json.loads((overlay.folder / "carried.key").read_text())
    assert carried["producer"] == made["identityKey"]
