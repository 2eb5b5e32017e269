"""I4 and I5: a fault before the commit leaves every record as it was; after the commit all is published in the end."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from reconciler.apply.books import Books
from reconciler.cli.wiring import clock, keys_of
from reconciler.model.errors import OverlayError, StateError, UnreachableError
from reconciler.model.ids import Network
from reconciler.observe.ads import read_ads
from reconciler.plan.action import Action
from reconciler.wire.http import Reply

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
  defaults: {replication: twice}
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: twice}
spec: {replicas: COPIES, minReplicas: LEAST}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec:
  serviceType: data-feed
  capability: FEED
  pricing: {model: per-minute, satoshis: 20}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: one}
spec: {source: {path: data/a.csv}, title: One PRICE}
"""

_VARYING = re.compile(r"[0-9a-f]{32,}|X[1-9A-Za-z]{40,}|\?.*|/[0-9]+/")


def write(producer: Any, number: int, *, copies: int = 2, least: int = 1, price: str = "") -> None:
    text = (
        MANIFEST.replace("FEED", f"feed-{word(number)}")
        .replace("LEAST", str(least))
        .replace("COPIES", str(copies))
        .replace(" PRICE", price)
    )
    producer.write(text, title=f"Title {number}")


def word(number: int) -> str:
    """A number as letters."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def kind(method: str, url: str) -> str:
    return f"{method} {_VARYING.sub('…', url).replace('/v1/txs', '/v1/tx')}"


@dataclass
class Fault:
    """Goes wrong at the `nth` request of a kind, from 0: before it is sent, or once it is done, when its answer is lost."""

    named: str
    nth: int
    is_lost: bool
    seen: int = 0
    happened: bool = False

    def before(self, method: str, url: str) -> None:
        if not self.is_lost:
            self._count(method, url)

    def after(self, method: str, url: str, reply: Reply) -> Reply:
        if self.is_lost:
            self._count(method, url)
        return reply

    def _count(self, method: str, url: str) -> None:
        if kind(method, url) == self.named:
            self.seen += 1
            if self.seen == self.nth + 1:
                self.happened = True
                raise UnreachableError("nothing comes back", where=url)


async def live(producer: Any) -> tuple[int, str, set[str]]:
    """Generation and title on the public host, and what content its records are about: checked against the root."""
    catalog = await producer.catalog()
    contents = {str(record.observed.sealed["content"]["sha256"]) for record in catalog.records if record.content}
    return catalog.root.generation, catalog.root.record.public["displayName"], contents


async def advertised(producer: Any) -> Counter[str]:
    async with producer.site() as site:
        keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
        world = site.world()
        found = await read_ads(
            keys.identity, hosts=world.outside, verifier=world.headers, now=int(clock()), plain_http=True
        )
    return Counter(ad.found.name for ad in found.ads)


def faults_of(requests: Counter[str]) -> list[Fault]:
    """One at each kind of request; at everything that is handed over, each time, on the way there and on the way back."""
    handing = ("POST http://arc", "PUT", "POST http://storage")
    return [
        Fault(named, nth, is_lost=is_lost)
        for named, count in requests.items()
        for nth in range(count if named.startswith(handing) else 1)
        for is_lost in ((False, True) if named.startswith(handing) else (False,))
    ]


@pytest.mark.long
async def test_a_fault_at_any_request_leaves_the_old_or_leads_to_the_new(producer, door):
    requests: Counter[str] = Counter()
    for number in (1, 2):
        write(producer, number, copies=1)
        producer.data("a.csv", f"id,value\n{number},of many\n")
        requests.clear()
        await producer.apply(http=lambda http: door(http, before=lambda *request: requests.update([kind(*request)])))
    first, after = await producer.audit(), await live(producer)
    for number, fault in enumerate(faults_of(requests), start=3):
        before = after
        write(producer, number, copies=1)
        if "storage" in fault.named or fault.named.startswith("PUT"):
            producer.data("a.csv", f"id,value\n{number},of many\n")
        try:
            await producer.apply(http=lambda http, fault=fault: door(http, before=fault.before, after=fault.after))
        except OverlayError:
            assert await live(producer) == before, "hosts are told of nothing that is not committed"
        assert fault.happened
        finished = await producer.apply()
        assert finished.recovered.failed == (), fault
        after = await live(producer)
        assert after[:2] == (number, f"Title {number}"), fault
        assert await advertised(producer) == {f"tm_data_feed_{word(number)}": 1, f"ls_data_feed_{word(number)}": 1}
        audited = await producer.audit()
        assert (audited.differences, audited.in_flight) == ((), ()), fault
    assert (await producer.plan()).plan.is_empty
    assert first.balance.total - audited.balance.total == audited.fees - first.fees


async def test_of_two_copies_one_may_fail_and_is_made_by_the_next_apply(producer, door):
    write(producer, 1)

    def before(method: str, url: str) -> None:
        if method == "PUT" and "storage-us" in url:
            raise UnreachableError("503", where=url)

    finished = await producer.apply(http=lambda http: door(http, before=before))
    assert list(finished.applied.failed) == ["replica/one@storage-us"]
    assert (await live(producer))[0] == 1
    planned = (await producer.plan()).plan
    assert {str(change.object): change.action for change in planned.changes} == {
        "replica/one@storage-us": Action.CREATE
    }
    finished = await producer.apply()
    assert (finished.applied.failed, finished.applied.txid) == ({}, None)
    assert (await producer.plan()).plan.is_empty


@pytest.mark.parametrize("is_sold_now", [False, True], ids=["at first", "when it is sold from now on"])
async def test_fewer_copies_than_the_rule_demands_stop_the_apply(producer, door, is_sold_now):
    """A copy in plaintext is none of what is sold."""
    write(producer, 1, least=2 if not is_sold_now else 1)
    if is_sold_now:
        await producer.apply()
        write(producer, 1, price=", price: 50")
    await producer.plan()
    before_it = await producer.audit()
    puts: list[str] = []

    def before(method: str, url: str) -> None:
        if method == "PUT":
            puts.append(url)
            if is_sold_now or "storage-us" in url:
                raise UnreachableError("503", where=url)

    with pytest.raises(UnreachableError, match="nothing was published"):
        await producer.apply(http=lambda http: door(http, before=before))
    assert len(puts) == 2
    after = await producer.audit()
    assert (after.tokens, after.fees, after.in_flight) == (before_it.tokens, before_it.fees, ())
    await producer.apply()
    assert (await producer.plan()).plan.is_empty


async def test_a_full_disk_stops_an_apply_before_anything_leaves_or_is_made_good_later(producer, monkeypatch):
    """Wherever the database fails to write: before the journal has the transactions, or when it should say what became of them."""
    write(producer, 1)
    await producer.apply()
    for number, method in enumerate(("write_down", "move"), start=2):
        write(producer, number)

        async def full(*_: Any, **__: Any) -> None:
            raise StateError("the database cannot be used: database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(Books, method, full)
            with pytest.raises(StateError, match="disk is full"):
                await producer.apply()
        assert (await live(producer))[0] == number - 1
        await producer.apply()
        assert (await live(producer))[:2] == (number, f"Title {number}")
        audited = await producer.audit()
        assert (audited.differences, audited.in_flight) == ((), ())
