"""The whole set of an apply, splitter, root and advertisements: killed, refused, contested or unheard, it converges all the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from reconciler.apply.events import Event, Moved, Progress, Step
from reconciler.cli.wiring import clock, keys_of
from reconciler.model.errors import StalePlanError, UnreachableError
from reconciler.model.ids import Network
from reconciler.model.journal import JournalState
from reconciler.observe.ads import read_ads
from reconciler.plan.document import plan_id
from reconciler.plan.options import PlanOptions
from reconciler.store.coins import Coins
from reconciler.store.journal import Journal
from reconciler.wire.http import Reply

pytestmark = pytest.mark.long  # several machines, or many transactions: .ci/run has them

PUBLIC = "http://public.embedded"

ADVERTISED = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec:
  serviceType: data-feed
  capability: CAPABILITY
  pricing: {model: per-minute, satoshis: 20}
"""

SOLD = """\
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: sold}
spec: {source: {path: data/a.csv}, title: Sold, price: 50}
"""

SENT = (
    JournalState.PREPARED,
    JournalState.SENDING,
    JournalState.SUBMITTED,
    JournalState.CONTESTED,
    JournalState.SEEN,
)
"""The states of an entry that nothing but bad luck keeps from being mined."""

DOUBTS = {JournalState.SUBMITTED: "ANNOUNCED_TO_NETWORK", JournalState.CONTESTED: "DOUBLE_SPEND_ATTEMPTED"}
"""What ARC must say for an entry to get there."""


def is_handing_over(method: str, url: str) -> bool:
    """Whether a request gives ARC a transaction."""
    return method == "POST" and "/v1/tx" in url


def nth_to_arc(wanted: int, make: Callable[[Reply], Reply]) -> Callable[[str, str, Reply], Reply]:
    """Changes what ARC says of the transaction that it is given as the `wanted`th, from 0."""
    counted = iter(range(1_000))

    def after(method: str, url: str, reply: Reply) -> Reply:
        return make(reply) if is_handing_over(method, url) and next(counted) == wanted else reply

    return after


def doubt(status: str) -> Callable[[Reply], Reply]:
    """ARC says something else of a transaction that it has seen."""

    def make(reply: Reply) -> Reply:
        assert b"SEEN_ON_NETWORK" in reply.body
        return replace(reply, body=reply.body.replace(b"SEEN_ON_NETWORK", status.encode()))

    return make


def refusal(code: int, detail: str) -> Reply:
    """ARC judges, and does not take it."""
    body = json.dumps({"status": code, "detail": detail}).encode()
    return Reply("", code, {"content-type": "application/json"}, body)


def write(producer: Any, *, title: str = "Acme", capability: str = "price-feeds", sold: bool = False) -> None:
    text = ADVERTISED.replace("CAPABILITY", capability) + (SOLD if sold else "")
    producer.write(text, title=title)


async def shown(producer: Any) -> Counter[str]:
    """The advertisements that the tracker lists of us, by name."""
    async with producer.site() as site:
        keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
        world = site.world()
        found = await read_ads(
            keys.identity, hosts=world.outside, verifier=world.headers, now=int(clock()), plain_http=True
        )
    assert not found.doubts
    return Counter(ad.found.name for ad in found.ads)


async def converged(producer: Any, *, title: str | None, capability: str = "price-feeds", tokens: int = 4) -> int:
    """Apply again until done; then there is one truth, told by everybody, and all money is accounted for. The generation.

    `title` None: nothing is to be left.
    """
    foreseen = await producer.plan() if title is not None else None
    finished = await (producer.apply() if title is not None else producer.destroy())
    applied = finished.applied
    assert foreseen is None or plan_id(foreseen.plan) == plan_id(finished.planned.plan), (
        "plan looks past what is unfinished"
    )
    assert finished.planned.funded == 0, "the wallet had enough"
    assert not finished.recovered.failed
    assert applied is None or (not applied.undelivered and not any(applied.missing.values()))
    name = capability.replace("-", "_")
    wanted = {} if title is None else {f"tm_data_{name}": 1, f"ls_data_{name}": 1}
    assert await shown(producer) == wanted
    audited = await producer.audit()
    assert audited.differences == ()
    assert (audited.in_flight, audited.balance.locked) == ((), 0)
    assert audited.tokens == (tokens if title is not None else 0)
    async with producer.site() as site, site.database.begin() as connection:
        fees = {entry.state for entry in await Journal(connection).list(100)}
        funded = sum(
            coin.satoshis
            for coin in await Coins(connection).all()
            if coin.key.key_id == "funding" and coin.created_by is None
        )
    assert fees <= {JournalState.SEEN, JournalState.MINED, JournalState.VOID, JournalState.REFUSED}
    assert funded == audited.balance.total + audited.tokens + audited.fees, "a satoshi is lost"
    if title is None:
        return 0
    assert (await producer.plan()).plan.is_empty
    catalog = await producer.catalog()
    assert catalog.live.document.public["displayName"] == title
    return int(catalog.root.generation)


