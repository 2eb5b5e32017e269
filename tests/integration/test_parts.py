"""A dataset of several files is published, sold and kept like one of one file."""

from __future__ import annotations

import json
import os

import pytest

from reconciler.apply.prepare import content_seed
from reconciler.cli.wiring import keys_of
from reconciler.content.opening import open_content
from reconciler.model.errors import StalePlanError
from reconciler.model.ids import Digest, Network
from reconciler.plan.action import Action
from reconciler.plan.document import from_json, to_bytes
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import parse_record_document
from reconciler.wire.stream_cipher import SEGMENT, SEGMENTS_PER_PART, content_key

YEARS = {"2023.csv": "day,price\n2023-12-31,1\n", "2024.csv": "2024-01-01,2\n", "2025.csv": "2025-01-01,3\n"}
PART = SEGMENT * SEGMENTS_PER_PART
MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: Acme
  network: embedded
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: history}
spec:
  source: {parts: [data/2023.csv, data/2024.csv, data/2025.csv]}
  title: All years
  price: PRICE
"""


def changes(planned) -> dict[str, Action]:
    return {str(change.object): change.action for change in planned.plan.changes}


@pytest.fixture
def vendor(producer):
    """A producer with one dataset of three files, that has a price."""
    for file in (producer.folder / "data").iterdir():
        file.unlink()
    for name, text in YEARS.items():
        producer.data(name, text)
    producer.write(MANIFEST.replace("PRICE", "5000"))
    return producer


async def opened(vendor, target, *, sha256: Digest | None) -> dict[str, object]:
    """Download what is published into `target`, by the key of the plaintext with this hash; its public fields."""
    async with vendor.site() as site:
        (record,) = (await vendor.catalog()).records
        document = parse_record_document(record.document)
        keys = keys_of(vendor.invocation, Network.EMBEDDED, create=False)
        seed = await content_seed(site.database, keys=keys, randomness=os.urandom)
        _, desired = await vendor.reconciler(site)
        storage = tuple(site.world().storage(desired.storage_hosts, keys).values())
        key = None if sha256 is None else content_key(seed, "history", sha256)
        await open_content(document.content, target, key=key, sources=storage)
    return dict(document.public)


@pytest.mark.parametrize("price", [0, 5000])
async def test_what_is_downloaded_are_the_files_one_after_the_other(vendor, tmp_path, price):
    vendor.write(MANIFEST.replace("PRICE", f"{price}\n  description: {{generate: true}}"))
    whole = "".join(YEARS.values())

    await vendor.apply()

    sha256 = Digest(sha256_hex(whole.encode())) if price else None
    public = await opened(vendor, tmp_path / "opened.csv", sha256=sha256)
    assert (tmp_path / "opened.csv").read_text() == whole
    assert public["mediaType"] == "text/csv"
    assert public["description"] == "3 rows, 2 columns (day, price); day from 2023-12-31 to 2025-01-01"
    assert (await vendor.plan()).plan.is_empty


async def test_an_edited_part_is_new_content_and_parts_cut_elsewhere_are_not(vendor):
    await vendor.apply()
    vendor.data("2023.csv", YEARS["2023.csv"] + YEARS["2024.csv"])
    (vendor.folder / "data" / "2024.csv").unlink()
    vendor.write(MANIFEST.replace("PRICE", "5000").replace("data/2024.csv, ", ""))
    assert (await vendor.plan()).plan.is_empty

    vendor.data("2025.csv", "2025-01-01,4\n")
    assert changes(await vendor.plan()) == {
        "record/dataset/history": Action.UPDATE,
        "replica/history@storage-us": Action.REPLACE,
    }
    await vendor.apply()
    assert (await vendor.plan()).plan.is_empty


@pytest.mark.parametrize("price", ["0", "5000"])
async def test_a_part_that_changes_between_plan_and_apply_stops_it_before_anything_is_sent(vendor, door, price):
    vendor.write(MANIFEST.replace("PRICE", price))
    sent = []

    def edit(_):
        vendor.data("2024.csv", "2024-01-01,9\n")
        return True

    def note(method, url):
        if method == "PUT" or "/v1/tx" in url:
            sent.append(url)

    with pytest.raises(StalePlanError, match=r"one of the 3 files from 2023\.csv to 2025\.csv changed"):
        await vendor.apply(agree=edit, http=lambda http: door(http, before=note))
    assert sent == []
    await vendor.apply()
    assert (await vendor.plan()).plan.is_empty


async def test_a_kept_plan_names_the_files_and_finds_them_again(vendor, tmp_path):
    plan = from_json(json.loads(to_bytes((await vendor.plan()).plan)))
    paths = [change.after["paths"] for change in plan.changes if change.after and "paths" in change.after]
    assert paths == [[f"data/{name}" for name in YEARS]] * 2

    async with vendor.site() as site:
        reconciler, _ = await vendor.reconciler(site)
        await reconciler.execute_plan(plan, halted=lambda: False)

    whole = "".join(YEARS.values())
    await opened(vendor, tmp_path / "opened.csv", sha256=Digest(sha256_hex(whole.encode())))
    assert (tmp_path / "opened.csv").read_text() == whole


async def test_pinned_parts_need_not_be_present_once_they_are_published(vendor):
    await vendor.apply()
    whole = "".join(YEARS.values()).encode()
    pins = f", sha256: {sha256_hex(whole)}, size: {len(whole)}}}\n  title"
    vendor.write(MANIFEST.replace("PRICE", "5000").replace("}\n  title", pins))
    (vendor.folder / "data" / "2024.csv").unlink()

    assert (await vendor.plan()).plan.is_empty


def test_a_kill_between_two_stored_parts_costs_none_of_them(vendor, door, kill):
    """Files and stored parts are cut at other places: the first stored part ends in the last file."""
    for name, size in zip(YEARS, (PART - 100, 50, 150), strict=True):
        with (vendor.folder / "data" / name).open("wb") as file:
            file.truncate(size)

    def watched(puts, on_put):
        def look(method, url):
            if method == "PUT":
                puts.append(url)
                on_put(puts)

        return lambda http: door(http, before=look)

    async def die() -> None:
        await vendor.apply(http=watched([], lambda puts: kill() if len(puts) == 2 else None))

    async def again() -> dict[str, object]:
        puts: list[str] = []
        finished = await vendor.apply(http=watched(puts, lambda _: None))
        return {
            "puts": len(puts),
            "generation": finished.applied.generation,
            "empty": (await vendor.plan()).plan.is_empty,
        }

    assert vendor.in_child(die) is None  # it was killed
    assert vendor.in_child(again) == {"puts": 1, "generation": 1, "empty": True}
