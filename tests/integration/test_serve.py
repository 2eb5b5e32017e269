"""The gateway as a process: what others apply shows at once, and it stops when told to."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import time
from dataclasses import replace

import httpx
import pytest

from reconciler.model.ids import RecordId
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import parse_beef
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.state_root import InclusionProof, Leaf, verify_inclusion
from tests.patience import PATIENCE

pytestmark = pytest.mark.long


def applied(overlay, producer):
    """The producer's folder and home for the command, with everything applied."""
    overlay.folder, overlay.home = producer.folder, producer.home
    overlay.run("apply", "--yes")
    return overlay


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_cleanly(overlay, producer, number):
    applied(overlay, producer)
    with overlay.started("serve", "--port", "0") as server:
        url = server.ready["url"]
        health = httpx.get(f"{url}/health")
        assert server.ready["event"] == "ready"
        assert health.json() == {"status": "ok", "ready": True, "identityKey": server.ready["identityKey"]}
        assert server.stop(number) == 0
        assert server.process.stdout.read() == ""
        assert server.log.read_text() == ""
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_what_another_process_applies_shows_at_once(overlay, producer):
    applied(overlay, producer)
    with overlay.started("serve", "--port", "0") as server:
        url = server.ready["url"]
        assert _titles(url) == ["Table a", "Table b"]
        assert httpx.get(f"{url}/v1/producer").json()["generation"] == 1
        producer.data("c.csv", "id,value\n3,three\n")
        overlay.run("apply", "--yes")
        assert _titles(url) == ["Table a", "Table b", "Table c"]
        assert httpx.get(f"{url}/v1/producer").json()["generation"] == 2
        assert server.stop() == 0


def test_apply_goes_through_the_gateway_where_it_runs(overlay, producer):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    text = producer.manifest.read_text()
    producer.manifest.write_text(
        text.replace("  network: embedded", f"  network: embedded\n  gateway: {{url: 'http://localhost:{port}'}}")
    )
    applied(overlay, producer)
    with overlay.started("serve", "--port", str(port)) as server:
        producer.data("c.csv", "id,value\n3,three\n")
        overlay.run("apply", "--yes")
        found = httpx.post(
            f"{server.ready['url']}/lookup", json={"service": "ls_data_catalog", "query": {"kind": "dataset"}}
        )
        assert len(found.json()["outputs"]) == 3


def test_a_consumer_can_check_what_it_is_told(overlay, producer):
    applied(overlay, producer)
    with overlay.started("serve", "--port", "0") as server, httpx.Client(base_url=server.ready["url"]) as http:
        root = http.get("/v1/producer").json()
        beef, subject = parse_beef(bytes.fromhex(root["proof"]["beef"]))
        assert root["outpoint"] == f"{subject}.0"
        assert subject in beef.transactions
        assert sha256_hex(http.get(f"/v1/documents/{root['documentHash']}").content) == root["documentHash"]
        for record in http.get("/v1/catalog").json()["records"]:
            one = http.get(f"/v1/catalog/{record['kind']}/{record['name']}").json()
            proof = InclusionProof(one["proof"]["index"], tuple(one["proof"]["path"]))
            leaf = Leaf(RecordId.parse(f"{one['kind']}/{one['name']}"), one["documentHash"])
            assert verify_inclusion(proof, leaf, root["stateRoot"], root["leafCount"])
            assert sha256_hex(http.get(f"/v1/documents/{one['documentHash']}").content) == one["documentHash"]


def test_a_gateway_that_is_not_the_one_that_the_root_names_says_so(overlay, producer):
    named = Keys(hashlib.sha256(b"the gateway of the manifest").digest()).identity
    text = producer.manifest.read_text()
    gateway = f"gateway: {{url: 'http://localhost:1', identityKey: '{named}'}}"
    producer.manifest.write_text(text.replace("  network: embedded", f"  network: embedded\n  {gateway}"))
    applied(overlay, producer)
    with overlay.started("serve", "--port", "0") as server:
        assert httpx.get(f"{server.ready['url']}/v1/producer").json()["gateway"]["identityKey"] == named
        assert server.stop() == 0
        assert f"The root names another gateway, {named}" in server.log.read_text()


def test_a_port_that_is_in_use_is_an_error_that_says_so(overlay, producer):
    applied(overlay, producer)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = overlay.run("serve", "--port", str(port), code=1)
    assert f"port {port} is in use" in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_without_anything_applied_there_is_nothing_to_serve(overlay):
    done = overlay.run("serve", "--network", "embedded", "--port", "0", code=1)
    assert "there is nothing to serve yet" in done.stderr
    assert "overlay apply" in done.stderr


def test_with_a_key_alone_it_serves_an_empty_catalog(overlay):
    overlay.run("identity", "new")
    with overlay.started("serve", "--network", "embedded", "--port", "0") as server:
        url = server.ready["url"]
        assert httpx.get(f"{url}/health").json()["identityKey"] == server.ready["identityKey"]
        assert httpx.get(f"{url}/v1/catalog").status_code == 404
        assert httpx.get(url).status_code == 200


def test_it_serves_the_local_world_on_the_ports_that_were_applied(overlay, local):
    overlay.run("apply", "--yes")
    with overlay.started("serve", "--port", "0") as server:
        assert server.ready["network"] == "local"
        url = server.ready["url"]
        answer = httpx.post(f"{url}/lookup", json={"service": "ls_data_catalog", "query": {}})
        assert len(answer.json()["outputs"]) == 3
        assert server.stop() == 0


@pytest.mark.only("sqlite")
def test_it_catches_up_with_what_others_have_published(overlay, local, tmp_path):
    overlay.run("apply", "--yes")
    other = replace(overlay, home=tmp_path / "other-home")
    other.run("apply", "--yes")
    mine, theirs = (each.json("identity", "show")["identityKey"] for each in (other, overlay))
    with other.started("serve", "--port", "0") as server:
        ended = time.monotonic() + PATIENCE
        while _records(server, theirs) < 3:
            assert time.monotonic() < ended, server.log.read_text()
            time.sleep(0.2)  # a round begins when it does; nobody is told
        assert _records(server, mine) == _records(server, theirs) == 3
        assert server.stop() == 0
        assert server.log.read_text() == ""


def _records(server, producer: str) -> int:
    query = {"service": "ls_data_catalog", "query": {"producer": producer}}
    return len(httpx.post(f"{server.ready['url']}/lookup", json=query).json()["outputs"])


def _titles(url: str) -> list[str]:
    return [record["title"] for record in httpx.get(f"{url}/v1/catalog").json()["records"]]


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_what_happens_at_the_counter_is_in_the_audit_log_of_all_workers(overlay, producer, workers):
    applied(overlay, producer)
    options = ("--audit-log", "audit.log", "--rate-limit", "0", *workers)
    with overlay.started("serve", "--port", "0", *options) as server:
        for _ in range(6):
            given = httpx.post(f"{server.ready['url']}/v1/datasets/tables/data/a.csv/access", json={})
            assert given.status_code == 200
            assert httpx.get(given.json()["urls"][0]).text == "id,value\n1,one\n"
        assert server.stop() == 0
        assert server.log.read_text() == ""
    lines = [json.loads(line) for line in (producer.folder / "audit.log").read_text().splitlines()]
    assert [(line["what"], line["outcome"], line["good"]) for line in lines] == [
        ("access", "served", "dataset/tables/data/a.csv")
    ] * 6
