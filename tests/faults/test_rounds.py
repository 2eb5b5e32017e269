"""I3, again and again: two approved plans against one root, from two databases, started together."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.errors import DONE, PARTIAL, STALE, exit_code
from reconciler.model.errors import OverlayError
from reconciler.model.ids import Digest, Outpoint
from reconciler.model.journal import JournalState
from reconciler.plan.action import Action
from reconciler.plan.document import plan_id
from reconciler.plan.options import PlanOptions
from reconciler.store.journal import Journal
from reconciler.wire.transaction import parse_transaction

ROUNDS = 20
BLOCK_SECONDS = 0.1


class Start:
    """Lets two transactions leave for ARC at one moment; whoever ends before that holds nobody up."""

    def __init__(self) -> None:
        self._both = asyncio.Barrier(2)

    async def line_up(self, method: str, url: str) -> None:
        if method == "POST" and "/v1/tx" in url:
            with suppress(asyncio.BrokenBarrierError):
                await self._both.wait()
            await self._both.abort()  # what is sent again goes at once

    async def leave(self) -> None:
        await self._both.abort()


async def approved(machine: Any, plan: Digest, door: Any, start: Start | None) -> int:
    """`overlay apply --approved`, and the exit code it would have."""

    async def nobody(_: Any) -> bool:
        raise AssertionError("an approved plan is not asked about")

    async with machine.site() as site:
        site.toy.ledger.block_time = BLOCK_SECONDS
        reconciler, desired = await machine.reconciler(
            site, http=lambda http: door(http, before=start.line_up) if start else http
        )
        try:
            finished = await reconciler.apply(desired, PlanOptions(), agree=nobody, halted=lambda: False, approved=plan)
        except OverlayError as error:
            return exit_code(error)
        finally:
            if start:
                await start.leave()
    assert finished.applied is not None
    return PARTIAL if finished.is_partial else DONE


def spenders(chain: Path, outpoint: Outpoint) -> int:
    """How many mined transactions spend it."""
    with sqlite3.connect(chain) as database:
        mined = [parse_transaction(raw) for (raw,) in database.execute("select raw from tx where place = 'chain'")]
    return sum(spent.outpoint == outpoint for transaction in mined for spent in transaction.inputs)


async def void(machine: Any) -> int:
    """How many transactions of this machine have lost."""
    async with machine.site() as site, site.database.begin() as connection:
        return sum(entry.state is JournalState.VOID for entry in await Journal(connection).list(1000))


@pytest.mark.long
async def test_in_twenty_rounds_of_two_one_applies_and_the_other_plans_again(twins, door):
    here, there = twins
    await here.apply()
    assert (await there.apply()).applied is None
    for number in range(ROUNDS):
        for machine, name in ((here, "Here"), (there, "There")):
            machine.write(title=f"{name} {number}")
        plans = [(await machine.plan()).plan for machine in twins]
        assert plans[0].root == plans[1].root
        start = Start() if number % 2 else None  # every other time nobody sees the other before both are on their way
        codes = await asyncio.gather(
            *(approved(machine, plan_id(plan), door, start) for machine, plan in zip(twins, plans, strict=True))
        )
        assert sorted(codes) == [DONE, STALE], f"round {number}"
        assert plans[0].root is not None
        async with here.site() as site:
            await site.toy.ledger.mine()
        assert spenders(here.home / "embedded" / "world" / "chain.db", plans[0].root) == 1

    assert await void(here) + await void(there) >= ROUNDS // 2
    for machine in twins:
        machine.write(title="Peace")
        await machine.apply()
        audited = await machine.audit()
        assert (audited.differences, audited.in_flight, audited.balance.locked) == ((), (), 0)
    assert (await here.catalog()).live.document.generation == ROUNDS + 2


async def test_what_is_applied_while_another_machine_reads_is_read_again(twins, door):
    here, there = twins
    await here.apply()
    await there.apply()
    here.write(title="Second")
    await here.apply()
    lookups = 0

    async def before(method: str, url: str) -> None:
        nonlocal lookups
        lookups += url.endswith("/lookup")
        if lookups == 2:  # the root was shown, its records are asked for
            lookups += 1
            here.data("c.csv", "id,value\n3,three\n")
            here.write(title="Third")
            await here.apply()

    async with there.site() as site:
        reconciler, desired = await there.reconciler(site, http=lambda http: door(http, before=before))
        planned = await reconciler.plan(desired, PlanOptions())
    assert planned.plan.previous_generation == 3
    gone = [str(change.object) for change in planned.plan.changes if change.action is Action.DELETE]
    assert gone[0] == "record/dataset/tables/data/c.csv"
