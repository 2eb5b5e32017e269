"""I1: killed at any instant, the next apply converges; no duplicate live token, no lost or double-locked coin."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterable, Mapping
from typing import Any

import pytest

from reconciler.apply.events import Event, Moved, Progress, Step
from reconciler.model.journal import JournalState
from reconciler.wire.http import ANSWER, Http, Reply

KILLED_AT = {
    JournalState.PREPARED: "signed and written down, nothing sent",
    JournalState.SENDING: "about to be sent, perhaps sent",
    JournalState.SUBMITTED: "taken by ARC, not seen",
    JournalState.CONTESTED: "in conflict, undecided",
    JournalState.SEEN: "committed, hosts not told",
    JournalState.MINED: "proven",
    JournalState.REFUSED: "judged by whoever was given it",
    JournalState.VOID: "given up by the apply that came after another kill",
}
STEPS = (Step.UPLOAD, Step.BUILD, Step.BROADCAST, Step.DELIVER, Step.VERIFY)


def test_every_state_of_the_journal_has_its_kill_test():
    assert set(KILLED_AT) == set(JournalState)


class Doubting:
    """ARC that at first says something else of a transaction than it does with it."""

    def __init__(self, http: Http, status: str) -> None:
        self._http = http
        self._status = status
        self._doubts = 1

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        within: float = 10.0,
        limit: int = ANSWER,
    ) -> Reply:
        is_doubted = method == "POST" and "/v1/tx" in url and self._doubts > 0
        self._doubts -= is_doubted
        if is_doubted and self._status == "465":
            return Reply(url, 465, {}, b'{"status": 465, "detail": "Fee too low"}')
        reply = await self._http.request(method, url, headers=headers, content=content, within=within, limit=limit)
        if is_doubted:
            assert b"SEEN_ON_NETWORK" in reply.body
            body = reply.body.replace(b"SEEN_ON_NETWORK", self._status.encode())
            return Reply(reply.url, reply.status, reply.headers, body)
        return reply

    def stream(self, url: str, *, headers: Mapping[str, str] | None = None, within: float = 10.0) -> Any:
        return self._http.stream(url, headers=headers, within=within)


DOUBTS = {
    JournalState.SUBMITTED: "ANNOUNCED_TO_NETWORK",
    JournalState.CONTESTED: "DOUBLE_SPEND_ATTEMPTED",
    JournalState.REFUSED: "465",
}


def check_converges(producer: Any, title: str) -> dict[str, int]:
    """Apply again until done; then nothing is pending, everything adds up, and there is one truth on the public host."""

    async def converge() -> dict[str, int]:
        finished = await producer.apply()
        if finished.applied is not None:
            assert not finished.applied.undelivered
            assert not any(finished.applied.missing.values())
        assert not finished.recovered.failed
        assert (await producer.plan()).plan.is_empty
        catalog = await producer.catalog()
        assert catalog.live.document.public["displayName"] == title
        audited = await producer.audit()
        assert audited.differences == ()
        assert audited.in_flight == ()
        assert audited.balance.locked == 0
        return {
            "generation": catalog.root.generation,
            "records": len(catalog.records),
            "total": audited.balance.total,
            "tokens": audited.tokens,
        }

    result = producer.in_child(converge)
    assert result is not None
    return dict(result)


@pytest.mark.parametrize(
    "state", [state for state in JournalState if state not in {JournalState.MINED, JournalState.VOID}]
)
@pytest.mark.parametrize("genesis", [True, False], ids=["genesis", "update"])
def test_a_kill_in_any_state_of_the_journal_loses_nothing(producer, kill, state, genesis):
    producer.write(title="Before")
    if not genesis:
        check_converges(producer, "Before")
    producer.write(title="After")

    async def die() -> None:
        def tell(event: Event | Moved | Progress) -> None:
            if isinstance(event, Moved) and event.state is state:
                kill()

        await producer.apply(tell=tell, http=lambda http: Doubting(http, DOUBTS[state]) if state in DOUBTS else http)

    assert producer.in_child(die) is None  # it was killed
    found = check_converges(producer, "After")
    assert found["generation"] == (1 if genesis else 2)
    assert (found["records"], found["tokens"]) == (2, 3)


def test_a_kill_while_a_proof_is_written_down_loses_nothing(producer, kill):
    async def die() -> None:
        def tell(event: Event | Moved | Progress) -> None:
            if isinstance(event, Moved) and event.state is JournalState.MINED:
                kill()

        async with producer.site() as site:
            await site.toy.ledger.mine()
            reconciler, desired = await producer.reconciler(site, tell=tell)
            from reconciler.plan.options import PlanOptions

            await reconciler.plan(desired, PlanOptions())

    producer.write(title="Proven")
    producer.in_child(_applied(producer))
    assert producer.in_child(die) is None
    assert check_converges(producer, "Proven")["generation"] == 1


def test_a_kill_while_an_unsent_entry_is_voided_loses_nothing(producer, kill):
    def killing(state: JournalState) -> Any:
        async def die() -> None:
            def tell(event: Event | Moved | Progress) -> None:
                if isinstance(event, Moved) and event.state is state:
                    kill()

            await producer.apply(tell=tell)

        return die

    producer.write(title="Twice unlucky")
    assert producer.in_child(killing(JournalState.PREPARED)) is None
    assert producer.in_child(killing(JournalState.VOID)) is None
    assert check_converges(producer, "Twice unlucky")["generation"] == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_after_any_step_loses_nothing(producer, kill, step):
    async def die() -> None:
        def tell(event: Event | Moved | Progress) -> None:
            if isinstance(event, Event) and event.step is step:
                kill()

        await producer.apply(tell=tell)

    producer.write(title="After a step")
    assert producer.in_child(die) is None
    assert check_converges(producer, "After a step")["generation"] == 1


@pytest.mark.long
def test_a_hundred_kills_at_random_times_lose_nothing(producer, request):
    """Each round edits the title and a file, and applies; a hundred of them are killed, some five in a row.

    After every fifth kill it must converge.
    """
    chance = random.Random(request.node.name)
    producer.in_child(_applied(producer))
    first = producer.in_child(_audited(producer))
    whole, killed, number = 0.5, 0, 0
    while killed < 100:
        number += 1
        title = f"Round {number}"
        producer.write(title=title)
        producer.data("a.csv", f"id,value\n{number},x\n")
        started = time.monotonic()
        if producer.in_child(_applied(producer), kill_after=chance.uniform(0.0, whole)) is not None:
            whole = time.monotonic() - started  # it was quicker than that
            continue
        killed += 1
        if killed % 5 == 0:
            found = check_converges(producer, title)
            assert (found["records"], found["tokens"]) == (2, 3)
    last = producer.in_child(_audited(producer))
    assert first["total"] - last["total"] == last["fees"] - first["fees"] > 0


def _applied(producer: Any) -> Any:
    async def apply() -> int:
        return (await producer.apply()).planned.plan.generation

    return apply


def _audited(producer: Any) -> Any:
    async def audited() -> dict[str, int]:
        found = await producer.audit()
        return {"total": found.balance.total, "fees": found.fees}

    return audited
