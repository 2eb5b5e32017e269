"""The seed's scenario 3, a marketplace: every part a process of its own."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack

import pytest

from tests.e2e.market import World

pytestmark = pytest.mark.long


@pytest.fixture
def world(overlay, base_port, command):
    with overlay.started("devnet", "up", "--base-port", str(base_port), "--block-time", "300ms") as started:
        yield World(started.ready, base_port, overlay, command)


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
