"""Every shape of plan as text, as Markdown and as JSON, byte for byte. `UPDATE_GOLDEN=1 pytest tests/unit/plan` writes them anew."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.cli.views.markdown import render_markdown
from reconciler.cli.views.plan import render
from reconciler.model.amounts import Satoshis
from reconciler.model.desired import DesiredRecord, Limits, Replication, Rotation
from reconciler.model.ids import Address, Kind, Network, RecordId, SettingKind
from reconciler.model.observed import Answer, Drifted, DriftPlace, Reading, StorageQuote
from reconciler.model.source import SourceSpan
from reconciler.plan.document import from_json, to_json

GOLDEN = Path(__file__).parents[2] / "golden" / "plans"


def genesis(world):
    return world.plan(world.desired(world.dataset("btc"), world.dataset("weather/berlin")), world.empty())


def no_changes(world):
    state = world.desired(world.dataset("btc"), world.dataset("weather/berlin"))
    return world.plan(state, world.published(state))


def edited_title(world):
    old = world.desired(world.dataset("btc"), world.dataset("weather/berlin", license="CC-BY-4.0"))
    title = "Hourly weather of Berlin since 1876, as the stations in Dahlem and at Tempelhof measured it"
    new = world.desired(world.dataset("btc", tags=["demo", "crypto"]), world.dataset("weather/berlin", title=title))
    return world.plan(new, world.published(old))


def delete_and_create(world):
    old = world.desired(world.dataset("btc"), world.dataset("eth"))
    new = world.desired(world.dataset("btc"), world.dataset("weather/berlin"))
    return world.plan(new, world.published(old))


def refused(world):
    """On main: too many deletes, above the limit, a price's slipped digit, another source, another root, no coins."""
    old = [world.dataset(f"day-{number}", pricing={"model": "per-request", "satoshis": 100}) for number in range(10)]
    new = [
        world.dataset("day-0", pricing={"model": "per-request", "satoshis": 10_000}),
        *old[1:5],
        world.dataset("btc"),
    ]
    limits = Limits(max_cost=Satoshis(50), max_price_factor="2")
    state = world.desired(*new, network=Network.MAIN, limits=limits)
    lagging = Reading(host="https://slow.example", answer=Answer.UNREACHABLE, at=world.now)
    snapshot = world.published(world.desired(*old), coins=(world.coin(12),), source="acme github.com/acme/data/feeds")
    snapshot = replace(
        snapshot,
        root=replace(snapshot.root, source="acme github.com/acme/old"),
        readings=(*snapshot.readings, lagging),
    )
    return world.plan(state, snapshot, allow_price_change=True, bound_identity=world.key("someone else"))


def refused_genesis(world):
    state = world.desired(world.dataset("btc"), network=Network.TEST)
    return world.plan(state, world.empty(readings=(), coins=()))


def renewal(world):
    record = world.dataset("btc")
    state = world.desired(record)
    soon = world.copies(record, "storage-eu", expires=world.now + 6 * 86_400)
    return world.plan(state, world.published(state, replicas=(*soon, *world.copies(record, "storage-us"))))


def replaced_content(world):
    old = world.desired(world.dataset("btc"), world.dataset("weather/berlin"))
    new = world.desired(world.dataset("btc", text="btc, one day later"), world.dataset("weather/berlin"))
    return world.plan(new, world.published(old))


def drift(world):
    """A copy expired, another one is gone, a record is not found any more."""
    btc, eth, berlin = world.dataset("btc"), world.dataset("eth"), world.dataset("weather/berlin")
    state = world.desired(btc, eth, berlin)
    snapshot = world.published(state)
    found = {key: value for key, value in snapshot.records.items() if key != RecordId(Kind.DATASET, "weather/berlin")}
    expired = world.copies(btc, "storage-us", expires=world.now - 86_400)
    kept = [*world.copies(btc, "storage-eu"), *world.copies(eth, "storage-us"), *world.copies(berlin, "storage-eu")]
    return world.plan(state, replace(snapshot, records=found, replicas=(*expired, *kept)))


