"""Every shape of plan as text and as JSON, byte for byte. `UPDATE_GOLDEN=1 pytest tests/unit/plan` writes them anew."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.cli.views.plan import render
from reconciler.model.amounts import Satoshis
from reconciler.model.desired import Limits
from reconciler.model.ids import Kind, Network, RecordId
from reconciler.model.observed import Answer, Reading
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_document_is_the_golden_one_and_reads_back_as_the_same_plan(world, case):
    plan = case(world)
    text = json.dumps(to_json(plan), indent=2, ensure_ascii=False, sort_keys=True)
    check(GOLDEN / f"{case.__name__}.json", text + "\n")
    assert from_json(json.loads(text)) == plan


def test_every_golden_file_belongs_to_a_case():
    expected = {f"{case.__name__}.{ending}" for case in CASES for ending in ("txt", "json")}
    assert {path.name for path in GOLDEN.iterdir()} == expected
