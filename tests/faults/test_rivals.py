"""A rival is found where ARC names none; what followed a root has a life of its own; what was dropped is sent again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.build import spendable
from reconciler.cli.wiring import clock, keys_of
from reconciler.model.errors import StalePlanError, UnreachableError
from reconciler.model.ids import Network
from reconciler.model.journal import JournalState
from reconciler.observe.ads import read_ads
from reconciler.observe.roots import read_roots
from reconciler.plan.options import PlanOptions
from reconciler.store.coins import Coins, Purpose
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions
from reconciler.wallet.signing import signed
from reconciler.wire.http import Reply
from reconciler.wire.transaction import Transaction, TxOutput

pytestmark = pytest.mark.long

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


def write(producer: Any, *, title: str = "Acme", capability: str = "price-feeds") -> None:
    producer.write(ADVERTISED.replace("CAPABILITY", capability), title=title)


def is_handing_over(method: str, url: str) -> bool:
    return method == "POST" and "/v1/tx" in url


def without_names(_: str, url: str, reply: Reply) -> Reply:
    """ARC says that there is a conflict, and not with whom."""
    if "/v1/tx" not in url or b"competingTxs" not in reply.body:
        return reply
    said = json.loads(reply.body)
    for each in said if isinstance(said, list) else [said]:
        each["competingTxs"] = None
    return replace(reply, body=json.dumps(said).encode())


async def apply(producer: Any, http: Any, *, patience: float = 0.5) -> Any:
    """Apply without waiting long for a contest to be decided."""

    async def agree(_: Any) -> bool:
        return True

    async with producer.site() as site:
        made, desired = await producer.reconciler(site, http=http)
        made = replace(made, contest_patience=patience)
        return await made.apply(desired, PlanOptions(), agree=agree, halted=lambda: False)


async def entries(producer: Any) -> list[Any]:
    """Oldest first."""
    async with producer.site() as site, site.database.begin() as connection:
        return list(reversed(await Journal(connection).list(100)))


async def states(producer: Any) -> Counter[JournalState]:
    return Counter(entry.state for entry in await entries(producer))


async def advertised(producer: Any) -> Counter[str]:
    async with producer.site() as site:
        keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
        world = site.world()
        found = await read_ads(
            keys.identity, hosts=world.outside, verifier=world.headers, now=int(clock()), plain_http=True
        )
    assert not found.doubts
    return Counter(ad.found.name for ad in found.ads)


async def check_converged(producer: Any, title: str, capability: str | None = None) -> None:
    """One truth, told by everybody, and all money accounted for."""
    assert (await producer.plan()).plan.is_empty
    assert (await producer.catalog()).live.document.public["displayName"] == title
    if capability is not None:
        name = capability.replace("-", "_")
        assert await advertised(producer) == {f"tm_data_{name}": 1, f"ls_data_{name}": 1}
    audited = await producer.audit()
    assert (audited.differences, audited.in_flight, audited.balance.locked) == ((), (), 0)


@pytest.mark.parametrize("witness", ["index", "host"])
async def test_a_rival_that_arc_does_not_name_is_found_even_when_others_have_built_upon_it(twins, door, witness):
    here, there = twins
    for machine in (here, there):
        await machine.apply()
    there.write(title="There")

    async def before(method: str, url: str) -> Reply | None:
        if is_handing_over(method, url) and not overtaken:
            overtaken.append(url)
            for title in ("Here", "And here again"):
                here.write(title=title)
                await here.apply()
            async with here.site() as site:
                await site.toy.ledger.mine()
        if url.endswith("/spent") and witness == "host":
            return Reply(url, 404, {}, b"")
        return None

    overtaken: list[str] = []
    with pytest.raises(StalePlanError, match="coins are free again"):
        await apply(there, lambda http: door(http, before=before, after=without_names))
    assert (await states(there))[JournalState.VOID] == 1
    assert (await there.apply()).applied.generation == 4
    await check_converged(there, "There")


async def test_where_nobody_can_name_the_rival_the_coins_stay_locked_and_it_is_said_what_to_do(twins, door):
    here, there = twins
    for machine in (here, there):
        await machine.apply()
    there.write(title="There")
    overtaken: list[str] = []

    async def before(method: str, url: str) -> Reply | None:
        if is_handing_over(method, url) and not overtaken:
            overtaken.append(url)
            here.write(title="Here")
            await here.apply()
        if overtaken and url.endswith(("/spent", "/lookup")):
            raise UnreachableError("it does not answer", where=url)
        return None

    with pytest.raises(StalePlanError, match="nobody names one") as caught:
        await apply(there, lambda http: door(http, before=before, after=without_names))
    assert "chainTracker" in caught.value.hint
    assert (await states(there))[JournalState.CONTESTED] == 1
    assert (await there.audit()).balance.locked > 0
    async with here.site() as site:
        await site.toy.ledger.mine()
    assert (await apply(there, lambda http: door(http, after=without_names))).applied.generation == 3
    await check_converged(there, "There")


async def test_advertisements_that_another_machine_paid_for_from_the_same_purse_are_made_anew(twins, door):
    here, there = twins
    for machine in twins:
        write(machine)
        await machine.apply()
    write(here, title="Here", capability="feed-here")
    counted: list[str] = []

    def silent(method: str, url: str) -> None:
        if is_handing_over(method, url):
            counted.append(url)
        if len(counted) > 1 and "/v1/tx" in url:
            raise UnreachableError("it does not answer", where=url)

    finished = await here.apply(http=lambda http: door(http, before=silent))
    assert finished.applied.undelivered
    write(there, title="There", capability="feed-there")
    assert (await there.apply()).applied.generation == 3
    async with here.site() as site:
        await site.toy.ledger.mine()
    write(here, title="Here again", capability="feed-again")

    finished = await here.apply()

    assert finished.applied.generation == 4
    assert not finished.applied.undelivered
    await check_converged(here, "Here again", "feed-again")
    write(there, title="Here again", capability="feed-again")
    assert (await there.apply()).applied is None
    await check_converged(there, "Here again", "feed-again")


async def test_advertisements_that_went_out_stay_ours_when_their_root_is_lost_in_a_reorg(producer):
    write(producer)
    await producer.apply()
    async with producer.site() as site:
        await site.toy.ledger.mine()
    write(producer, title="Lost", capability="feed-lost")
    await producer.apply()
    lost = (await entries(producer))[-1]
    async with producer.site() as site:
        rival = await _rival(site, producer, lost.root)
        await site.toy.ledger.mine()
        mined_at = (await site.toy.ledger.status(lost.root)).block_height
        depth = await site.toy.ledger.height() - mined_at + 1
        site.toy.ledger.block_time = 0
        await site.toy.ledger.reorg(depth, drop=[lost.root], instead=[rival])
    write(producer, title="Found", capability="feed-found")

    finished = await producer.apply()

    assert not finished.applied.undelivered
    after = await states(producer)
    assert after[JournalState.VOID] == 1
    assert lost.txids[1] in {entry.id for entry in await entries(producer)}, "what has left is an entry of its own"
    await check_converged(producer, "Found", "feed-found")


async def test_what_the_network_dropped_is_sent_again_with_its_ancestry_parents_first(producer):
    write(producer)
    async with producer.site() as site:
        site.toy.ledger.block_time = 0
    await _apply_unmined(producer)
    write(producer, title="Built upon it", capability="feed-two")
    await _apply_unmined(producer)
    made = [txid for entry in await entries(producer) for txid in entry.txids]
    assert len(made) > 4
    async with producer.site() as site:
        site.toy.ledger.block_time = 0
        for txid in reversed(made):
            await site.toy.ledger.forget(txid)
        assert [await site.toy.ledger.status(txid) for txid in made] == [None] * len(made)
    assert (await _apply_unmined(producer)).applied is None
    async with producer.site() as site:
        site.toy.ledger.block_time = 0
        assert {(await site.toy.ledger.status(txid)).status.value for txid in made} == {"SEEN_ON_NETWORK"}
        await site.toy.ledger.mine()
    await producer.apply()
    await check_converged(producer, "Built upon it", "feed-two")
    assert set(await states(producer)) == {JournalState.MINED}


async def test_an_orphan_is_sent_again_with_the_parents_that_were_dropped(producer):
    write(producer)
    await _apply_unmined(producer)
    write(producer, title="Built upon it")
    await _apply_unmined(producer)
    first = (await entries(producer))[0].root
    async with producer.site() as site:
        site.toy.ledger.block_time = 0
        await site.toy.ledger.forget(first)
        last = (await entries(producer))[-1].root
        assert (await site.toy.ledger.status(last)).status.value == "SEEN_IN_ORPHAN_MEMPOOL"
    assert (await _apply_unmined(producer)).applied is None
    async with producer.site() as site:
        await site.toy.ledger.mine()
    await producer.apply()
    await check_converged(producer, "Built upon it", "price-feeds")


async def _apply_unmined(producer: Any, http: Any = lambda http: http) -> Any:
    """Apply in a world that mines by hand."""

    async def agree(_: Any) -> bool:
        return True

    async with producer.site() as site:
        site.toy.ledger.block_time = 0
        made, desired = await producer.reconciler(site, http=http)
        return await made.apply(desired, PlanOptions(), agree=agree, halted=lambda: False)


async def _rival(site: Any, producer: Any, ours: Any) -> Transaction:
    """A transaction that spends money of ours to somebody else."""
    keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
    async with site.database.begin() as connection:
        coins = [
            coin for coin in await Coins(connection).all() if coin.spent_by == ours and coin.purpose is Purpose.MONEY
        ]
    coin = spendable(coins[0])
    return signed([coin], [TxOutput(coin.output.satoshis - 1000, b"\x51")], keys)


@pytest.mark.parametrize("is_heard", [True, False], ids=["hosts hear of it", "hosts hear of it the second time"])
async def test_a_root_of_another_machine_that_lost_to_a_double_spend_is_not_built_upon_for_ever(twins, door, is_heard):
    here, there = twins
    await here.apply()
    async with here.site() as site:
        await site.toy.ledger.mine()
    there.write(title="There")
    await _apply_unmined(there)
    lost = (await entries(there))[-1].root
    async with there.site() as site:
        site.toy.ledger.block_time = 0
        rival = await _rival(site, there, lost)
    here.write(title="Here")
    overtaken: list[str] = []

    async def before(method: str, url: str) -> None:
        if is_handing_over(method, url) and not overtaken:
            overtaken.append(url)
            async with there.site() as site:
                site.toy.ledger.block_time = 0
                await site.toy.ledger.replace(lost, rival)
        if overtaken and not is_heard and url.endswith("/submit"):
            raise UnreachableError("it does not answer", where=url)

    with pytest.raises(StalePlanError, match="coins are free again"):
        await _apply_unmined(here, lambda http: door(http, before=before))
    if not is_heard:
        with pytest.raises(StalePlanError, match="coins are free again"):
            await _apply_unmined(here)
    assert (await _apply_unmined(here)).applied.generation == 2
    async with here.site() as site:
        await site.toy.ledger.mine()
    await check_converged(here, "Here")
    there.write(title="Here")
    assert (await there.apply()).applied is None
    await check_converged(there, "Here")


@pytest.mark.parametrize("went_on", [False, True], ids=["at once", "after another apply"])
async def test_what_lost_and_is_mined_after_a_reorg_all_the_same_is_live_for_both_machines(twins, door, went_on):
    here, there = twins
    for machine in twins:
        await machine.apply()
    async with here.site() as site:
        await site.toy.ledger.mine()
    here.write(title="Here")
    there.write(title="There")
    overtaken: list[str] = []

    async def before(method: str, url: str) -> None:
        if is_handing_over(method, url) and not overtaken:
            overtaken.append(url)
            await there.apply()

    with pytest.raises(StalePlanError, match="coins are free again"):
        await here.apply(http=lambda http: door(http, before=before))
    lost = (await entries(here))[-1].root
    won = (await entries(there))[-1].root
    if went_on:
        here.write(title="Built upon the winner")
        assert (await here.apply()).applied.generation == 3
    async with here.site() as site:
        async with site.database.begin() as connection:
            ours = await Transactions(connection).get(lost)
        await site.toy.ledger.mine()
        assert await _shown(site, here, void={won}) is not None, "a proof outweighs what was void"
        mined_at = (await site.toy.ledger.status(won)).block_height
        depth = await site.toy.ledger.height() - mined_at + 1
        site.toy.ledger.block_time = 0
        await site.toy.ledger.reorg(depth, drop=[won], instead=[ours.transaction])
    here.write(title="Here")

    assert (await here.apply()).applied is None
    await check_converged(here, "Here")
    there.write(title="Here")
    assert (await there.apply()).applied is None
    await check_converged(there, "Here")
    there.write(title="On and on")
    assert (await there.apply()).applied.generation == 3
    await check_converged(there, "On and on")


async def _shown(site: Any, producer: Any, *, void: set[str]) -> Any:
    """The newest root that hosts show, to somebody who takes these transactions for void."""
    keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
    world = site.world()
    found = await read_roots(
        keys.identity, hosts=world.outside, verifier=world.headers, now=int(clock()), void=frozenset(void)
    )
    return found.newest