def vendor(world, *, crypto="crypto", price=2500, fee=100_000):
    """A free and a sold dataset, an advertisement, a stream, rules, and what the gateway is known by."""
    span = SourceSpan("producer.yaml", 50, 1)
    free = world.dataset("weather/berlin")
    sold = world.dataset("btc", price=price, capability=crypto)
    sold = replace(sold, sealed={**sold.sealed, "paymentRule": "standard"})
    offer = {"capability": crypto, "serviceType": "data-feed"}
    ad = DesiredRecord(id=RecordId(Kind.ADVERTISEMENT, "feeds"), public=offer, sealed={}, span=span)
    live = {"title": "Bitcoin", "capability": crypto, "pricing": {"model": "per-minute", "satoshis": 15}}
    stream = DesiredRecord(
        id=RecordId(Kind.STREAM, "btc_live"),
        public=live,
        sealed={"source": {"websocket": "wss://feed.example", "headers": {"X-Key": {"env": "FEED_KEY"}}}},
        span=span,
    )
    rules = (
        world.setting("standard", http={"min": 1, "max": fee}),
        world.setting("worldwide", SettingKind.REPLICATION_RULE, replicas=2, spread={"by": "region", "min": 2}),
    )
    return world.desired(free, sold, ad, stream, settings=rules, ads=world.ads(crypto))


def live_vendor(world, **changes):
    return world.published(vendor(world), coins=(world.coin(100_000), world.purse(900)), **changes)


def whole_language(world):
    return world.plan(vendor(world), world.empty())


def changed_rule(world):
    return world.plan(vendor(world, fee=50_000), live_vendor(world))


def another_capability(world):
    """Old advertisements are revoked, new ones made, by the purse."""
    return world.plan(vendor(world, crypto="finance"), live_vendor(world))


def another_gateway(world):
    """Advertisements are replaced; the purse is empty, and filled again by a splitter. On main the gateway must answer."""
    url = "https://gateway.acme.example"
    state = replace(vendor(world), ads=world.ads("crypto", url=url), gateway_url=url, network=Network.MAIN)
    public = {**state.producer.public, "gateway": {"url": url}}
    state = replace(state, producer=replace(state.producer, public=public))
    snapshot = replace(live_vendor(world), coins=(world.coin(100_000), world.purse(1)), gateway_answers=False)
    return world.plan(state, snapshot, max_cost=Satoshis(5000))


def found_ads(world):
    """One is found and kept, another one stands on the trackers twice, a third is not ours to show any more."""
    state = vendor(world)
    ship, slap = state.ads
    stray = world.advertised(world.ads("old")[0], is_recorded=False)
    twice = (world.advertised(slap), world.advertised(slap, " again", is_recorded=False))
    snapshot = live_vendor(world, ads=(world.advertised(ship, is_recorded=False), *twice, stray))
    return world.plan(state, snapshot)


def renamed(world):
    """A free and a sold dataset are renamed; the sold one's copies are of another key then."""
    old = world.desired(world.dataset("btc"), world.dataset("eth", price=5))
    new = world.desired(
        world.dataset("coins/btc", title="Btc", text="content of btc", renamed_from="btc"),
        world.dataset("coins/eth", title="Ether", text="content of eth", price=5, renamed_from="eth"),
    )
    return world.plan(new, world.published(old))


def not_renamed(world):
    """The same content under another name, without a word of it; and a rename of something that is not there."""
    old = world.desired(world.dataset("btc"), world.dataset("eth"))
    new = world.desired(
        world.dataset("bitcoin", text="content of btc"),
        world.dataset("eth"),
        world.dataset("ltc", renamed_from="litecoin"),
    )
    return world.plan(new, world.published(old))


def free_and_sold(world):
    """One dataset gets a price, one loses it, a sold one goes."""
    old = world.desired(world.dataset("btc"), world.dataset("eth", price=7), world.dataset("ltc", price=7))
    new = world.desired(world.dataset("btc", price=2500), world.dataset("eth"))
    return world.plan(new, world.published(old))


def restored(world):
    """Nothing differs from the manifests, but the database, a host and a storage host tell it wrong."""
    drifted = (
        Drifted(object=Address.parse("dataset/btc"), place=DriftPlace.DATABASE, detail="the row was edited"),
        Drifted(object=Address.parse("stream/btc_live"), place=DriftPlace.OVERLAY, detail="http://b does not list it"),
        Drifted(object=Address.parse("ship/tm_data_crypto"), place=DriftPlace.DATABASE, detail="the row is missing"),
        Drifted(object=Address.parse("replica/btc@storage-eu"), place=DriftPlace.DATABASE, detail="the row is missing"),
        Drifted(object=Address.parse("record/producer/acme"), place=DriftPlace.DATABASE, detail="the row was edited"),
    )
    return world.plan(vendor(world), live_vendor(world, drifted=drifted))


def partial(world):
    """Only one dataset and what it refers to; others, and what would be deleted, stay."""
    old = world.desired(world.dataset("weather/berlin"), world.dataset("weather/paris"))
    new = replace(vendor(world), records=(*vendor(world).records, world.dataset("zec")))
    return world.plan(new, world.published(old), targets=("dataset/btc",), excludes=("replica/*@storage-us",))


