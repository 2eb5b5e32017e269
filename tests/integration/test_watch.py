"""Watch: when a round comes, what a failure means for the next one, and what may be spent."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.apply.events import tell_nobody
from reconciler.cli import wiring
from reconciler.cli.manifests import load_manifests
from reconciler.control.desired import inputs_of
from reconciler.control.happenings import (
    BackingOff,
    Cause,
    Delivered,
    DriftFound,
    InputHeld,
    PlanApplied,
    Planned,
    RoundFailed,
    RoundStarted,
    Stopping,
)
from reconciler.control.loaded import Beside
from reconciler.control.watch import AT_ONCE, Wake, Watch
from reconciler.control.world import World
from reconciler.manifest.inputs import Inputs
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import (
    GuardError,
    LockedError,
    ManifestError,
    PartialError,
    RefusedError,
    StalePlanError,
    StateError,
    UnreachableError,
)
from reconciler.model.ids import Network
from reconciler.plan.options import PlanOptions
from reconciler.store import patience
from reconciler.store.journal import Journal

DAY = 86_400
INTERVAL = 600.0


@dataclass
class Scene:
    """A watch whose pauses a test lives through: each is one of `pauses`, and after the last one it is to stop."""

    producer: Any
    pauses: list[Callable[[], Any]] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    now: float = field(default_factory=lambda: float(int(time.time())))
    http: Callable[[Any], Any] = lambda http: http
    halted: bool = False

    def clock(self) -> float:
        return self.now

    async def __call__(self, seconds: float, concerns: Callable[[Any], bool]) -> Wake:
        self.slept.append(seconds)
        if not self.pauses:
            return Wake.STOP
        changed = self.pauses.pop(0)()
        if asyncio.iscoroutine(changed):
            changed = await changed
        if changed is not None and concerns(changed):
            return Wake.FILES
        self.now += seconds
        return Wake.TIME

    def watch(self, **fields: Any) -> Watch:
        manifest = self.producer.manifest

        async def load() -> Any:
            return await load_manifests(self.producer.invocation, (manifest,))

        @asynccontextmanager
        async def opened(loaded: Any) -> Any:
            async with self.producer.site() as site:
                keys = wiring.keys_of(self.producer.invocation, Network.EMBEDDED, create=True)
                made = await wiring.reconciler_of(site, loaded, keys, tell_nobody)
                world = World.at(
                    site.network, site.endpoints, http=self.http(site.http), strangers=site.http, own=wiring.OWN_ORIGIN
                )
                yield replace(made, world=world, contest_patience=0)

        wanted: dict[str, Any] = {
            "load": load,
            "open": opened,
            "options": PlanOptions(),
            "inputs": Inputs.of_paths([manifest]),
            "survey": lambda: inputs_of((manifest,), Beside()),
            "alarm": self,
            "clock": self.clock,
            "dice": lambda: 1.0,
            "halted": lambda: self.halted,
            "tell": self.told.append,
            "interval": INTERVAL,
            "patience": 0,
        }
        return Watch(**{**wanted, **fields})

    async def run(self, **fields: Any) -> None:
        await self.watch(**fields).run()

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.told if isinstance(each, kind)]

    @property
    def failures(self) -> list[type[Exception]]:
        return [type(each.error) for each in self.of(RoundFailed)]

    @property
    def causes(self) -> list[Cause]:
        return [each.cause for each in self.of(RoundStarted)]


@pytest.fixture
def scene(producer, monkeypatch) -> Scene:
    made = Scene(producer)
    monkeypatch.setattr(wiring, "clock", made.clock)
    return made


def nothing() -> None:
    """A pause in which nothing happens."""


async def test_it_applies_what_is_there_and_then_every_change_of_files(scene):
    scene.pauses = [
        lambda: scene.producer.write(title="Changed") or scene.producer.manifest,
        lambda: scene.producer.data("c.csv", "id\n3\n"),
        lambda: scene.producer.folder / "README.md",
        nothing,
    ]
    await scene.run()

    assert scene.causes == [Cause.START, Cause.FILES, Cause.FILES, Cause.SCHEDULE, Cause.SCHEDULE]
    assert [each.generation for each in scene.of(PlanApplied)] == [1, 2, 3]
    assert [each.refresh for each in scene.of(RoundStarted)] == [True, False, False, True, True]
    assert isinstance(scene.told[-1], Stopping)
    assert scene.failures == []
    assert (await scene.producer.plan()).plan.is_empty


async def test_what_drifts_is_found_on_schedule_and_mended(scene):
    def lose_copies() -> None:
        with closing(sqlite3.connect(scene.producer.home / "embedded" / "world" / "storage-us" / "state.db")) as host:
            for table in ("storage_files", "storage_uploads", "storage_adverts"):
                host.execute(f"delete from {table}")
            host.commit()

    scene.pauses = [lose_copies, nothing]
    await scene.run()

    [drift] = scene.of(DriftFound)
    assert [str(each) for each in drift.objects] == [
        "replica/tables/data/a.csv@storage-us",
        "replica/tables/data/b.csv@storage-us",
    ]
    assert len(scene.of(PlanApplied)) == 2
    assert (await scene.producer.plan_with(refresh=True)).plan.is_empty


async def test_a_manifest_that_is_broken_in_the_middle_of_an_edit_is_held_told_once_and_taken_when_it_is_whole(scene):
    text = scene.producer.manifest.read_text()

    def write(content: str) -> Any:
        scene.producer.manifest.write_text(content)
        return scene.producer.manifest

    scene.pauses = [
        lambda: write(text[: len(text) // 2] + " {"),
        nothing,
        nothing,
        lambda: write(text.replace("Acme", "Whole again")),
    ]
    await scene.run()

    assert scene.failures == [ManifestError]
    assert len(scene.of(InputHeld)) == 1
    assert scene.of(BackingOff) == []
    assert [each.generation for each in scene.of(PlanApplied)] == [1, 2]


async def test_a_file_that_a_manifest_lacks_ends_the_hold_when_it_comes(scene):
    scene.producer.write(scene.producer.manifest.read_text().replace('glob: "data/*.csv"', "path: data/late.csv"))
    scene.pauses = [lambda: scene.producer.data("late.csv", "id\n1\n")]
    await scene.run()

    assert scene.causes == [Cause.START, Cause.FILES]
    assert scene.failures == [ManifestError]
    assert len(scene.of(PlanApplied)) == 1


async def test_while_manifests_are_broken_what_was_applied_is_still_delivered(scene, door):
    down = {"public"}

    def before(method: str, url: str) -> None:
        if any(name in url for name in down) and url.endswith("/submit"):
            raise UnreachableError(f"{url} did not answer in time", where=url)

    scene.http = lambda http: door(http, before=before)

    def breaks() -> Any:
        down.clear()
        scene.producer.manifest.write_text("kind: [")
        return scene.producer.manifest

    scene.pauses = [breaks]
    await scene.run()

    assert scene.failures == [PartialError, ManifestError]
    assert [each.hosts for each in scene.of(Delivered)] == [("http://public.embedded",)]


async def test_a_refused_guard_is_held_and_told_once_until_the_manifests_change(scene):
    text = scene.producer.manifest.read_text()
    scene.pauses = [
        nothing,
        nothing,
        lambda: scene.producer.manifest.write_text(text.split("---")[0]) and scene.producer.manifest,
    ]
    await scene.run(options=PlanOptions(max_cost=Satoshis(60)))

    assert scene.failures == [GuardError]
    assert len(scene.of(InputHeld)) == 1
    assert scene.slept == [INTERVAL] * 4
    assert [each.generation for each in scene.of(PlanApplied)] == [1]


async def test_a_host_that_is_silent_is_asked_again_after_ever_longer_pauses(scene, door):
    silent = [True] * 4

    def before(method: str, url: str) -> None:
        if url.endswith("/v1/policy") and silent:
            silent.pop()
            raise UnreachableError(f"{url} did not answer in time", where=url)

    scene.http = lambda http: door(http, before=before)
    scene.pauses = [nothing] * 4
    await scene.run()

    assert scene.slept == [1, 2, 4, 8, INTERVAL]
    assert [each.failures for each in scene.of(BackingOff)] == [1, 2, 3, 4]
    assert scene.failures == [UnreachableError]
    assert scene.causes == [Cause.START] + [Cause.RETRY] * 4
    assert len(scene.of(PlanApplied)) == 1


@pytest.mark.only("sqlite")  # a lock on the file
async def test_a_locked_database_is_waited_out(scene, monkeypatch):
    await scene.producer.apply()
    monkeypatch.setattr(patience, "BUSY_SECONDS", 0)
    other = sqlite3.connect(scene.producer.home / "embedded" / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    scene.producer.write(title="Waits")
    scene.pauses = [other.close]
    await scene.run()

    assert scene.failures == [UnreachableError]
    assert len(scene.of(PlanApplied)) == 1


async def test_a_world_that_was_reset_is_told_and_nothing_is_published_in_it(scene):
    await scene.producer.apply()

    def reset() -> None:
        shutil.rmtree(scene.producer.home / "embedded" / "world")

    scene.pauses = [reset, nothing, nothing]
    await scene.run()

    assert scene.failures == [StateError]
    assert scene.of(PlanApplied) == []
    assert len(scene.of(BackingOff)) == 3


async def test_two_watches_on_one_database_do_the_work_once(scene):
    other = Scene(scene.producer, now=scene.now)
    await asyncio.gather(scene.watch(patience=30).once(), other.watch(patience=30).once())

    assert len(scene.of(PlanApplied) + other.of(PlanApplied)) == 1
    assert (await scene.producer.audit()).differences == ()


async def test_who_finds_the_lease_taken_stands_by_however_long_it_takes(scene):
    holding, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with scene.producer.site() as site:
            reconciler, _ = await scene.producer.reconciler(site)
            async with reconciler.lease(0):
                holding.set()
                await release.wait()

    holder = asyncio.create_task(hold())
    await holding.wait()

    async def let_go() -> None:
        release.set()
        await holder

    scene.pauses = [nothing, nothing, nothing, let_go]
    await scene.run()

    assert set(scene.failures) == {LockedError}
    assert scene.slept == [1, 1, 1, 1, INTERVAL]
    assert len(scene.of(PlanApplied)) == 1


async def test_between_rounds_others_may_apply(scene):
    async def by_hand() -> None:
        scene.producer.write(title="By hand")
        await scene.producer.apply(patience=0)

    scene.pauses = [by_hand]
    await scene.run()

    assert [each.generation for each in scene.of(PlanApplied)] == [1]
    assert scene.of(Planned)[-1].empty


async def test_what_would_cost_more_than_a_day_may_waits_for_the_next_day(scene):
    scene.now = float(int(time.time()) // DAY * DAY) + DAY - 2 * INTERVAL
    finished = await scene.producer.apply()  # by hand: it counts
    first = finished.planned.plan.gross
    scene.producer.write(title="Too much for today")
    scene.pauses = [nothing, nothing]
    await scene.run(most_per_day=Satoshis(first + 1))

    assert scene.failures == [GuardError]
    assert [each.spent_today for each in scene.of(Planned)] == [first, first, 0]
    assert len(scene.of(PlanApplied)) == 1
    async with scene.producer.site() as site, site.database.begin() as connection:
        assert await Journal(connection).spent_since(int(scene.now) // DAY * DAY) == scene.of(PlanApplied)[0].cost


@pytest.fixture
def priced(scene) -> Scene:
    """A watch of a producer whose storage hosts ask for far more than all fees and tokens cost."""
    scene.producer.storage_price = 2_000_000_000
    return scene


async def paid_storage(scene: Scene) -> int:
    """Satoshis that storage hosts were paid, as the wallet's books show; they agree with coins and chain."""
    audited = await scene.producer.audit()
    assert audited.differences == ()
    return audited.storage


