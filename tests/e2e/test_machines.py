"""Two machines and one producer: one applies, another serves; each with a database of its own (PROTOCOL §3, the gateway)."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.long

PRICED = """
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {name: standard}
spec: {http: {min: 1, max: MAX, window: 1h}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: sold}
spec: {source: {path: data/a.csv}, title: Sold, price: PRICE, paymentRule: standard}
"""


def write(overlay: Any, *, price: int, most: int) -> None:
    """The manifests of the producer, at a price and with a policy."""
    base = (overlay.folder / "producer.yaml").read_text().partition("---\napiVersion: overlay/v1\nkind: PaymentRule")[0]
    text = base.rstrip("\n") + PRICED.replace("MAX", str(most)).replace("PRICE", str(price))
    (overlay.folder / "producer.yaml").write_text(text)


@pytest.fixture
def shop(overlay: Any) -> Any:
    """The machine that serves: an empty folder, and a home of its own."""
    folder = overlay.folder.with_name("shop")
    folder.mkdir()
    (overlay.folder.parent / "shop-home").mkdir()
    return replace(overlay, folder=folder, home=overlay.folder.parent / "shop-home")


def eventually(ask: Callable[[], Any], wanted: Any) -> None:
    """Another machine is not told when: it is asked until it knows."""
    deadline = time.monotonic() + PATIENCE
    while (found := ask()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def price(url: str) -> Any:
    """What the catalog asks for the sold dataset."""
    answer = httpx.get(f"{url}/v1/catalog/dataset/sold")
    return answer.json()["price"]["satoshis"] if answer.is_success else None


def test_what_one_machine_applies_another_serves_without_being_told(overlay, local, shop):
    write(overlay, price=5, most=1000)
    overlay.run("apply", "--yes")
    overlay.run("identity", "gateway", "--export", str(shop.home / "gateway.key"))
    with shop.started("serve", "--network", "local", "--port", "0") as server:
        url = server.ready["url"]
        assert server.ready["identityKey"] == overlay.json("identity", "show")["identityKey"]
        eventually(lambda: price(url), 5)
        resolved = ("show", "setting/paymentrule/standard", "--resolved")
        assert shop.json(*resolved)["value"]["http"]["max"] == 1000

        write(overlay, price=7, most=2000)
        overlay.run("apply", "--yes")
        eventually(lambda: price(url), 7)

        assert httpx.get(f"{url}/v1/producer").json()["generation"] == 2
        assert shop.json(*resolved)["value"]["http"]["max"] == 2000
        found = httpx.post(f"{url}/lookup", json={"service": "ls_data_catalog", "query": {"kind": "dataset"}}).json()
        assert len(found["outputs"]) == 3  # its own host was given every record, and each with its document
        record = httpx.get(f"{url}/v1/catalog/dataset/sold").json()
        assert httpx.get(f"{url}/v1/documents/{record['documentHash']}").is_success
        assert server.stop() == 0

    audited = shop.json("wallet", "audit")  # it has no wallet, but what it was paid
    assert (audited["balanced"], audited["gateway"]["revenue"]) == (True, {"count": 0, "satoshis": 0})
    assert "Books, coins and chain agree." in shop.run("wallet", "audit").stdout

    checkout = replace(shop, folder=overlay.folder)
    assert "No changes. Sealed parts not compared." in checkout.run("plan").stdout
    assert "there is no identity key" in checkout.run("apply", "--yes", code=1).stderr
    assert not (shop.home / "identity.key").exists()
    local.stop()
    with shop.started("serve", "--port", "0") as server:  # nobody else is up: it serves what it has
        assert price(server.ready["url"]) == 7
        assert server.stop() == 0


def test_with_the_identity_key_a_server_takes_in_coins_too_so_that_it_can_apply_next(overlay, local, shop):
    write(overlay, price=5, most=1000)
    overlay.run("apply", "--yes")
    (shop.home / "identity.key").write_bytes((overlay.home / "identity.key").read_bytes())
    there = replace(overlay, home=shop.home)
    assert "No changes." in there.run("apply", "--yes").stdout
    with there.started("serve", "--port", "0") as server:
        write(overlay, price=6, most=1000)
        overlay.run("apply", "--yes")
        eventually(lambda: price(server.ready["url"]), 6)
        server.stop()
    write(overlay, price=7, most=1000)
    assert "1 updated, 0 deleted. Generation 3." in there.run("apply", "--yes").stdout
    overlay.run("plan", "--detailed-exitcode")
    for machine in (overlay, there):
        machine.run("apply", "--yes")
        machine.run("wallet", "audit")


def test_a_gateways_key_serves_its_own_database_and_no_other(overlay, local, shop):
    write(overlay, price=5, most=1000)
    overlay.run("apply", "--yes")
    exported = shop.home / "gateway.key"
    overlay.run("identity", "gateway", "--export", str(exported))
    assert exported.stat().st_mode & 0o077 == 0
    assert "there is a file already" in overlay.run("identity", "gateway", "--export", str(exported), code=1).stderr

    stolen = (overlay.home / "identity.key").rename(overlay.home / "elsewhere")
    (overlay.home / "gateway.key").write_bytes(exported.read_bytes())
    refused = overlay.run("serve", "--port", "0", code=1)
    assert "a gateway's key would lose its coins" in refused.stderr
    assert "for the network local, not embedded" in shop.run("serve", "--network", "embedded", code=1).stderr

    with shop.started("serve", "--network", "local", "--port", "0") as server:
        eventually(lambda: price(server.ready["url"]), 5)
        server.stop()
    with sqlite3.connect(shop.home / "local" / "state.db") as database:
        assert database.execute("select count(*) from coins").fetchone() == (0,)
    (shop.home / "identity.key").write_bytes(stolen.read_bytes())
    there = replace(overlay, home=shop.home)
    assert "`overlay state rebuild`" in there.run("plan", code=1).stderr
    there.run("state", "rebuild", "--network", "local")
    assert there.run("plan").stdout.splitlines()[-1] == "No changes. The overlay matches the manifests."
    there.run("wallet", "audit")


def test_of_two_processes_with_an_approved_plan_each_one_applies_and_the_other_is_told_to_plan_again(
    overlay, local, shop, command
):
    write(overlay, price=5, most=1000)
    overlay.run("apply", "--yes")
    shutil.copytree(overlay.folder, shop.folder, dirs_exist_ok=True)
    (shop.home / "identity.key").write_bytes((overlay.home / "identity.key").read_bytes())
    machines = (overlay, shop)
    for number in range(3):
        for machine, asked in zip(machines, (10 + number, 20 + number), strict=True):
            write(machine, price=asked, most=1000)
        plans = [machine.json("plan") for machine in machines]
        assert plans[0]["body"]["root"] == plans[1]["body"]["root"]
        processes = [
            subprocess.Popen(
                [command, "apply", "--approved", plan["id"]],
                cwd=machine.folder,
                env=machine.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for machine, plan in zip(machines, plans, strict=True)
        ]
        said = [process.communicate(timeout=PATIENCE)[0] for process in processes]
        assert sorted(process.returncode for process in processes) == [0, 4], said
    for machine in machines:
        write(machine, price=30, most=1000)
        machine.run("apply", "--yes", "--wait")
        machine.run("wallet", "audit")
    assert machine.json("status")["generation"] == 5