def partial_without_changes(world):
    return world.plan(vendor(world, fee=5), live_vendor(world), targets=("dataset/weather/*",))


def made_anew(world):
    return world.plan(vendor(world), live_vendor(world), replaces=("dataset/weather/berlin", "replica/btc@storage-eu"))


def destroyed(world):
    return world.destroy(vendor(world), live_vendor(world))


def rotated(world):
    """Everything is signed anew by another key; what the manifests change besides goes along."""
    state = replace(vendor(world, fee=5), rotation=Rotation(key_file="next.key", key_env=None, transition=7 * 86_400))
    return world.plan(state, live_vendor(world), successor=world.key("next"))


def rotated_in_part(world):
    state = replace(vendor(world), rotation=Rotation(key_file="next.key", key_env=None, transition=7 * 86_400))
    return world.plan(state, live_vendor(world), successor=world.key("next"), targets=("dataset/btc",))


def too_few_hosts(world):
    """Storage that costs, and a rule that three hosts in two regions cannot keep."""
    rule = Replication(replicas=3, spread=3)
    quotes = {
        "storage-eu": StorageQuote(satoshis=1000, bytes=10**9, minimum=10),
        "storage-us": StorageQuote(satoshis=7, bytes=1),
    }
    state = world.desired(world.dataset("btc", rule=rule), world.dataset("eth", price=3))
    return world.plan(state, world.empty(quotes=quotes))


def in_parts(world):
    """Content of several files, and one that is edited."""
    old = world.desired(world.dataset("btc"))
    new = [
        replace(record, content=replace(record.content, paths=tuple(f"{record.id.name}/{year}.csv" for year in years)))
        for record, years in (
            (world.dataset("btc", text="another text"), (2024, 2025)),
            (world.dataset("eth"), (2023, 2024, 2025)),
        )
    ]
    return world.plan(world.desired(*new), world.published(old))


def without_the_key(world):
    """A new price, other bytes in a file that is free, and a rule that nobody may see."""
    state, rain = vendor(world, price=3000, fee=50_000), world.dataset("weather/berlin", text="rain")
    records = tuple(rain if record.id == rain.id else record for record in state.records)
    return world.preview(replace(state, records=records), live_vendor(world))


def without_the_key_or_changes(world):
    """Only a rule changes, and that is sealed."""
    return world.preview(vendor(world, fee=50_000), live_vendor(world))


CASES = (
    genesis,
    no_changes,
    edited_title,
    delete_and_create,
    refused,
    refused_genesis,
    renewal,
    replaced_content,
    drift,
    whole_language,
    changed_rule,
    another_capability,
    another_gateway,
    found_ads,
    renamed,
    not_renamed,
    free_and_sold,
    restored,
    partial,
    partial_without_changes,
    made_anew,
    destroyed,
    rotated,
    rotated_in_part,
    too_few_hosts,
    in_parts,
    without_the_key,
    without_the_key_or_changes,
)


def check(path: Path, text: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_text_is_the_golden_one_and_fits_80_columns(world, case):
    text = render(to_json(case(world)), width=80, colour=False)
    check(GOLDEN / f"{case.__name__}.txt", text + "\n")
    too_long = [line for line in text.splitlines() if len(line) > 80]
    assert too_long == []


@pytest.mark.parametrize("width", [40, 60, 120, 200])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_no_line_that_can_be_broken_is_wider_than_the_terminal(world, case, width):
    *lines, _fixed = render(to_json(case(world)), width=width, colour=False).splitlines()
    assert [line for line in lines if len(line) > width and " " in line.strip()[2:]] == []


@pytest.mark.parametrize("width", [40, 120])
@pytest.mark.parametrize("case", [edited_title, refused], ids=lambda case: case.__name__)
def test_the_text_is_the_golden_one_on_narrow_and_wide_terminals(world, case, width):
    text = render(to_json(case(world)), width=width, colour=False)
    check(GOLDEN.parent / "widths" / f"{case.__name__}-{width}.txt", text + "\n")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_markdown_is_the_golden_one(world, case):
    check(GOLDEN / f"{case.__name__}.md", render_markdown(to_json(case(world))) + "\n")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_document_is_the_golden_one_and_reads_back_as_the_same_plan(world, case):
    plan = case(world)
    text = json.dumps(to_json(plan), indent=2, ensure_ascii=False, sort_keys=True)
    check(GOLDEN / f"{case.__name__}.json", text + "\n")
    assert from_json(json.loads(text)) == plan


def test_every_golden_file_belongs_to_a_case():
    expected = {f"{case.__name__}.{ending}" for case in CASES for ending in ("txt", "md", "json")}
    assert {path.name for path in GOLDEN.iterdir()} == expected
