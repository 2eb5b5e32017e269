"""`overlay identity verify`: the producer as strangers see it, and what is wrong with that."""

from __future__ import annotations

import asyncio
import json

import pytest

pytestmark = pytest.mark.long

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: Acme, network: embedded, gateway: {url: "http://localhost:9"}}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: tables}
spec: {serviceType: lookup-tables, capability: tables}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*.csv"}, title: "Table {stem}", capability: tables, price: 7}
"""


@pytest.fixture
def published(overlay, producer):
    producer.write(MANIFEST)
    overlay.folder, overlay.home = producer.folder, producer.home
    overlay.run("apply", "--yes")
    return overlay


def test_what_hosts_show_is_held_against_what_is_recorded(published):
    said = published.run("identity", "verify").stdout
    assert "✓ recorded                     generation 1, " in said
    assert "✓ host http://public.embedded  shows generation 1 and all 3 records of it\n" in said
    assert said.endswith("All is well.\n")


def test_a_tracker_that_lists_everything_and_a_gateway_that_does_not_answer_are_told_apart(published):
    done = published.run("identity", "verify", "--validate-advertisements", "--json", code=1)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["tracker http://public.embedded"]["detail"] == "lists all 2 advertisements"
    assert not checks["gateway"]["ok"]
    assert "overlay serve" in checks["gateway"]["hint"]


def test_nobody_can_pay_a_gateway_that_does_not_answer(published):
    done = published.run("identity", "verify", "--test-payment-endpoints", code=1)
    assert "✗ quote" in done.stdout
    assert done.stdout.endswith("1 check failed.\n")


def test_the_past_is_counted_on_chain(published):
    manifest = published.folder / "producer.yaml"
    manifest.write_text(MANIFEST.replace("Acme", "Acme & Sons"))
    published.run("apply", "--yes")
    seen = published.json("identity", "verify", "--check-reputation")["reputation"]
    assert seen["generations"] == 2
    assert seen["advertisements"] == {"SHIP": 1, "SLAP": 1}
    assert seen["formerKeys"] == []
    assert seen["firstHeight"] is None or seen["firstHeight"] <= seen["tip"]
    assert "generations  2, " in published.run("identity", "verify", "--check-reputation").stdout


async def test_what_another_machine_applied_is_not_what_is_recorded_here(overlay, twins):
    here, there = twins
    await here.apply()
    there.write(title="Applied elsewhere")
    await there.apply()
    overlay.folder, overlay.home, overlay.state = here.folder, here.home, here.environment
    done = await asyncio.to_thread(overlay.run, "identity", "verify", code=1)
    assert "✗ recorded" in done.stdout
    assert "generation 1 is recorded as live, hosts show generation 2" in done.stdout


def test_a_producer_that_nobody_knows_is_said_to_be_one(overlay, producer):
    overlay.folder, overlay.home = producer.folder, producer.home
    overlay.run("identity", "new")
    assert "no host shows a root of " in overlay.run("identity", "verify", code=1).stderr