def check_converges(producer: Any, title: str | None, **wanted: Any) -> int:
    """The same, in a process of its own."""

    async def converge() -> int:
        return await converged(producer, title=title, **wanted)

    generation = producer.in_child(converge)
    assert generation is not None
    return generation


def applied(producer: Any) -> Any:
    """An apply, as work for another process."""

    async def work() -> int:
        return (await producer.apply()).planned.plan.generation

    return work


def killing_at(kill: Callable[[], None], entry: int, state: JournalState) -> Callable[[Event | Moved | Progress], None]:
    """A listener that ends the process when the `entry`th entry of an apply, in order of writing, is in `state`."""
    entries: list[str] = []

    def tell(event: Event | Moved | Progress) -> None:
        if isinstance(event, Moved):
            if event.entry not in entries:
                entries.append(event.entry)
            if entries.index(event.entry) == entry and event.state is state:
                kill()

    return tell


@pytest.mark.parametrize("state", SENT)
@pytest.mark.parametrize("entry", [0, 1], ids=["splitter", "root"])
def test_a_kill_in_any_state_of_any_entry_of_a_genesis_loses_nothing(producer, kill, entry, state, door):
    write(producer)

    async def die() -> None:
        doubts = nth_to_arc(entry, doubt(DOUBTS[state])) if state in DOUBTS else None
        await producer.apply(tell=killing_at(kill, entry, state), http=lambda http: door(http, after=doubts))

    assert producer.in_child(die) is None
    assert check_converges(producer, "Acme") == 1


def test_kills_in_every_state_of_updates_lose_nothing(producer, kill, door):
    write(producer, title="Before")
    producer.in_child(applied(producer))
    assert check_converges(producer, "Before") == 1
    for generation, state in enumerate(SENT, start=2):
        title, capability = f"In {state}", f"feed-{state}"
        write(producer, title=title, capability=capability)

        async def die(state: JournalState = state) -> None:
            doubts = nth_to_arc(0, doubt(DOUBTS[state])) if state in DOUBTS else None
            await producer.apply(tell=killing_at(kill, 0, state), http=lambda http: door(http, after=doubts))

        assert producer.in_child(die) is None
        assert check_converges(producer, title, capability=capability) == generation


@pytest.mark.parametrize("place", ["root seen", "ads handed to ARC", "ads on the tracker"])
def test_a_kill_on_the_way_of_the_advertisements_loses_nothing(producer, kill, place):
    write(producer)

    async def die() -> None:
        roots: list[str] = []
        told: list[str] = []

        def tell(event: Event | Moved | Progress) -> None:
            if isinstance(event, Moved):
                roots.append(event.entry)
            elif isinstance(event, Event) and event.step is Step.BROADCAST:
                is_ads = event.subject not in roots
                if (place, is_ads) == ("ads handed to ARC", True):
                    kill()
                if place == "root seen" and event.subject == roots[-1]:
                    kill()
            elif isinstance(event, Event) and event.step is Step.DELIVER:
                told.append(event.subject)
                if place == "ads on the tracker" and told.count(PUBLIC) == 2:
                    kill()

        await producer.apply(tell=tell)

    assert producer.in_child(die) is None
    assert check_converges(producer, "Acme") == 1


@pytest.mark.parametrize("moment", ["sealed", "first part stored"])
def test_a_kill_while_sold_content_is_on_its_way_loses_nothing(producer, kill, moment):
    write(producer, sold=True)

    async def die() -> None:
        def tell(event: Event | Moved | Progress) -> None:
            if isinstance(event, Event) and event.step is Step.UPLOAD:
                if moment == "sealed" and event.detail.startswith("sealed"):
                    kill()
            elif isinstance(event, Progress) and moment == "first part stored":
                kill()

        await producer.apply(tell=tell)

    assert producer.in_child(die) is None
    assert check_converges_after_funding(producer, "Acme", tokens=5) == 1


def check_converges_after_funding(producer: Any, title: str, **wanted: Any) -> int:
    """The same for a kill that came before the wallet was needed, or on a later day: the wallet may be filled."""
    producer.in_child(applied(producer))
    return check_converges(producer, title, **wanted)


