"""What a buyer types, as far as it needs no gateway: a key and coins, looking around, free content, clear refusals."""

from __future__ import annotations

import json

import pytest

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: Acme, network: embedded, gateway: {url: "http://localhost:9"}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*.csv"}, title: "Table {stem}", tags: [small], price: 0}
"""


@pytest.fixture
def market(overlay, producer):
    """A producer who gives two tables away, and whose gateway is not served."""
    producer.write(MANIFEST)
    overlay.folder, overlay.home = producer.folder, producer.home
    overlay.run("apply", "--yes")
    return overlay


def test_a_buyer_has_a_key_of_its_own_and_coins_of_the_faucet(market):
    said = market.run("consumer", "init", "--max-price", "5000", "--daily-budget", "9000")
    assert "Made a new key: " in said.stderr
    assert "The faucet gave 100,000 satoshis" in said.stderr
    assert said.stdout.splitlines()[2:6] == [
        "network      embedded",
        "max price    5,000 sat",
        "daily budget 9,000 sat",
        "total        100,000 sat",
    ]
    again = market.json("consumer", "init", "--max-price", "700")
    assert (again["maxPrice"], again["dailyBudget"]) == (700, 9000)
    assert again["balance"]["total"] == 100_000
    assert again["identityKey"] != market.json("identity", "show")["identityKey"]
    assert market.json("consumer", "wallet", "--fund", "50")["balance"]["total"] == 100_050
    assert (market.home / "consumer.key").stat().st_mode & 0o777 == 0o600


def test_looking_around_needs_no_key_and_free_content_no_gateway(market):
    (service,) = market.json("consumer", "discover")["services"]
    assert (service["name"], service["open"], len(service["goods"])) == ("acme", False, 2)
    assert market.run("consumer", "discover", "--max-price", "0").stdout.endswith("1 producer, 0 gateways open.\n")
    found = market.run("consumer", "search", "tables/*", "--tags", "small", "--sort", "name").stdout
    assert [line.split("  ")[1].strip() for line in found.splitlines()[1:3]] == [
        "dataset/tables/data/a.csv",
        "dataset/tables/data/b.csv",
    ]
    assert not (market.home / "consumer.key").exists()
    missing = market.run("consumer", "get", "tables/data/a.csv", code=1).stderr
    assert "there is no buyer here yet" in missing
    assert "overlay consumer init" in missing

    market.run("consumer", "init")
    said = market.run("consumer", "get", "tables/data/a.csv", "--output", "copy.csv").stdout
    assert "✓ dataset/tables/data/a.csv  " in said
    assert (market.folder / "copy.csv").read_bytes() == (market.folder / "data" / "a.csv").read_bytes()
    market.run("consumer", "get", "tables/*", "--provider", "acme", "--output", "all/")
    assert sorted(path.name for path in (market.folder / "all" / "tables" / "data").iterdir()) == ["a.csv", "b.csv"]
    assert market.json("consumer", "report")["total"] == {"purchases": 0, "paid": 0, "fees": 0}

    events = market.run("consumer", "get", "tables/data/a.csv", "--json").stdout.splitlines()
    *progress, done = map(json.loads, events)
    assert {event["event"] for event in progress} <= {"progress"}
    assert (done["event"], done["size"]) == ("done", (market.folder / "a.csv").stat().st_size)


def test_what_cannot_be_is_refused_in_one_sentence(market):
    market.run("consumer", "init")
    for words, said in {
        ("get",): "which good is not said",
        ("get", "nothing"): "nobody offers dataset/nothing",
        ("get", "tables/*", "--output", "data/a.csv"): "data/a.csv is a file, and 2 goods are to go there",
        ("get", "tables/*", "--provider", "nobody"): "no producer is called nobody",
        ("get", "tables/*", "--provider", "http://x/y"): "the gateway's URL is not an origin",
        ("pay",): "what is to be paid is not said",
        ("pay", "--quote-id", "abc"): "there is no quote abc here",
        ("quote", "tables/data/a.csv", "--quantity", "0"): "'0' is not a whole number from 1 to 1000000000",
        ("search", "--kind", "thing"): "'thing' is not one of these words: dataset, stream",
        ("discover", "--capability", "Big Data"): "the capability 'Big Data' must be lower-case words",
        ("report", "--time-range", "soon"): "'soon' is no duration",
        ("report", "--csv", "--json"): "--csv and --json are two forms of one report",
        ("init", "--overlay-url", "ftp://x"): "the gateway's URL is not an origin",
        ("init", "--max-price", "-5"): "not an amount of satoshis: -5",
    }.items():
        done = market.run("consumer", *words, code=1)
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_which_network_is_meant_has_to_be_clear(overlay):
    done = overlay.run("consumer", "discover", code=1)
    assert "which network to buy on is not said" in done.stderr
    assert "embedded, local, test, main" in done.stderr
