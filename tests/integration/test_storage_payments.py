"""Storage that costs something: paid once, before anything is published, and never more than the plan shows (I2, I4, I5)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from secrets import token_bytes
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.apply.events import Event
from reconciler.cli.wiring import clock, keys_of
from reconciler.control.restore import restore
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import GuardError, OverlayError, StalePlanError, UnreachableError
from reconciler.model.ids import Network, identity_key
from reconciler.model.journal import EntryRole, JournalState
from reconciler.plan.document import from_json, to_json
from reconciler.plan.transactions import TxRole
from reconciler.store.journal import Journal
from reconciler.store.purchases import Purchases
from reconciler.web.paywall import Paywall
from reconciler.wire.http import Http, Reply
from reconciler.wire.payment import PAYMENT_HEADER, Charge
from tests.conftest import MANIFEST

PRICE = 2_000_000
"""Satoshis for a gigabyte and month: 12 for the smallest file of these tests and six months, 10 being the floor."""


RULE = """\
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: two}
spec: {selector: {matchTags: [test]}, replicas: 2, minReplicas: 1}
"""


@pytest.fixture
def paid(producer):
    """A producer of two datasets, of which two storage hosts that have a price shall keep a copy each."""
    producer.storage_price = PRICE
    producer.write(MANIFEST + RULE)
    return producer


async def payments(producer) -> list[Any]:
    """All journal entries that pay storage."""
    async with producer.site() as site, site.database.reading() as connection:
        return [entry for entry in await Journal(connection).list(1000) if entry.role is EntryRole.PAYMENT]


async def bought(producer) -> Counter[str]:
    """Which goods were paid by what the network has: host and content, each counted."""
    async with producer.site() as site, site.database.reading() as connection:
        found = [
            await Purchases(connection).get(entry.id)
            for entry in await Journal(connection).list(1000)
            if entry.role is EntryRole.PAYMENT and entry.state in {JournalState.SEEN, JournalState.MINED}
        ]
    return Counter(f"{each.good.host} {each.good.dataset or each.good.content[:8]} {each.good.part}" for each in found)


async def check_sound(producer) -> None:
    """Nothing is owed, in flight or paid for nothing; books, coins and chain agree."""
    audited = await producer.audit()
    assert audited.differences == ()
    assert audited.in_flight == ()
    async with producer.site() as site, site.database.reading() as connection:
        assert await Purchases(connection).open() == ()


async def test_storage_is_paid_by_what_the_plan_shows_and_an_idle_apply_pays_nothing(paid):
    planned = await paid.plan()
    cost = planned.plan.cost
    assert [each.role for each in planned.plan.transactions] == [
        TxRole.SPLITTER,
        *[TxRole.PAYMENT] * 4,
        TxRole.ROOT,
    ]
    assert cost.storage_satoshis == sum(purchase.satoshis for purchase in planned.plan.purchases) == 4 * 10
    before = await paid.audit()

    finished = await paid.apply()

    assert finished.applied is not None
    assert finished.planned.plan.cost == cost
    assert set((await bought(paid)).values()) == {1}
    assert len(await bought(paid)) == 4
    after = await paid.audit()
    spent = cost.fee_satoshis + cost.storage_satoshis + after.tokens
    assert before.balance.total - after.balance.total == spent
    await check_sound(paid)

    again = await paid.apply()
    assert again.applied is None
    assert len(await payments(paid)) == 4


class Till:
    """Stands between an apply and the storage hosts: loses, repeats, delays or refuses what is asked of them or answered."""

    def __init__(self, http: Http, meddle: Any) -> None:
        self._http = http
        self._meddle = meddle

    async def request(self, method: str, url: str, *, headers=None, **more: Any) -> Reply:
        def ask() -> Awaitable[Reply]:
            return self._http.request(method, url, headers=headers, **more)

        return await self._meddle(url, dict(headers or {}), ask)

    def stream(self, url: str, **more: Any) -> Any:
        return self._http.stream(url, **more)


def is_paid(url: str, headers: Mapping[str, str]) -> bool:
    """Whether a request is the one that brings a payment."""
    return url.endswith(("/upload", "/renew")) and "x-bsv-payment" in headers


def meddling(meddle: Any) -> Any:
    return lambda http: Till(http, meddle)


def once(do: Callable[[Callable[[], Awaitable[Reply]]], Awaitable[Reply]], when: Callable[..., bool] = is_paid) -> Any:
    """Meddle with the first request that `when` is about, and let the others pass."""
    left = [1]

    async def meddle(url: str, headers: Mapping[str, str], ask: Callable[[], Awaitable[Reply]]) -> Reply:
        if left[0] and when(url, headers):
            left[0] = 0
            return await do(ask)
        return await ask()

    return meddle


async def drop(ask: Any) -> Reply:
    raise UnreachableError("the connection broke before a byte had left")


async def lose(ask: Any) -> Reply:
    await ask()
    raise UnreachableError("the answer was lost")


async def repeat(ask: Any) -> Reply:
    await ask()
    return await ask()


async def delay(ask: Any) -> Reply:
    await asyncio.sleep(0.05)
    return await ask()


async def fail(ask: Any) -> Reply:
    return Reply("http://storage", 500, {}, b"{}")


async def fail_afterwards(ask: Any) -> Reply:
    await ask()
    return Reply("http://storage", 503, {}, b"{}")


def asks(url: str, headers: Mapping[str, str]) -> bool:
    """Whether a request asks for the price."""
    return url.endswith("/upload") and "x-bsv-payment" not in headers


@pytest.mark.long
@pytest.mark.parametrize("when", [asks, is_paid], ids=["at the 402", "at the paid request"])
@pytest.mark.parametrize("fault", [drop, lose, repeat, delay, fail, fail_afterwards], ids=lambda fault: fault.__name__)
async def test_whatever_becomes_of_one_request_each_good_is_paid_once(paid, fault, when):
    with suppress(OverlayError):
        await paid.apply(http=meddling(once(fault, when)))
    assert (await paid.audit()).differences == ()

    await paid.apply()

    assert (await paid.plan()).plan.is_empty
    found = await bought(paid)
    assert (len(found), set(found.values())) == (4, {1})
    await check_sound(paid)


async def test_storage_that_became_dearer_makes_the_plan_stale_and_nothing_is_signed(paid):
    plan = (await paid.plan()).plan
    before = await paid.audit()
    paid.storage_price *= 1000
    async with paid.site() as site:
        reconciler, _ = await paid.reconciler(site)
        with pytest.raises(
            StalePlanError, match=r"asks [0-9,]+ satoshis, and the plan has 10 for it; nothing was paid"
        ):
            await reconciler.execute_plan(plan, halted=lambda: False)
    assert (await paid.audit()).balance == before.balance
    assert await payments(paid) == []
    assert (await paid.apply()).planned.plan.cost.storage_satoshis > plan.cost.storage_satoshis
    await check_sound(paid)


@pytest.mark.long
async def test_storage_that_became_cheaper_gives_the_rest_back(paid):
    paid.storage_price *= 1000
    plan = (await paid.plan()).plan
    before = await paid.audit()
    paid.storage_price = PRICE
    async with paid.site() as site:
        reconciler, _ = await paid.reconciler(site)
        await reconciler.execute_plan(from_json(to_json(plan)), halted=lambda: False)
    after = await paid.audit()
    assert before.balance.total - after.balance.total == plan.cost.fee_satoshis + 4 * 10 + after.tokens
    await check_sound(paid)


@pytest.mark.long
async def test_a_limit_counts_storage(paid):
    plan = (await paid.plan()).plan
    with pytest.raises(GuardError, match="cost"):
        await paid.apply(max_cost=plan.gross - 1)
    assert (await paid.apply(max_cost=plan.gross)).applied is not None
    async with paid.site() as site, site.database.reading() as connection:
        assert await Journal(connection).spent_since(0) == plan.gross


@pytest.fixture
def cheat(monkeypatch):
    """Makes a storage host answer something else to whoever has paid it."""
    honest = Paywall.admit

    def start(answer: Callable[[], Response], *, takes: bool) -> None:
        async def admit(self: Paywall, request: Request, good: str, price: Satoshis) -> Any:
            if request.url.hostname != EU or PAYMENT_HEADER not in request.headers:
                return await honest(self, request, good, price)
            if takes:
                await honest(self, request, good, price)
            return answer()

        monkeypatch.setattr(Paywall, "admit", admit)

    return start


EU = "storage-eu.embedded"


def refusal() -> Response:
    return JSONResponse({"code": "ERR_PAYMENT_FAILED", "description": "never heard of it"}, 400)


def second_charge() -> Response:
    charge = Charge(
        Satoshis(10), "AA==", identity_key("02" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
    )
    return JSONResponse(charge.body(), 402, headers=charge.headers())


@pytest.mark.parametrize(
    "answer", [refusal, pytest.param(second_charge, marks=pytest.mark.long)], ids=["refuses", "asks again"]
)
async def test_a_host_that_takes_money_and_gives_nothing_is_not_paid_again_and_others_serve(
    paid, cheat, monkeypatch, answer
):
    cheat(answer, takes=True)
    told: list[Event] = []

    finished = await paid.apply(tell=lambda event: told.append(event) if isinstance(event, Event) else None)

    assert finished.applied is not None
    assert [address.rpartition("@")[2] for address in finished.applied.failed] == ["storage-eu"] * 2
    assert all("gives nothing for them" in error.message for error in finished.applied.failed.values())
    first = await bought(paid)
    assert set(first.values()) == {1}
    again = await paid.apply()
    assert again.planned.plan.cost.storage_satoshis == 0
    assert await bought(paid) == first
    audited = await paid.audit()
    assert (audited.differences, audited.storage) == ((), 40)
    assert [each.good.host for each in audited.unused] == ["storage-eu"] * 2
    assert [each.txid for each in again.applied.unused] == [each.txid for each in audited.unused]

    monkeypatch.undo()  # it comes to reason
    assert not (await paid.apply()).is_partial
    assert await bought(paid) == first
    await check_sound(paid)


@pytest.mark.long
async def test_a_payment_that_its_host_turns_down_goes_back_to_the_wallet(paid, cheat, monkeypatch):
    cheat(refusal, takes=False)

    finished = await paid.apply()

    assert all("is taken back" in error.message for error in finished.applied.failed.values())
    states = Counter(entry.state for entry in await payments(paid))
    assert states[JournalState.REFUSED] == 2
    audited = await paid.audit()
    assert (audited.differences, audited.balance.locked) == ((), 0)

    monkeypatch.undo()
    again = await paid.apply()
    assert not again.is_partial
    assert set((await bought(paid)).values()) == {1}
    await check_sound(paid)


@pytest.mark.long
async def test_with_arc_down_nothing_is_lost(paid):
    async def no_arc(url: str, headers: Mapping[str, str], ask: Any) -> Reply:
        if "/v1/tx" in url:
            raise UnreachableError("ARC is down")
        return await ask()

    with pytest.raises(UnreachableError):
        await paid.apply(http=meddling(no_arc))
    assert await bought(paid) == Counter()
    await paid.apply()
    assert set((await bought(paid)).values()) == {1}
    await check_sound(paid)


async def test_a_renewal_is_paid_and_carries_no_byte(paid, monkeypatch):
    await paid.apply()
    first = await bought(paid)
    later = clock() + 176 * 86_400
    monkeypatch.setattr("reconciler.cli.wiring.clock", lambda: later)
    monkeypatch.setattr("tests.conftest.clock", lambda: later)
    sent: list[str] = []

    async def watch(url: str, headers: Mapping[str, str], ask: Any) -> Reply:
        if "/put?" in url:
            sent.append(url)
        return await ask()

    planned = await paid.plan()
    assert planned.plan.summary.renew == 4
    assert [each.role for each in planned.plan.transactions] == [TxRole.SPLITTER, *[TxRole.PAYMENT] * 4]
    finished = await paid.apply(http=meddling(watch))

    assert (finished.applied.txid, sent) == (None, [])
    assert await bought(paid) == Counter(dict.fromkeys(first, 2))
    assert (await paid.plan()).plan.is_empty
    await check_sound(paid)


@pytest.mark.long
async def test_a_database_that_is_lost_in_the_middle_is_rebuilt_to_the_satoshi(paid):
    paid.write(MANIFEST + RULE, title="First")
    await paid.apply()
    paid.data("c.csv", "id,value\n3,three\n")

    async def stop(url: str, headers: Mapping[str, str], ask: Any) -> Reply:
        if "/put?" in url:
            raise UnreachableError("gone")
        return await ask()

    with pytest.raises(UnreachableError):
        await paid.apply(http=meddling(stop))
    assert sum((await bought(paid)).values()) == 6
    before = (await paid.audit()).balance

    paid.lose_database()
    async with paid.site() as site:
        keys = keys_of(paid.invocation, Network.EMBEDDED, create=False)
        world = site.world()
        restored = await restore(
            world=world, database=site.database, keys=keys, index=world.index, clock=clock, randomness=token_bytes
        )
    audited = await paid.audit()
    assert audited.differences == ()
    assert (audited.balance.total, restored.doubts) == (before.total, ())

    again = await paid.apply()
    assert not again.is_partial
    assert again.planned.plan.cost.storage_satoshis == 20  # what was paid and not had is lost with the journal
    await check_sound(paid)
