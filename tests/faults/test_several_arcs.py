"""Several ARCs: the next one is tried, all are asked, and what one refuses another may have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.chain.arc import Arc
from reconciler.chain.arcs import Arcs
from reconciler.model.errors import StalePlanError, UnreachableError
from reconciler.model.journal import JournalState
from reconciler.plan.options import PlanOptions
from reconciler.store.journal import Journal
from reconciler.store.transactions import Transactions
from reconciler.wire.http import Http, Reply

pytestmark = pytest.mark.long

FIRST, SECOND = "http://arc.embedded", "http://arc-two.embedded"
JUDGED = Reply("", 465, {}, json.dumps({"status": 465, "detail": "Fee too low"}).encode())
UNKNOWN = Reply("", 404, {}, json.dumps({"status": 404}).encode())

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

Fate = Callable[[str, str], Reply | None]
"""What becomes of a request to an ARC: an answer of the test's, an error, or None, and it goes through."""


class Doors:
    """Two ARCs before one chain; a test decides what each of them answers."""

    def __init__(self, http: Http, fates: dict[str, Fate]) -> None:
        self._http = http
        self._fates = fates

    async def request(self, method: str, url: str, **more: Any) -> Reply:
        origin, _, path = url.partition("/v1/tx")
        if path or url.endswith("/v1/tx"):
            answer = self._fates.get(origin, lambda method, url: None)(method, url)
            if answer is not None:
                return replace(answer, url=url)
        return await self._http.request(method, url.replace(SECOND, FIRST), **more)

    def stream(self, url: str, **more: Any) -> Any:
        return self._http.stream(url, **more)


def silent(_: str, url: str) -> Reply | None:
    raise UnreachableError("it does not answer", where=url)


def judging(method: str, _: str) -> Reply | None:
    """Has never heard of anything, and takes nothing."""
    return JUDGED if method == "POST" else UNKNOWN


async def apply(producer: Any, *, patience: float = 0.5, **fates: Fate) -> Any:
    """Apply with two ARCs."""

    async def agree(_: Any) -> bool:
        return True

    async with producer.site() as site:
        named = {FIRST: fates.get("first", _well), SECOND: fates.get("second", _well)}
        made, desired = await producer.reconciler(site, http=lambda http: Doors(http, named))
        arcs = Arcs([Arc(made.world.http, FIRST), Arc(made.world.http, SECOND)])
        made = replace(made, world=replace(made.world, arc=arcs), contest_patience=patience)
        return await made.apply(desired, PlanOptions(), agree=agree, halted=lambda: False)


def _well(_: str, __: str) -> Reply | None:
    return None


async def states(producer: Any) -> list[JournalState]:
    async with producer.site() as site, site.database.begin() as connection:
        return [entry.state for entry in await Journal(connection).list(10)]


async def check_balanced(producer: Any) -> None:
    audited = await producer.audit()
    assert (audited.differences, audited.in_flight, audited.balance.locked) == ((), (), 0)


@pytest.mark.parametrize("fate", [silent, judging], ids=["silent", "judging"])
async def test_what_the_first_does_not_take_the_second_does(producer, fate):
    finished = await apply(producer, first=fate)
    assert finished.applied.generation == 1
    assert await states(producer) == [JournalState.SEEN]
    await check_balanced(producer)


async def test_a_verdict_decides_nothing_while_another_that_may_have_it_is_silent(producer):
    await apply(producer)
    producer.write(title="After")
    with pytest.raises(UnreachableError):
        await apply(producer, first=silent, second=judging)
    assert (await states(producer))[0] is JournalState.SENDING
    assert (await producer.audit()).balance.locked > 0
    finished = await apply(producer, second=judging)
    assert (finished.applied, finished.planned.plan.generation) == (None, 2)
    assert (await producer.catalog()).live.document.public["displayName"] == "After"
    await check_balanced(producer)


