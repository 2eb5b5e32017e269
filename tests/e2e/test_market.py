"""The seed's scenarios 2 and 3: premium content bought by a native payment, and a marketplace; every part a process of its own."""

from __future__ import annotations

import csv
import io
import time
from contextlib import ExitStack

import pytest

from tests.e2e.market import World, incompressible

pytestmark = pytest.mark.long

NATIVE = (
    "{http: {min: 1, max: 50_000}, native: {splits: [{to: partner, share: 0.05}, {to: producer, share: 0.95}]}, "
    "routing: {threshold: 20_000, small: http, large: native}, settle: {above: 1}}"
)


@pytest.fixture
def world(overlay, base_port, command):
    with overlay.started("devnet", "up", "--base-port", str(base_port), "--block-time", "300ms") as started:
        yield World(started.ready, base_port, overlay, command)


def settled(vendor, least: int, *, within: float = 300.0) -> int:
    """What the vendor's wallet holds, once it is at least so much: the settlement has come. Nobody tells of that."""
    deadline = time.monotonic() + within
    while True:
        vendor.run("apply", "--yes")
        total = vendor.json("wallet", "balance")["total"]
        if total >= least or time.monotonic() > deadline:
            return total


def test_premium_content_is_found_paid_natively_downloaded_and_settled(world):
    content = incompressible(3_000_000)
    vendor, port = world.vendor("acme", rule=NATIVE, price=60_000, dataset="premium", capability="deep-history")
    vendor.data({"ticks.bin": content})
    vendor.run("apply", "--yes")
    before = vendor.json("wallet", "balance")["total"]
    with vendor.serving(port):
        checks = vendor.json(
            "identity", "verify", "--check-reputation", "--validate-advertisements", "--test-payment-endpoints"
        )
        assert checks["ok"], checks

        buyer = world.buyer()
        found = buyer.json("consumer", "discover", "--service-type", "lookup-tables", "--max-price", "100000")
        (service,) = found["services"]
        assert (service["name"], service["capability"], service["open"]) == ("acme", "deep-history", True)
        (good,) = buyer.json("consumer", "search", "--tags", "premium", "--producer", service["producer"])["goods"]
        assert (good["name"], good["size"]) == ("premium/data/ticks.bin", len(content))

        (quote,) = buyer.json("consumer", "quote", good["name"], "--provider", service["producer"])["quotes"]
        assert (quote["satoshis"], quote["methods"]) == (60_000, ["native"])
        (order,) = buyer.json("consumer", "pay", "--quote-id", quote["id"], "--yes")["orders"]
        assert (order["state"], order["paid"], order["method"]) == ("paid", 60_000, "native")

        target = buyer.folder / "ticks.bin"
        done = buyer.events("consumer", "get", good["name"], "--provider", "acme", "--output", str(target))[-1]
        assert target.read_bytes() == content
        assert (done["event"], done["order"]["txid"]) == ("done", order["txid"])

        report = buyer.json("consumer", "report", "--time-range", "24h", "--include-payments")
        assert report["total"] == {"purchases": 1, "paid": 60_000, "fees": order["fee"]}
        (receipt,) = report["receipts"]
        assert (receipt["txid"], receipt["state"], receipt["satoshis"]) == (order["txid"], "live", 60_000)

        least = before + 57_000 - 2_000  # 95 percent of it, less what settling and applying cost
        assert settled(vendor, least) >= least
        assert vendor.json("wallet", "audit")["balanced"]


def test_a_marketplace_of_three_producers_is_compared_and_bought_from(world):
    weather = {"wind.csv": b"hour,knots\n" + b"1,12\n" * 400, "rain.csv": b"hour,mm\n" + b"1,0.2\n" * 400}
    north, north_port = world.vendor("north", price=900, capability="weather", dataset="hourly", region="EU")
    south, south_port = world.vendor("south", price=400, capability="weather", dataset="hourly", region="APAC")
    ticks, ticks_port = world.vendor("ticks", price=1500, capability="crypto", dataset="ticks", service="data-feed")
    for vendor in (north, south):
        vendor.data(weather)
    ticks.data({"btc.csv": b"at,price\n" + b"1,2\n" * 100})
    with ExitStack() as open_:
        for vendor, port in ((north, north_port), (south, south_port), (ticks, ticks_port)):
            vendor.run("apply", "--yes")
            open_.enter_context(vendor.serving(port))
        buyer = world.buyer("buyer", "--max-price", "2000", "--daily-budget", "10000")

        found = buyer.json("consumer", "discover", "--capability", "weather")["services"]
        assert [(each["name"], each["prices"][0]["satoshis"], each["open"]) for each in found] == [
            ("south", 400, True),
            ("north", 900, True),
        ]
        assert [each["name"] for each in buyer.json("consumer", "discover", "--region", "EU")["services"]] == [
            "north",
            "ticks",
        ]
        assert len(buyer.json("consumer", "search", "--text", "wind")["goods"]) == 2

        unclear = buyer.run("consumer", "get", "hourly/data/wind.csv", code=1)
        assert "several producers offer hourly/data/wind.csv" in unclear.stderr
        buyer.run("consumer", "get", "hourly/*", "--cheapest", "--output", "weather/")
        for name, content in weather.items():
            assert (buyer.folder / "weather" / "hourly" / "data" / name).read_bytes() == content
        buyer.run("consumer", "get", "ticks/data/btc.csv")
        assert (buyer.folder / "btc.csv").read_bytes() == (ticks.folder / "data" / "btc.csv").read_bytes()
        buyer.run("consumer", "get", "hourly/data/rain.csv", "--provider", "north")

        report = buyer.json("consumer", "report")
        spent = {each["name"]: report["byProducer"][each["producer"]]["paid"] for each in found}
        assert spent == {"south": 800, "north": 900}
        assert report["total"]["paid"] == 3200
        rows = list(csv.DictReader(io.StringIO(buyer.run("consumer", "report", "--csv").stdout)))
        assert sorted(int(row["paid"]) for row in rows) == [400, 400, 900, 1500]
        for vendor in (north, south, ticks):
            assert vendor.json("wallet", "audit")["balanced"]
