"""A week of watch in simulated time, with everything failing sometimes: it converges, within its cap (issue: unattended)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.apply.events import tell_nobody
from reconciler.cli import wiring
from reconciler.cli.manifests import load_manifests
from reconciler.control.audit import Audit, audit
from reconciler.control.desired import inputs_of
from reconciler.control.happenings import BackingOff, InputHeld, PlanApplied, Renewed, RoundFailed
from reconciler.control.loaded import Beside
from reconciler.control.settling import settle_wallet
from reconciler.control.watch import Wake, Watch
from reconciler.control.world import World
from reconciler.manifest.inputs import Inputs
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import GuardError, ManifestError, OverlayError, UnreachableError
from reconciler.model.ids import Network
from reconciler.model.journal import JournalState
from reconciler.plan.options import PlanOptions
from reconciler.store.journal import Journal
from reconciler.wire.http import Reply

HOUR, DAY = 3600, 86_400
HOSTS = ("http://arc.embedded", "http://public.embedded", "http://storage-us.embedded", "http://arc.embedded/block")
WEEKS = int(os.environ.get("OVERLAY_WEEKS", "1"))
"""How many weeks, each with another seed; more than one takes its time."""
INTERVAL = 12 * HOUR
CAP = 300
"""Satoshis a day: less than a busy day's edits cost."""

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: twice}
spec: {selector: {matchTags: [test]}, replicas: 2, renewBefore: 177d}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec: {serviceType: data-feed, capability: price-feeds, pricing: {model: per-minute, satoshis: 20}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*.csv"}, title: "Table {stem}", tags: [test], price: PRICE}
"""


@dataclass
class Weather:
    """What goes wrong with one exchange in so many; and a host that is down for a while."""

    dice: random.Random
    clock: Callable[[], float]
    is_fair: bool = False
    down: tuple[str, float] = ("", 0.0)
    """Which host, and until when."""
    faults: Counter[str] = field(default_factory=Counter)
    watching: asyncio.Task[None] | None = None

    async def before(self, method: str, url: str) -> Reply | None:
        if self.is_fair:
            return None
        if url.startswith(self.down[0]) and self.clock() < self.down[1]:
            return self._fail("down", url)
        match self.dice.random():
            case at if at < 0.005:
                return self._fail("dropped", url)
            case at if at < 0.012:
                self.faults["5xx"] += 1
                return Reply(url, 503, {}, b"busy")
            case at if at < 0.015 and self.watching is not None:
                self.faults["killed"] += 1
                self.watching.cancel()
                await asyncio.Event().wait()
        return None

    def after(self, method: str, url: str, reply: Reply) -> Reply:
        if not self.is_fair and self.dice.random() < 0.006:
            return self._fail("answer lost", url)
        return reply

    def _fail(self, what: str, url: str) -> Any:
        self.faults[what] += 1
        raise UnreachableError(f"{url} did not answer in time", where=url)


@dataclass
class Week:
    """Simulated time. Satisfies control.watch.Alarm: pauses take no time, and what is due happens in them."""

    producer: Any
    now: float
    due: list[tuple[float, Callable[[], Any]]]
    end: float
    told: list[Any] = field(default_factory=list)
    spent: dict[int, int] = field(default_factory=dict)

    def clock(self) -> float:
        return self.now

    async def __call__(self, seconds: float, concerns: Callable[[Any], bool]) -> Wake:
        until = min(self.now + seconds, self.end)
        if self.due and self.due[0][0] <= until:
            at, happen = self.due.pop(0)
            self.now = max(self.now, at)
            changed = await happen()
            return Wake.FILES if changed is not None and concerns(changed) else Wake.TIME
        self.now = until
        return Wake.STOP if self.now >= self.end else Wake.TIME


def writer(producer: Any, price: int, title: str, *, is_half: bool = False) -> Callable[[], Any]:
    async def write() -> Any:
        text = MANIFEST.replace("PRICE", str(price))
        producer.write(text[: len(text) - 40] + " {" if is_half else text, title=title)
        return producer.manifest

    return write


def table(producer: Any, name: str, text: str) -> Callable[[], Any]:
    async def write() -> Any:
        return producer.data(name, text)

    return write


def outage(week: Week, weather: Weather, number: int) -> Callable[[], Any]:
    """A host is down for a quarter of an hour, just when there is work."""

    async def begin() -> None:
        weather.down = (HOSTS[number % len(HOSTS)], week.now + HOUR / 4)

    return begin


def shaken(week: Week, depth: int) -> Callable[[], Any]:
    """A reorg, which may take blocks of ours."""

    async def reorg() -> None:
        async with week.producer.site() as site:
            await site.toy.ledger.reorg(depth)

    return reorg


def happenings(week: Week, weather: Weather, dice: random.Random) -> list[tuple[float, Callable[[], Any]]]:
    """Edits every few hours, some of them written in two steps; new and changed files; outages; reorgs."""
    producer, due, at = week.producer, [], week.now + HOUR
    number, last = 0, week.end - 1.5 * DAY
    while at < last:
        number += 1
        if number % 3 == 0:
            due.append((at - 1, outage(week, weather, number // 3)))
        match number % 4:
            case 0:
                due.append((at, table(producer, f"n{number}.csv", f"id\n{number}\n")))
            case 1:
                due.append((at, writer(producer, 50 + number, f"Edit {number}", is_half=True)))
                due.append((at + 30, writer(producer, 50 + number, f"Edit {number}")))
            case 2:
                due.append((at, writer(producer, 50, f"Edit {number}")))
            case 3:
                due.append((at, table(producer, "a.csv", f"id\nchanged {number}\n")))
        if number % 6 == 5:
            due.append((at + HOUR / 2, shaken(week, dice.randint(1, 3))))
        at += dice.uniform(7, 12) * HOUR
    return due


def watching(week: Week, weather: Weather, door: Any) -> Watch:
    """A process that watches, as it starts."""
    producer = week.producer

    async def load() -> Any:
        return await load_manifests(producer.invocation, (producer.manifest,))

    @asynccontextmanager
    async def opened(loaded: Any) -> Any:
        async with producer.site() as site:
            keys = wiring.keys_of(producer.invocation, Network.EMBEDDED, create=True)
            made = await wiring.reconciler_of(site, loaded, keys, tell_nobody)
            http = door(site.http, before=weather.before, after=weather.after)
            world = World.at(site.network, site.endpoints, http=http, strangers=http, own=wiring.OWN_ORIGIN)
            yield replace(made, world=world, contest_patience=0)

    return Watch(
        load=load,
        open=opened,
        options=PlanOptions(max_cost=Satoshis(400)),
        inputs=Inputs.of_paths([producer.manifest]),
        survey=lambda: inputs_of((producer.manifest,), Beside()),
        alarm=week,
        clock=week.clock,
        dice=weather.dice.random,
        halted=lambda: False,
        tell=week.told.append,
        interval=INTERVAL,
        most_per_day=Satoshis(CAP),
        patience=0,
    )


async def lived(week: Week, weather: Weather, door: Any) -> None:
    """Watch until the end, started again and again where it was killed."""
    while True:
        weather.watching = asyncio.create_task(watching(week, weather, door).run())
        await asyncio.wait([weather.watching])
        if not weather.watching.cancelled():
            return await weather.watching
        week.now += 60


async def spent_by_day(week: Week) -> Counter[int]:
    async with week.producer.site() as site, site.database.begin() as connection:
        entries = await Journal(connection).list(1000)
    spent: Counter[int] = Counter()
    for entry in entries:
        spent[entry.created // DAY] += 0 if entry.state is JournalState.VOID else entry.spent
    return spent


async def audited(week: Week) -> Audit:
    async with week.producer.site() as site:
        keys = wiring.keys_of(week.producer.invocation, Network.EMBEDDED, create=False)
        world = site.world()
        await site.toy.ledger.mine()
        await settle_wallet(site.database, world, clock=week.clock)
        return await audit(database=site.database, keys=keys, arc=world.arc, headers=world.headers)


def failures(week: Week, kind: type[OverlayError]) -> int:
    return sum(isinstance(each, RoundFailed) and isinstance(each.error, kind) for each in week.told)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(WEEKS))
async def test_a_week_of_watch_with_everything_failing_sometimes_converges_within_its_cap(
    producer, door, monkeypatch, request, seed
):
    producer.environment["OVERLAY_IDENTITY_KEY"] = hashlib.sha256(request.node.name.encode()).hexdigest()
    start = float(int(time.time()) // DAY * DAY)
    week = Week(producer, start, [], start + 7 * DAY)
    monkeypatch.setattr(wiring, "clock", week.clock)
    weather = Weather(random.Random(seed), week.clock)
    week.due = happenings(week, weather, random.Random(seed))
    await writer(producer, 50, "Acme")()

    await lived(week, weather, door)
    weather.is_fair = True
    await watching(week, weather, door).once()

    assert (await producer.plan_with(refresh=True)).plan.is_empty
    catalog = await producer.catalog()  # exactly one live root, and what it covers
    tables = len(list((producer.folder / "data").iterdir()))
    assert Counter(record.observed.id.kind.value for record in catalog.records) == {
        "dataset": tables,
        "advertisement": 1,
    }
    found, spent = await audited(week), await spent_by_day(week)
    assert (found.differences, found.in_flight, found.balance.locked) == ((), (), 0)
    assert max(spent.values()) <= CAP
    assert spent.total() >= found.fees + found.tokens
    # That the week was as bad as it should have been.
    assert not week.due
    assert weather.faults.keys() == {"down", "dropped", "5xx", "answer lost", "killed"}
    assert min(failures(week, kind) for kind in (GuardError, ManifestError, UnreachableError)) > 0
    assert {Renewed, PlanApplied, InputHeld, BackingOff} <= {type(each) for each in week.told}
