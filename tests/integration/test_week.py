"""A vendor's week: every day the plan says exactly that, the money adds up, buyers can read, and nobody learns a secret."""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from reconciler.apply.prepare import content_seed
from reconciler.chain.index import AddressIndex
from reconciler.cli.wiring import clock, keys_of
from reconciler.content.opening import open_content
from reconciler.control.restore import restore
from reconciler.model.ids import Digest, Network
from reconciler.observe.ads import read_ads
from reconciler.plan.document import plan_id, to_json
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions
from reconciler.wire.documents import parse_record_document
from reconciler.wire.stream_cipher import content_key

PRODUCER = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
"""

FEED = """\
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec:
  serviceType: data-feed
  capability: price-feeds
  pricing: {model: per-minute, satoshis: 20}
---
apiVersion: overlay/v1
kind: Stream
metadata: {name: live}
spec:
  title: Live
  capability: price-feeds
  format: json
  pricing: {model: per-minute, satoshis: 15}
  source: {websocket: "wss://stream.example.com/ws", headers: {Authorization: {env: FEED_TOKEN}}}
"""

FILES = """\
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*.csv"}, title: "Table {stem}"}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: archive}
spec: {source: {glob: "sold/*.csv"}, title: "Archive {stem}", price: PRICE}
---
apiVersion: overlay/v1
kind: Dataset
metadata: METADATA
spec: {source: {path: sold/flagship.txt}, title: Flagship, price: 900}
"""

CANARY = "worth money, canary"
PASSPHRASE = "a passphrase that nobody may read"
TOKEN = "a token that nobody may read"


@dataclass
class Vendor:
    """A producer, and what the days so far have shown to others."""

    producer: Any
    told: list[Any] = field(default_factory=list)

    @property
    def world(self) -> Path:
        return self.producer.home / "embedded" / "world"

    async def day(self, *changes: str) -> Any:
        """Apply what the manifests say now: that these are all the changes, exactly as shown, and paid as shown."""
        planned = (await self.producer.plan()).plan
        assert summary(planned) == Counter(changes)
        before = await self.producer.audit()
        finished = await self.producer.apply(tell=self.told.append)
        assert plan_id(finished.planned.plan) == plan_id(planned)
        assert (finished.applied.undelivered, finished.applied.failed) == ((), {})
        await self.check_paid(planned, before)
        await self.evening(planned)
        assert (await self.producer.plan()).plan.is_empty
        return planned

    async def check_paid(self, planned: Any, before: Any) -> None:
        after = await self.producer.audit()
        cost = planned.cost
        assert before.balance.total - after.balance.total == cost.fee_satoshis + cost.locked_satoshis
        assert after.fees - before.fees == cost.fee_satoshis
        assert after.tokens - before.tokens == cost.locked_satoshis
        shown = [[output.satoshis for output in layout.outputs] for layout in planned.transactions]
        async with self.producer.site() as site, site.database.begin() as connection:
            entries = [each for each in await Journal(connection).list(100) if each.plan_id == plan_id(planned)]
            txids = [txid for entry in reversed(entries) for txid in entry.txids]
            stored = await Transactions(connection).find(txids)
        sent = [stored[txid].transaction for txid in txids]
        assert [[output.satoshis for output in each.outputs] for each in sent] == shown
        assert all(len(each.raw) <= layout.size for each, layout in zip(sent, planned.transactions, strict=True))

    async def evening(self, planned: Any) -> None:
        """Whatever happened today."""
        audited = await self.producer.audit()
        assert (audited.differences, audited.in_flight, audited.balance.locked) == ((), (), 0)
        self.told.append(rfc8785.dumps(dict(to_json(planned))).decode())
        hidden = await self.hidden()
        texts = "\n".join(each if isinstance(each, str) else repr(each) for each in self.told)
        assert not [secret for secret in hidden if secret.decode(errors="replace") in texts]
        for path in files(self.world):
            data = path.read_bytes()
            assert not [secret for secret in (*hidden, CANARY.encode()) if secret in data], path

    async def hidden(self) -> list[bytes]:
        """What nobody may ever read."""
        async with self.producer.site() as site:
            keys = self.keys()
            seed = await content_seed(site.database, keys=keys, randomness=os.urandom)
        raw = [keys.secret(), seed]
        return [*raw, *(each.hex().encode() for each in raw), PASSPHRASE.encode(), TOKEN.encode()]

    def keys(self) -> Any:
        return keys_of(self.producer.invocation, Network.EMBEDDED, create=False)

    async def bought(self, target: Path) -> dict[str, str]:
        """What a buyer with the keys reads of every sold dataset, from public hosts alone."""
        catalog = await self.producer.catalog()
        found = {}
        async with self.producer.site() as site:
            _, desired = await self.producer.reconciler(site)
            storage = tuple(site.world().storage(desired.storage_hosts, self.keys()).values())
            for record in catalog.records:
                content = parse_record_document(record.document).content
                if content is None or content.key_commitment is None:
                    continue
                plaintext = Digest(record.observed.sealed["content"]["sha256"])
                name = record.observed.id.name
                key = content_key(catalog.state.content_seed, name, plaintext)
                await open_content(content, target, key=key, sources=storage)
                found[name] = text_of(target)
        return found

    async def advertised(self) -> set[str]:
        async with self.producer.site() as site:
            world = site.world()
            found = await read_ads(
                self.keys().identity, hosts=world.outside, verifier=world.headers, now=int(clock()), plain_http=True
            )
        return {ad.found.name for ad in found.ads}

    def lose_the_laptop(self) -> None:
        """Only the key, on a stick, is left; the world is somebody else's."""
        for path in files(self.producer.home):
            if self.world not in path.parents and path.name != "identity.key":
                path.unlink()

    async def rebuild(self) -> Any:
        async with self.producer.site() as site:
            return await restore(
                world=site.world(),
                database=site.database,
                keys=self.keys(),
                index=AddressIndex(site.http, site.endpoints.headers),
                clock=clock,
                randomness=secrets.token_bytes,
            )