@pytest.mark.parametrize("state", [JournalState.PREPARED, JournalState.SENDING, JournalState.SEEN])
def test_a_kill_while_everything_is_destroyed_loses_nothing(producer, kill, state):
    write(producer)
    producer.in_child(applied(producer))

    async def die() -> None:
        async def agree(_: Any) -> bool:
            return True

        async with producer.site() as site:
            reconciler, desired = await producer.reconciler(site, tell=killing_at(kill, 0, state))
            await reconciler.destroy(desired, PlanOptions(), agree=agree, halted=lambda: False)

    assert producer.in_child(die) is None
    check_converges(producer, None)


async def states(producer: Any) -> list[JournalState]:
    """Of all entries, newest first."""
    async with producer.site() as site, site.database.begin() as connection:
        return [entry.state for entry in await Journal(connection).list(10)]


async def test_a_root_that_arc_refuses_after_its_splitter_leaves_the_coins_ours_and_the_advertisements_unsent(
    producer, door
):
    write(producer)
    handed: list[str] = []

    def before(method: str, url: str) -> Reply | None:
        if is_handing_over(method, url):
            handed.append(url)
            return refusal(465, "Fee too low") if len(handed) == 2 else None
        return None

    with pytest.raises(StalePlanError, match="did not take"):
        await producer.apply(http=lambda http: door(http, before=before))
    assert len(handed) == 2
    assert Counter(await states(producer)) == {JournalState.REFUSED: 1, JournalState.SEEN: 1}
    assert await shown(producer) == {}
    audited = await producer.audit()
    assert (audited.differences, audited.tokens) == ((), 0)
    assert await converged(producer, title="Acme") == 1


async def test_advertisements_that_arc_refuses_are_told_and_wait(producer, door):
    write(producer)
    handed: list[str] = []

    def before(method: str, url: str) -> Reply | None:
        if is_handing_over(method, url):
            handed.append(url)
            return refusal(465, "Fee too low") if len(handed) == 3 else None
        return None

    finished = await producer.apply(http=lambda http: door(http, before=before))
    assert len(handed) == 3
    assert [delivery.host for delivery in finished.applied.undelivered] == [PUBLIC]
    assert await shown(producer) == {}
    assert await converged(producer, title="Acme") == 1


async def test_a_tracker_that_is_down_is_told_later_and_the_money_adds_up_meanwhile(producer, door):
    write(producer)

    def down(method: str, url: str) -> None:
        if url.startswith(PUBLIC) and method == "POST" and url.endswith("/submit"):
            raise UnreachableError("it is down", where=PUBLIC)

    finished = await producer.apply(http=lambda http: door(http, before=down))
    assert len(finished.applied.undelivered) == 2
    audited = await producer.audit()
    assert (audited.differences, audited.tokens) == ((), 4)
    assert await converged(producer, title="Acme") == 1


async def test_the_splitter_of_a_root_that_lost_to_a_rival_stays_ours(twins, door):
    here, there = twins
    bare = ADVERTISED.partition("  gateway")[0]
    for machine in twins:
        machine.write(bare, title="Acme")
    await here.apply()
    assert (await there.plan()).plan.is_empty
    await there.apply()
    async with here.site() as site, site.database.begin() as connection:  # so that the two have no coin in common
        await connection.execute(text("update coins set state = 'spent' where purpose = 'money'"))
    here.write(bare, title="Here")
    write(there, title="There")
    handed: list[str] = []

    async def before(method: str, url: str) -> None:
        if is_handing_over(method, url):
            handed.append(url)
            if len(handed) == 2:
                assert (await here.apply()).applied.generation == 2

    with pytest.raises(StalePlanError, match="coins are free again"):
        await there.apply(http=lambda http: door(http, before=before))
    assert len(handed) == 2
    assert await shown(there) == {}
    before_rebuild = await there.audit()
    assert before_rebuild.differences == ()
    finished = await there.apply()
    assert (finished.applied.generation, finished.planned.funded) == (3, 0)
    audited = await there.audit()
    assert audited.differences == ()
    assert audited.balance.total > before_rebuild.balance.total + 50_000, (
        "the splitter's coins, and those of the live root"
    )
    assert (await there.plan()).plan.is_empty
    assert await shown(there) == {"tm_data_price_feeds": 1, "ls_data_price_feeds": 1}
    write(there, title="Once more")
    spent = (await there.apply()).planned.plan.cost.fee_satoshis
    assert (await there.audit()).balance.total == audited.balance.total - spent