async def test_what_one_of_them_took_and_forgot_to_answer_is_never_given_up_on_the_word_of_another(producer):
    """The transaction is in the first one's mempool; the second one's verdict must not free its coins."""
    await apply(producer)
    producer.write(title="After")

    class Losing(Doors):
        async def request(self, method: str, url: str, **more: Any) -> Reply:
            reply = await super().request(method, url, **more)
            if method == "POST" and url.startswith(f"{FIRST}/v1/tx"):
                raise UnreachableError("the answer is lost", where=url)
            return reply

    async def agree(_: Any) -> bool:
        return True

    async with producer.site() as site:
        fates = {SECOND: judging, FIRST: lambda method, url: UNKNOWN if method == "GET" else None}
        made, desired = await producer.reconciler(site, http=lambda http: Losing(http, fates))
        arcs = Arcs([Arc(made.world.http, FIRST), Arc(made.world.http, SECOND)])
        made = replace(made, world=replace(made.world, arc=arcs))
        with pytest.raises(UnreachableError):
            await made.apply(desired, PlanOptions(), agree=agree, halted=lambda: False)
    assert (await states(producer))[0] is JournalState.SENDING
    finished = await apply(producer, first=silent)  # the second one has heard of it by now
    assert (finished.applied, finished.planned.plan.generation) == (None, 2)
    await check_balanced(producer)


async def test_what_all_of_them_refuse_may_be_replaced_by_what_spends_its_coins_and_is_void_when_that_is_mined(
    producer,
):
    await apply(producer)
    producer.write(title="Refused")
    with pytest.raises(StalePlanError, match="did not take"):
        await apply(producer, first=judging, second=judging)
    assert (await states(producer))[0] is JournalState.REFUSED
    await check_balanced(producer)
    producer.write(title="Taken")
    finished = await apply(producer)
    assert finished.applied.generation == 2
    assert set((await states(producer))[:2]) == {JournalState.SEEN, JournalState.REFUSED}
    await check_balanced(producer)
    async with producer.site() as site:
        await site.toy.ledger.mine()
    await check_balanced(producer)
    assert (await apply(producer)).applied is None
    assert (await states(producer))[:2].count(JournalState.VOID) == 1
    assert (await producer.catalog()).live.document.public["displayName"] == "Taken"
    await check_balanced(producer)


async def test_what_all_of_them_refused_and_one_has_after_all_is_finished_if_nothing_took_its_place(producer):
    """The advertisements that were to follow it never left: they are made by the plan that comes after it."""
    producer.write(ADVERTISED.replace("CAPABILITY", "price-feeds"))
    await apply(producer)
    producer.write(ADVERTISED.replace("CAPABILITY", "feed-two"), title="Refused at first")
    with pytest.raises(StalePlanError, match="did not take"):
        await apply(producer, first=judging, second=judging)
    await _hand_in(producer)
    finished = await apply(producer)
    assert finished.applied.generation == 3
    assert {change.object.type for change in finished.planned.plan.changes} == {"ship", "slap"}
    assert (await producer.catalog()).live.document.public["displayName"] == "Refused at first"
    assert (await producer.plan_with(refresh=True)).plan.is_empty
    await check_balanced(producer)


async def test_what_all_of_them_refused_and_a_miner_took_in_place_of_what_replaced_it_is_live(producer):
    await apply(producer)
    producer.write(title="Refused at first")
    with pytest.raises(StalePlanError, match="did not take"):
        await apply(producer, first=judging, second=judging)
    producer.write(title="In its place")
    async with producer.site() as site:
        site.toy.ledger.block_time = 0
        await site.toy.ledger.mine()
    async with producer.site() as site, site.database.begin() as connection:
        refused = (await Journal(connection).refused())[0]
    finished = await apply(producer)
    async with producer.site() as site:
        async with site.database.begin() as connection:
            ours = await Transactions(connection).get(refused.root)
        await site.toy.ledger.replace(finished.applied.txid, ours.transaction)
    producer.write(title="Refused at first")

    assert (await apply(producer)).applied is None

    assert (await producer.catalog()).live.document.public["displayName"] == "Refused at first"
    assert Counter(await states(producer))[JournalState.VOID] == 1
    await check_balanced(producer)
    producer.write(title="And on")
    assert (await apply(producer)).applied.generation == 3
    await check_balanced(producer)


async def _hand_in(producer: Any) -> None:
    """Somebody gives the network what nobody took."""
    async with producer.site() as site:
        async with site.database.begin() as connection:
            refused = (await Journal(connection).refused())[0]
            beef = await Transactions(connection).beef([refused.root])
        await site.toy.ledger.submit(beef.transactions[refused.root].transaction)