async def test_a_round_may_not_cost_more_for_storage_either_and_pays_nothing_then(priced):
    plan = (await priced.producer.plan()).plan
    assert plan.gross > plan.cost.storage_satoshis > plan.gross - plan.cost.storage_satoshis
    priced.pauses = [nothing, nothing]
    await priced.run(options=PlanOptions(max_cost=Satoshis(plan.gross - 1)))

    assert priced.failures == [GuardError]
    assert len(priced.of(InputHeld)) == 1
    assert priced.of(PlanApplied) == []
    assert await paid_storage(priced) == 0

    await priced.run(options=PlanOptions(max_cost=Satoshis(plan.gross)))
    assert [each.cost for each in priced.of(PlanApplied)] == [plan.gross]
    assert await paid_storage(priced) == plan.cost.storage_satoshis


async def test_what_a_day_may_cost_counts_storage_and_holds_what_would_pay_more_of_it(priced):
    priced.now = float(int(time.time()) // DAY * DAY) + DAY - 2 * INTERVAL
    first = (await priced.producer.apply()).planned.plan
    priced.producer.data("a.csv", "id,value\n1,changed\n")
    second = (await priced.producer.plan()).plan
    assert second.cost.storage_satoshis > second.gross - second.cost.storage_satoshis
    priced.pauses = [nothing, nothing]
    await priced.run(most_per_day=Satoshis(first.gross + second.gross - 1))

    assert priced.failures == [GuardError]
    assert [each.spent_today for each in priced.of(Planned)] == [first.gross, first.gross, 0]
    assert [each.cost for each in priced.of(PlanApplied)] == [second.gross]
    assert await paid_storage(priced) == first.cost.storage_satoshis + second.cost.storage_satoshis


async def test_storage_that_a_broken_round_has_paid_counts_for_the_day_and_is_not_paid_again(priced, door):
    plan = (await priced.producer.plan()).plan
    broken = [True]

    def before(method: str, url: str) -> None:
        if method == "PUT" and broken:
            raise UnreachableError(f"{url} did not answer in time", where=url)

    priced.http = lambda http: door(http, before=before)
    priced.pauses = [broken.clear]
    await priced.run(most_per_day=Satoshis(2 * plan.gross - plan.cost.storage_satoshis))

    assert priced.failures == [UnreachableError]
    spent = [each.spent_today for each in priced.of(Planned)]
    assert (spent[0], spent[1] >= plan.cost.storage_satoshis) == (0, True)
    assert [each.cost < plan.cost.storage_satoshis for each in priced.of(PlanApplied)] == [True]
    assert await paid_storage(priced) == plan.cost.storage_satoshis


async def test_a_stop_in_a_round_ends_it_before_its_next_step(scene):
    scene.halted = True
    with pytest.raises(KeyboardInterrupt):
        await scene.run()
    assert scene.of(PlanApplied) == []
    assert isinstance(scene.told[-1], Stopping)


async def test_what_costs_nothing_is_done_although_the_day_has_cost_too_much(scene):
    await scene.producer.apply()
    for host in (scene.producer.home / "embedded" / "world").glob("storage-*/state.db"):
        with closing(sqlite3.connect(host)) as kept:
            for table in ("storage_files", "storage_uploads", "storage_adverts"):
                kept.execute(f"delete from {table}")
            kept.commit()
    await scene.run(most_per_day=Satoshis(1))

    assert scene.failures == []
    assert [(each.txid, each.cost) for each in scene.of(PlanApplied)] == [(None, 0)]


@dataclass
class Script:
    """Plays the reconciler: each round agrees to the plan it is given, and then raises what comes next."""

    planned: Any
    failures: list[Exception | None]
    attempts: int = 0

    async def apply(self, *_: Any, agree: Any, **__: Any) -> Any:
        agreed = await agree(self.planned)
        if agreed:
            self.attempts += 1
            failure = self.failures.pop(0)
            if failure is not None:
                raise failure
        return self._finished(agreed)

    def _finished(self, agreed: bool) -> Any:
        from reconciler.apply.deliver import Delivered as Round
        from reconciler.control.planned import Finished

        nobody = Round(done=(), failed=())
        return Finished(planned=self.planned, applied=None, agreed=agreed, recovered=nobody)


@pytest.fixture
async def scripted(scene):
    """A watch of a reconciler that plays a script, over a real plan and database."""
    planned = await scene.producer.plan()

    @asynccontextmanager
    async def play(*failures: Exception | None) -> Any:
        async with scene.producer.site() as site:
            script = Script(planned, [*failures])
            script.database = site.database

            @asynccontextmanager
            async def opened(_: Any) -> Any:
                yield script

            yield script, scene.watch(open=opened)

    return play


async def test_a_plan_that_failed_for_good_is_not_carried_out_again_until_a_file_changes(scene, scripted):
    scene.pauses = [nothing, nothing, lambda: scene.producer.manifest]
    async with scripted(RefusedError("no"), None) as (script, watch):
        await watch.run()

    assert script.attempts == 2
    assert scene.failures == [RefusedError]
    assert scene.causes == [Cause.START, Cause.SCHEDULE, Cause.SCHEDULE, Cause.FILES]


async def test_a_plan_that_the_world_overtakes_is_made_again_at_once_but_not_for_ever(scene, scripted):
    scene.pauses = [nothing]
    stale = [StalePlanError("moved")] * (AT_ONCE + 1)
    async with scripted(*stale) as (script, watch):
        await watch.run()

    assert script.attempts == AT_ONCE + 1
    assert scene.slept == [INTERVAL, INTERVAL]
    assert len(scene.of(InputHeld)) == 1


async def test_what_the_system_refuses_is_tried_again_later(scene, scripted):
    scene.pauses = [nothing]
    async with scripted(OSError(28, "No space left on device", "state.db"), None) as (script, watch):
        await watch.run()

    [failure] = scene.of(RoundFailed)
    assert failure.error.message == "the system refuses: no space left on device"
    assert script.attempts == 2
