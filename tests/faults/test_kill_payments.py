"""I1 and I5 with storage that costs something: killed at any instant, each good is paid once, and every satoshi is somewhere."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.apply.events import Event, Moved, Progress, Step
from reconciler.model.journal import COMMITTED, EntryRole, JournalState
from reconciler.plan.options import PlanOptions
from reconciler.plan.storage import PART
from reconciler.store.journal import Journal
from reconciler.store.purchases import Purchases
from reconciler.web.paywall import Paywall
from reconciler.wire.http import Http, Reply
from reconciler.wire.payment import PAYMENT_HEADER
from tests.conftest import MANIFEST, Door
from tests.faults.test_kill import DOUBTS, Doubting, check_converges

PRICE = 2_000_000
HONEST = Paywall.admit
RULE = """\
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: two}
spec: {selector: {matchTags: [test]}, replicas: 2, minReplicas: 1}
"""

PAYING = (EntryRole.SPLITTER, EntryRole.POUCH, EntryRole.PAYMENT)
"""The roles of entries that leave before anything is published."""

UNREACHED = {
    **{(role, JournalState.MINED): "test_a_kill_while_a_proof_is_written_down_pays_nothing_twice" for role in PAYING},
    **{
        (role, JournalState.VOID): "test_a_kill_while_an_unsent_payment_is_voided_pays_nothing_twice" for role in PAYING
    },
}
"""What is reached by more than one apply, each with its test."""

STATES = [(role, state) for role in PAYING for state in JournalState if (role, state) not in UNREACHED]


def test_every_state_of_every_role_has_its_kill_test():
    assert {*STATES, *UNREACHED} == {(role, state) for role in PAYING for state in JournalState}
    assert all(name in globals() for name in UNREACHED.values())


@pytest.fixture
def paid(producer):
    """A producer of two datasets with two copies each, on hosts that have a price."""
    producer.storage_price = PRICE
    producer.write(MANIFEST + RULE, title="After")
    return producer


def check_paid_once(producer: Any, times: int = 1) -> None:
    """Each good was paid so often, as the network sees it, and none is paid for nothing."""

    async def count() -> dict[str, int]:
        async with producer.site() as site, site.database.reading() as connection:
            assert await Purchases(connection).open() == ()
            paid = [
                await Purchases(connection).get(entry.id)
                for entry in await Journal(connection).list(10_000)
                if entry.role is EntryRole.PAYMENT and entry.state in COMMITTED
            ]
        return Counter(f"{each.good.host} {each.good.content} {each.good.part}" for each in paid if each)

    found = producer.in_child(count)
    assert found is not None
    assert set(found.values()) == {times}


class DoubtingLater(Doubting):
    """Doubts a later transaction than the first that it is handed."""

    def __init__(self, http: Http, status: str, first: int) -> None:
        super().__init__(http, status)
        self._before = first

    async def request(self, method: str, url: str, **more: Any) -> Reply:
        if method == "POST" and "/v1/tx" in url and self._before > 0:
            self._before -= 1
            return await self._http.request(method, url, **more)
        return await super().request(method, url, **more)


def applying(producer: Any, role: EntryRole, state: JournalState, kill: Any) -> Any:
    """An apply that is killed when an entry of a role reaches a state; what is built says which transaction has which role."""

    async def die() -> None:
        built: dict[str, str] = {}

        def tell(event: Event | Moved | Progress) -> None:
            if isinstance(event, Event) and event.step is Step.BUILD:
                built[event.subject] = event.detail.partition(",")[0].partition("-")[0]
            if isinstance(event, Moved) and event.state is state and built.get(event.entry) == role:
                kill()

        def doubted(http: Http) -> Http:
            first = 0 if role is EntryRole.SPLITTER else 1
            return DoubtingLater(http, DOUBTS[state], first) if state in DOUBTS else http

        if (role, state) == (EntryRole.PAYMENT, JournalState.REFUSED):
            Paywall.admit = _turn_down  # this process is killed
        await producer.apply(tell=tell, http=doubted, batch=_batch(role))

    return die


async def _turn_down(self: Paywall, request: Request, good: str, price: Any) -> Any:
    if PAYMENT_HEADER in request.headers:
        return JSONResponse({"code": "ERR_PAYMENT_FAILED", "description": "not this one"}, 400)
    return await HONEST(self, request, good, price)


def _batch(role: EntryRole) -> int:
    """Pouches are there where more is paid than goes into one transaction."""
    return 3 if role is EntryRole.POUCH else 100


def converges(producer: Any) -> None:
    found = check_converges(producer, "After")
    assert (found["generation"], found["records"], found["tokens"]) == (1, 2, 3)
    check_paid_once(producer)


@pytest.mark.parametrize(
    ("role", "state"),
    [
        pytest.param(role, state, marks=() if state is JournalState.SENDING else pytest.mark.long)
        for role, state in STATES
    ],
)
def test_a_kill_in_any_state_of_what_pays_storage_pays_nothing_twice(paid, kill, role, state):
    assert paid.in_child(applying(paid, role, state, kill)) is None  # it was killed
    converges(paid)


@pytest.mark.long
@pytest.mark.parametrize("role", PAYING)
def test_a_kill_while_an_unsent_payment_is_voided_pays_nothing_twice(paid, kill, role):
    def voiding() -> Any:
        async def die() -> None:
            def tell(event: Event | Moved | Progress) -> None:
                if isinstance(event, Moved) and event.state is JournalState.VOID:
                    kill()

            await paid.apply(tell=tell, batch=_batch(role))

        return die

    assert paid.in_child(applying(paid, role, JournalState.PREPARED, kill)) is None
    assert paid.in_child(voiding()) is None
    converges(paid)


@pytest.mark.long
def test_a_kill_while_a_proof_is_written_down_pays_nothing_twice(paid, kill):
    async def die() -> None:
        def tell(event: Event | Moved | Progress) -> None:
            if isinstance(event, Moved) and event.state is JournalState.MINED:
                kill()

        async with paid.site() as site:
            await site.toy.ledger.mine()
            reconciler, desired = await paid.reconciler(site, tell=tell)
            await reconciler.plan(desired, PlanOptions())

    assert paid.in_child(applying(paid, EntryRole.PAYMENT, JournalState.SEEN, kill)) is None
    assert paid.in_child(die) is None
    converges(paid)


@pytest.mark.long
@pytest.mark.parametrize("step", [Step.PAY, Step.UPLOAD, Step.BUILD, Step.BROADCAST, Step.DELIVER, Step.VERIFY])
def test_a_kill_after_any_step_pays_nothing_twice(paid, kill, step):
    async def die() -> None:
        def tell(event: Event | Moved | Progress) -> None:
            if isinstance(event, Event) and event.step is step:
                kill()

        await paid.apply(tell=tell)

    assert paid.in_child(die) is None
    converges(paid)


@pytest.mark.long
@pytest.mark.parametrize("path", ["/upload", "/put", "/find"])
@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_a_kill_around_any_request_to_a_host_pays_nothing_twice(paid, kill, path, answered):
    """Around the second of its kind: the first /upload asks for the price, a later one pays it."""
    for number in (0, 2):

        async def die(number: int = number) -> None:
            left = [number]

            def dying(http: Http) -> Http:
                def strike(url: str) -> None:
                    if path in url:
                        left[0] -= 1
                        if left[0] < 0:
                            kill()

                return Door(
                    http,
                    before=None if answered else lambda _, url: strike(url),
                    after=(lambda _, url, reply: strike(url) or reply) if answered else None,
                )

            await paid.apply(http=dying)

        assert paid.in_child(die) is None
    converges(paid)


SOLD = """\
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: large}
spec: {source: {path: large.bin}, title: Large, price: 5000}
"""
LARGE_PRICE = 200_000


@pytest.fixture
def large(producer):
    """A producer of one sold dataset that is stored in two parts, on a host that has a price."""
    producer.storage_price = LARGE_PRICE
    producer.write(MANIFEST.partition("---")[0] + SOLD, title="After")
    with (producer.folder / "large.bin").open("wb") as file:
        file.truncate(PART + 100)
    return producer


async def payments_of(producer: Any) -> list[tuple[int, int]]:
    """Part and satoshis of each payment that the network has."""
    async with producer.site() as site, site.database.reading() as connection:
        paid = [
            await Purchases(connection).get(entry.id)
            for entry in await Journal(connection).list(1000)
            if entry.role is EntryRole.PAYMENT and entry.state in COMMITTED
        ]
    return sorted((each.good.part, each.satoshis) for each in paid if each)


def parts_and_prices(producer: Any) -> list[tuple[int, int]]:
    """What the plan has for each part; the host asks ten satoshis for the small one."""

    async def plan() -> list[tuple[int, int]]:
        return [(each.good.part, each.satoshis) for each in (await producer.plan()).plan.purchases]

    found = [(part, price) for part, price in producer.in_child(plan)]
    (first, price), last = found
    assert (first, price > 10, last) == (0, True, (1, 10))
    return found


@pytest.mark.long
def test_content_of_several_parts_is_paid_part_by_part(large):
    planned = parts_and_prices(large)

    async def apply() -> dict[str, Any]:
        finished = await large.apply()
        again = await large.apply()
        return {
            "storage": finished.planned.plan.cost.storage_satoshis,
            "again": again.applied is None,
            "paid": await payments_of(large),
        }

    found = large.in_child(apply)
    assert found == {
        "storage": sum(price for _, price in planned),
        "again": True,
        "paid": [list(each) for each in planned],
    }
    check_paid_once(large)


def second_payment(state: JournalState, kill: Any) -> Any:
    """Listens to an apply, and kills it where its second payment comes to a state."""
    payments: set[str] = set()
    reached: set[str] = set()

    def tell(event: Event | Moved | Progress) -> None:
        match event:
            case Event(step=Step.BUILD) if event.detail.startswith(EntryRole.PAYMENT):
                payments.add(event.subject)
            case Moved() if event.state is state and event.entry in payments:
                reached.add(event.entry)
                if len(reached) == 2:
                    kill()

    return tell


def first_paid(kill: Any) -> Any:
    """Listens to an apply, and kills it where the first payment is accepted."""

    def tell(event: Event | Moved | Progress) -> None:
        if isinstance(event, Event) and event.step is Step.PAY:
            kill()

    return tell


def first_brought(kill: Any) -> Any:
    """A door that kills where the host has the bytes of the first part."""

    def look(method: str, url: str, reply: Reply) -> Reply:
        if method == "PUT":
            kill()
        return reply

    return lambda http: Door(http, after=look)


@pytest.mark.long
@pytest.mark.parametrize(
    "killing",
    [
        lambda kill: {"tell": first_paid(kill)},
        lambda kill: {"http": first_brought(kill)},
        lambda kill: {"tell": second_payment(JournalState.SENDING, kill)},
        lambda kill: {"tell": second_payment(JournalState.SEEN, kill)},
    ],
    ids=["first paid", "first brought", "second leaves", "second seen"],
)
def test_a_kill_between_the_payments_of_two_parts_pays_neither_twice(large, kill, killing):
    planned = parts_and_prices(large)

    async def die() -> None:
        await large.apply(**killing(kill))

    async def count() -> list[tuple[int, int]]:
        return await payments_of(large)

    assert large.in_child(die) is None  # it was killed
    found = check_converges(large, "After")
    assert (found["generation"], found["records"]) == (1, 1)
    assert large.in_child(count) == [list(each) for each in planned]
    check_paid_once(large)


@pytest.mark.long
def test_content_that_nobody_wants_any_more_after_a_kill_stays_paid_and_is_told(paid, kill):
    assert paid.in_child(applying(paid, EntryRole.PAYMENT, JournalState.SENDING, kill)) is None
    (paid.folder / "data" / "a.csv").unlink()
    (paid.folder / "data" / "b.csv").unlink()
    paid.data("c.csv", "id,value\n3,three\n")
    found = check_converges(paid, "After")
    assert (found["records"], found["tokens"]) == (1, 2)

    async def open_ones() -> int:
        async with paid.site() as site, site.database.reading() as connection:
            return len(await Purchases(connection).open())

    assert paid.in_child(open_ones) == 1


@pytest.mark.long
def test_a_hundred_kills_at_random_times_pay_nothing_twice(paid, request):
    """Each round edits a file; a hundred of them are killed. After every fifth kill it must converge."""
    chance = random.Random(request.node.name)
    whole, killed, number = 1.0, 0, 0
    while killed < 100:
        number += 1
        paid.data("a.csv", f"id,value\n{number},x\n")
        started = time.monotonic()
        if paid.in_child(_applied(paid), kill_after=chance.uniform(0.0, whole)) is not None:
            whole = time.monotonic() - started
            continue
        killed += 1
        if killed % 5 == 0:
            found = check_converges(paid, "After")
            assert (found["records"], found["tokens"]) == (2, 3)
    check_paid_at_most_once(paid)


def check_paid_at_most_once(producer: Any) -> None:
    """What was never applied after a kill may be paid and not had: each good once."""

    async def count() -> dict[str, int]:
        async with producer.site() as site, site.database.reading() as connection:
            paid = [
                await Purchases(connection).get(entry.id)
                for entry in await Journal(connection).list(10_000)
                if entry.role is EntryRole.PAYMENT and entry.state in COMMITTED
            ]
        return Counter(f"{each.good.host} {each.good.content} {each.good.part}" for each in paid if each)

    found = producer.in_child(count)
    assert found
    assert set(found.values()) == {1}


def _applied(producer: Any) -> Any:
    async def apply() -> int:
        return (await producer.apply()).planned.plan.generation

    return apply
