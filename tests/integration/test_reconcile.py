"""The life of a producer: every edit is a plan that says exactly that, and applying twice changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, Mapping
from typing import Any

import pytest

from reconciler.plan.action import Action
from reconciler.wire.http import Http, Reply


def _changes(planned: Any) -> dict[str, Action]:
    return {str(change.object): change.action for change in planned.plan.changes}


class Counting:
    """A door that counts what goes out through it, by method and path."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.sent: Counter[str] = Counter()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        within: float = 10.0,
        limit: int = 64 * 1024 * 1024,
    ) -> Reply:
        self.sent[f"{method} {url}"] += 1
        return await self._http.request(method, url, headers=headers, content=content, within=within, limit=limit)

    def stream(self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0) -> Any:
        return self._http.stream(url, headers=headers, within=within)


async def test_the_first_plan_creates_everything_and_the_next_one_nothing(producer):
    planned = await producer.plan()
    assert _changes(planned) == {
        "record/dataset/tables/data/a.csv": Action.CREATE,
        "record/dataset/tables/data/b.csv": Action.CREATE,
        "record/producer/acme": Action.CREATE,
        "replica/tables/data/a.csv@storage-us": Action.CREATE,
        "replica/tables/data/b.csv@storage-us": Action.CREATE,
    }
    finished = await producer.apply()
    assert finished.applied.generation == 1
    assert not finished.applied.undelivered
    assert not any(finished.applied.missing.values())
    assert (await producer.plan()).plan.is_empty


async def test_a_second_apply_sends_nothing_and_adds_no_generation(producer):
    await producer.apply()
    await producer.audit()  # the block has come by now or comes with the next question
    doors = []

    def counting(http: Http) -> Http:
        doors.append(Counting(http))
        return doors[0]

    finished = await producer.apply(http=counting)

    assert finished.applied is None
    assert finished.planned.plan.previous_generation == finished.planned.plan.generation == 1
    assert doors[0].sent
    sending = [sent for sent in doors[0].sent if not sent.startswith("GET ") and not sent.endswith("/lookup")]
    assert sending == []


async def test_the_same_world_gives_the_same_plan_id(producer):
    from reconciler.plan.document import plan_id

    first, second = await producer.plan(), await producer.plan()
    assert plan_id(first.plan) == plan_id(second.plan)


async def test_an_edited_title_is_one_update_in_one_transaction(producer):
    await producer.apply()
    producer.write(title="Acme Inc.")
    planned = await producer.plan()
    assert _changes(planned) == {"record/producer/acme": Action.UPDATE}
    assert planned.plan.cost.transactions == 1
    finished = await producer.apply()
    assert (finished.applied.generation, finished.planned.plan.summary.update) == (2, 1)
    catalog = await producer.catalog()
    assert catalog.live.document.public["displayName"] == "Acme Inc."
    assert {str(record.observed.id) for record in catalog.records} == {
        "dataset/tables/data/a.csv",
        "dataset/tables/data/b.csv",
    }


async def test_a_new_file_in_the_glob_is_one_record_and_one_copy(producer):
    await producer.apply()
    producer.data("c.csv", "id\n3\n")
    assert _changes(await producer.plan()) == {
        "record/dataset/tables/data/c.csv": Action.CREATE,
        "replica/tables/data/c.csv@storage-us": Action.CREATE,
    }


async def test_delete_and_add_again(producer):
    await producer.apply()
    (producer.folder / "data" / "b.csv").unlink()
    assert _changes(await producer.plan()) == {
        "record/dataset/tables/data/b.csv": Action.DELETE,
        "replica/tables/data/b.csv@storage-us": Action.DELETE,
    }
    await producer.apply()
    assert [str(record.observed.id) for record in (await producer.catalog()).records] == ["dataset/tables/data/a.csv"]
    producer.data("b.csv", "id,value\n2,two\n")
    assert _changes(await producer.plan()) == {
        "record/dataset/tables/data/b.csv": Action.CREATE,
        "replica/tables/data/b.csv@storage-us": Action.CREATE,
    }
    await producer.apply()
    assert (await producer.plan()).plan.is_empty
    assert (await producer.audit()).balanced


async def test_changed_content_is_an_update_and_a_replaced_copy(producer):
    await producer.apply()
    producer.data("a.csv", "id,value\n1,uno\n")
    assert _changes(await producer.plan()) == {
        "record/dataset/tables/data/a.csv": Action.UPDATE,
        "replica/tables/data/a.csv@storage-us": Action.REPLACE,
    }
    await producer.apply()
    assert (await producer.plan()).plan.is_empty


async def test_every_satoshi_is_accounted_for_over_many_applies(producer):
    await producer.apply()
    before = await producer.audit()
    spent = 0
    for number in range(5):
        producer.write(title=f"Acme {number}")
        spent += (await producer.apply()).planned.plan.cost.fee_satoshis
    after = await producer.audit()
    assert after.balanced
    assert after.balance.total == before.balance.total - spent
    assert after.tokens == before.tokens == 3


async def test_every_record_spends_its_anchor_and_hashes_to_its_document(producer):
    from reconciler.wire.canonical import sha256_hex
    from reconciler.wire.record import check

    await producer.apply()
    catalog = await producer.catalog()
    for record in catalog.records:
        transaction = record.beef.transactions[record.observed.outpoint.txid].transaction
        token = check(transaction, record.observed.outpoint.vout)
        assert token.anchor.document_hash == sha256_hex(record.document)
        assert token.anchor.spends in {spent.outpoint for spent in transaction.inputs}


async def test_lineage_stands_in_the_anchor(producer):
    producer.write(
        producer.manifest.read_text()
        + """---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: summary}
spec:
  source: {path: summary.csv}
  lineage: {parents: [tables]}
"""
    )
    (producer.folder / "summary.csv").write_text("rows\n2\n")
    await producer.apply()
    records = {str(record.observed.id): record for record in (await producer.catalog()).records}
    parents = [records[f"dataset/tables/data/{name}.csv"].observed.document_hash for name in "ab"]
    assert list(records["dataset/summary"].token.anchor.parents) == parents
    assert (await producer.plan()).plan.is_empty


async def test_pinned_bytes_that_are_not_here_are_refused_unless_they_are_published(producer):
    import hashlib

    from reconciler.model.errors import GuardError

    path = producer.data("a.csv", "id,value\n1,one\n")
    pinned = f"""---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: pinned}}
spec:
  source: {{path: data/p.csv, sha256: {hashlib.sha256(path.read_bytes()).hexdigest()}, size: {path.stat().st_size}}}
"""
    text = producer.manifest.read_text().replace("data/*.csv", "data/[ab].csv")
    producer.write(text + pinned)
    with pytest.raises(GuardError, match="not here"):
        await producer.apply()
    copy = producer.data("p.csv", path.read_text())
    await producer.apply()
    copy.unlink()
    assert (await producer.plan()).plan.is_empty