def text_of(path: Path) -> str:
    return path.read_text()


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def summary(plan: Any) -> Counter[str]:
    return Counter(f"{change.action} {change.object.type}" for change in plan.changes)


def times(count: int, *changes: str) -> Iterable[str]:
    return [change for change in changes for _ in range(count)]


def write(
    producer: Any, *, title: str = "Acme", price: int = 50, metadata: str = "{name: flagship}", feed: bool = True
):
    parts = PRODUCER + (FEED if feed else "") + FILES.replace("PRICE", str(price)).replace("METADATA", metadata)
    producer.write(parts, title=title)


@pytest.mark.long
async def test_a_vendors_week(producer, tmp_path):
    producer.environment |= {"OVERLAY_PASSPHRASE": PASSPHRASE, "FEED_TOKEN": TOKEN}
    vendor = Vendor(producer)
    target = tmp_path / "bought"

    # Monday: onboard.
    shutil.rmtree(producer.folder / "data")
    producer.write(PRODUCER + FEED, title="Acme")
    await producer.plan()  # the faucet
    await vendor.day("create record", "create record", "create record", "create ship", "create slap")
    assert await vendor.advertised() == {"tm_data_price_feeds", "ls_data_price_feeds"}

    # Tuesday: twenty files.
    for number in range(12):
        producer.data(f"t{number:02}.csv", f"id,value\n{number},for free\n")
    (producer.folder / "sold").mkdir()
    for number in range(7):
        (producer.folder / "sold" / f"y{number}.csv").write_text(f"{number} {CANARY}")
    (producer.folder / "sold" / "flagship.txt").write_text(f"flagship {CANARY}")
    write(producer)
    await vendor.day(*times(20, "create record", "create replica"))
    bought = await vendor.bought(target)
    assert bought["flagship"] == f"flagship {CANARY}"
    assert len(bought) == 8

    # Wednesday: other prices.
    write(producer, price=75)
    await vendor.day(*times(7, "update record"))
    assert await vendor.bought(target) == bought

    # Thursday: one gets another name, and thereby another key.
    write(producer, price=75, metadata="{name: premium, renamedFrom: flagship}")
    await vendor.day("move record", "create replica", "delete replica")
    bought["premium"] = bought.pop("flagship")
    assert await vendor.bought(target) == bought

    # Friday: no more feed.
    write(producer, price=75, metadata="{name: premium}", feed=False)
    await vendor.day("update record", "delete record", "delete record", "delete ship", "delete slap")
    assert await vendor.advertised() == set()

    # Saturday: the laptop is lost; the key is not.
    before = await producer.audit()
    vendor.lose_the_laptop()
    assert (await vendor.rebuild()).rebuilt.records == 20
    assert (await producer.plan()).plan.is_empty
    after = await producer.audit()
    assert (after.differences, after.tokens, after.balance.total) == ((), before.tokens, before.balance.total)
    (producer.folder / "sold" / "y0.csv").write_text(f"new {CANARY}")
    write(producer, title="Back", price=75, metadata="{name: premium}")
    await vendor.day(
        "update record", "update record", "replace replica", *times(2, "create record"), "create ship", "create slap"
    )
    assert (await vendor.bought(target))["archive/sold/y0.csv"] == f"new {CANARY}"

    # Sunday: all of it goes.
    finished = await producer.destroy()
    assert summary(finished.planned.plan) == Counter(
        [*times(1, "delete ship", "delete slap"), *times(23, "delete record"), *times(20, "delete replica")]
    )
    await vendor.evening(finished.planned.plan)
    assert await vendor.advertised() == set()
    assert (await producer.audit()).tokens == 0
