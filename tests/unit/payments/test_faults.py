"""With ARC away, slow or wrong, with the database busy, under reorgs: paid once, and not for nothing."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.model.errors import RefusedError, TransientError, UnreachableError
from reconciler.model.payment import Accept, PaymentState
from reconciler.payments.conditions import Conditions
from reconciler.payments.till import PendingError
from reconciler.payments.verdict import GIVEN_UP_AFTER, Policy
from reconciler.store.payments import Payments
from reconciler.wire.arc import TxReport, TxStatus
from tests.paying import FEE, GOOD, PRICE, Between, bring, offer

MINED = Conditions(policy=Policy(accept=Accept.MINED))


async def gone(*_):
    raise UnreachableError("no route")


async def paid(shop, buyer, **how):
    return await buyer.pay(shop.till().charge(offer(buyer)), **how)


async def state_of(shop, txid):
    async with shop.database.reading() as connection:
        payment = await Payments(connection).find(txid)
    return None if payment is None else payment.state


async def test_while_arc_is_away_a_payment_is_pending_and_nothing_is_given_up(shop, buyer):
    header = await paid(shop, buyer)
    away = shop.till(miner=Between(shop.arc, before={"submit": gone, "status": gone}))
    with pytest.raises(PendingError):
        await bring(away, header, offer(buyer))
    assert sum(shop.waiting.seconds) > 30
    shop.clock.now += 10 * GIVEN_UP_AFTER
    await away.settle()
    assert await state_of(shop, header.subject) is PaymentState.PENDING
    assert (await bring(shop.till(), header, offer(buyer))).state is PaymentState.ACCEPTED


async def test_a_slow_arc_does_not_hold_a_request_for_longer_than_it_may_be_held(shop, buyer):
    answering = asyncio.Event()
    header = await paid(shop, buyer)
    slow = shop.till(miner=Between(shop.arc, before={"submit": answering.wait}), hold_seconds=0.01)
    with pytest.raises(PendingError):
        await bring(slow, header, offer(buyer))
    assert await state_of(shop, header.subject) is PaymentState.PENDING
    answering.set()
    shop.clock.now += 60
    await slow.settle()
    assert await state_of(shop, header.subject) is PaymentState.ACCEPTED


@pytest.mark.parametrize("status", [TxStatus.RECEIVED, TxStatus.UNKNOWN, TxStatus.SEEN_IN_ORPHAN_MEMPOOL])
async def test_a_payment_is_held_until_the_network_has_seen_it(shop, buyer, status):
    answers = [status, status]

    async def early(report: TxReport) -> TxReport:
        return TxReport(txid=report.txid, status=answers.pop()) if answers else report

    header = await paid(shop, buyer)
    payment = await bring(shop.till(miner=Between(shop.arc, after={"submit": early})), header, offer(buyer))
    assert payment.state is PaymentState.ACCEPTED
    assert shop.waiting.seconds == [0.5, 1.0]


@pytest.mark.parametrize("chain", [{"verified": gone}, {"proven": gone}], ids=["not checked", "not asked"])
async def test_without_headers_nothing_is_refused(shop, buyer, chain):
    header = await paid(shop, buyer)
    try:
        await bring(shop.till(chain=Between(shop.headers, before=chain)), header, offer(buyer))
    except TransientError:
        assert await state_of(shop, header.subject) in {None, PaymentState.PENDING}
    assert (await bring(shop.till(), header, offer(buyer))).state is PaymentState.ACCEPTED


@pytest.mark.parametrize("code", ["401", "409", "500"])
async def test_what_arc_says_of_us_is_not_the_buyers_fault(shop, buyer, code):
    async def refuse(*_):
        raise RefusedError("no", code=code)

    header = await paid(shop, buyer)
    with pytest.raises(PendingError):
        await bring(shop.till(miner=Between(shop.arc, before={"submit": refuse})), header, offer(buyer))
    assert (await bring(shop.till(), header, offer(buyer))).state is PaymentState.ACCEPTED


async def test_what_arc_says_of_the_transaction_is_final_until_a_block_has_it(shop, buyer):
    async def refuse(*_):
        raise RefusedError("fees are too low", code="465")

    header = await paid(shop, buyer)
    with pytest.raises(RefusedError, match="fees are too low") as error:
        await bring(shop.till(miner=Between(shop.arc, before={"submit": refuse})), header, offer(buyer))
    assert error.value.code == "ERR_PAYMENT_FAILED"
    assert await shop.till().owed(buyer.identity, GOOD) is None

    await shop.ledger.submit(header.beef.transactions[header.subject].transaction)
    shop.clock.now += 60
    await shop.till().settle()
    assert await state_of(shop, header.subject) is PaymentState.REFUSED
    await shop.ledger.mine()
    shop.clock.now += 60
    await shop.till().settle()
    assert (await shop.till().owed(buyer.identity, GOOD)).txid == header.subject


async def test_the_coin_of_a_refused_payment_can_pay_again_and_what_is_mined_counts(shop, buyer):
    async def refuse(*_):
        raise RefusedError("fees are too low", code="465")

    coin = await buyer.coin(3 * PRICE)
    first = await paid(shop, buyer, coin=coin)
    with pytest.raises(RefusedError):
        await bring(shop.till(miner=Between(shop.arc, before={"submit": refuse})), first, offer(buyer))
    second = await paid(shop, buyer, coin=coin)
    assert (await bring(shop.till(), second, offer(buyer))).txid == second.subject

    await shop.ledger.replace(second.subject, first.beef.transactions[first.subject].transaction)
    shop.clock.now += 60
    await shop.till().settle()
    assert await state_of(shop, first.subject) is PaymentState.ACCEPTED
    assert await state_of(shop, second.subject) is PaymentState.UNBOOKED


class Broken:
    """A database that cannot be reached for the first so many transactions."""

    def __init__(self, database, times: int) -> None:
        self._database = database
        self.times = times

    async def write(self, work):
        self._check()
        return await self._database.write(work)

    async def jot(self, work):
        self._check()
        return await self._database.jot(work)

    async def read(self, work):
        self._check()
        return await self._database.read(work)

    async def glance(self, work):
        self._check()
        return await self._database.glance(work)

    def _check(self):
        self.times -= 1
        if self.times == 0:
            raise UnreachableError("the database is busy")


@pytest.mark.parametrize("which", [1, 2, 3])
async def test_a_database_that_is_busy_at_any_step_loses_nothing(shop, buyer, which):
    header = await paid(shop, buyer)
    with pytest.raises(TransientError, match="busy"):
        await bring(shop.till(database=Broken(shop.database, which)), header, offer(buyer))
    assert (await bring(shop.till(), header, offer(buyer))).txid == header.subject


async def test_above_the_limit_a_payment_is_good_when_it_is_mined(shop, buyer):
    dear = Conditions(policy=Policy(limit=PRICE - 1))
    header = await paid(shop, buyer)
    with pytest.raises(PendingError):
        await bring(shop.till(), header, offer(buyer), dear)
    assert await shop.standing(header.subject) == "seen"
    shop.waiting.meanwhile = shop.ledger.mine
    payment = await bring(shop.till(), header, offer(buyer), dear)
    assert (payment.state, payment.height is not None) == (PaymentState.ACCEPTED, True)


async def test_up_to_the_limit_it_is_good_when_it_is_seen(shop, buyer):
    cheap = Conditions(policy=Policy(accept=Accept.SEEN, limit=PRICE))
    payment = await bring(shop.till(), await paid(shop, buyer), offer(buyer), cheap)
    assert payment.state is PaymentState.ACCEPTED


async def test_a_seller_may_want_every_payment_mined(shop, buyer):
    header = await paid(shop, buyer)
    with pytest.raises(PendingError):
        await bring(shop.till(), header, offer(buyer), MINED)
    await shop.ledger.mine()
    assert (await bring(shop.till(), header, offer(buyer))).state is PaymentState.ACCEPTED


async def test_a_conflict_before_delivery_makes_a_payment_pending_again(shop, buyer):
    coin = await buyer.coin(PRICE + FEE)
    header = await paid(shop, buyer, coin=coin)
    await bring(shop.till(), header, offer(buyer))
    await shop.ledger.submit(await shop.rival(buyer, coin))
    shop.clock.now += 60
    (looked,) = await shop.till().settle()
    assert looked.state is PaymentState.PENDING
    await shop.ledger.mine()
    assert (await bring(shop.till(), header, offer(buyer))).state is PaymentState.ACCEPTED


async def test_a_payment_that_the_network_does_not_show_for_an_hour_is_given_up_and_credited_when_it_is_mined(
    shop, buyer
):
    async def unseen(report: TxReport) -> TxReport:
        return TxReport(txid=report.txid, status=TxStatus.STORED)

    header = await paid(shop, buyer)
    blind = shop.till(miner=Between(shop.arc, after={"submit": unseen, "status": unseen}))
    with pytest.raises(PendingError):
        await bring(blind, header, offer(buyer))
    shop.clock.now += GIVEN_UP_AFTER - 1
    await blind.settle()
    assert await state_of(shop, header.subject) is PaymentState.PENDING
    shop.clock.now += 60
    await blind.settle()
    assert await state_of(shop, header.subject) is PaymentState.REFUSED

    await shop.ledger.mine()
    shop.clock.now += 60
    await shop.till().settle()
    assert (await shop.till().owed(buyer.identity, GOOD)).state is PaymentState.ACCEPTED


async def test_a_payment_that_is_given_up_long_after_it_came_is_looked_for_all_the_same(shop, buyer):
    async def unseen(report: TxReport) -> TxReport:
        return TxReport(txid=report.txid, status=TxStatus.STORED)

    header = await paid(shop, buyer)
    await bring(shop.till(), header, offer(buyer))
    await shop.till().delivered(header.subject)
    shop.clock.now += 3 * 86_400
    blind = shop.till(miner=Between(shop.arc, after={"submit": unseen, "status": unseen}))
    for seconds in (0, GIVEN_UP_AFTER, 60, 60):
        shop.clock.now += seconds
        await blind.settle()
    assert await state_of(shop, header.subject) is PaymentState.UNBOOKED
    await shop.ledger.mine()
    shop.clock.now += 60
    await shop.till().settle()
    assert await state_of(shop, header.subject) is PaymentState.ACCEPTED


async def test_a_proof_that_a_reorg_takes_is_looked_for_again(shop, buyer):
    header = await paid(shop, buyer)
    till = shop.till()
    await bring(till, header, offer(buyer))
    await till.delivered(header.subject)
    await shop.ledger.mine()
    shop.clock.now += 60
    (looked,) = await till.settle()
    proven = looked.height
    assert proven == await shop.ledger.height()
    assert await till.settle() == ()

    await shop.ledger.reorg(1)
    shop.clock.now += 60
    (looked,) = await till.settle()
    assert (looked.height, looked.state) == (None, PaymentState.DELIVERED)
    await shop.ledger.mine()
    shop.clock.now += 60
    (looked,) = await till.settle()
    assert looked.height > proven


async def test_a_reorg_that_brings_a_rival_unbooks_what_was_mined(shop, buyer):
    coin = await buyer.coin(PRICE + FEE)
    header = await paid(shop, buyer, coin=coin)
    till = shop.till()
    await bring(till, header, offer(buyer))
    await till.delivered(header.subject)
    await shop.ledger.mine()
    shop.clock.now += 60
    await till.settle()
    await shop.ledger.reorg(1, drop=[header.subject], instead=[await shop.rival(buyer, coin)])
    for _ in range(2):
        shop.clock.now += 60
        (looked,) = await till.settle()
    assert looked.state is PaymentState.UNBOOKED


async def test_what_a_reorg_has_unproven_is_looked_at_at_once_though_the_chain_is_no_longer_than_before(shop, buyer):
    async def as_before(_):
        return 200

    coin = await buyer.coin(PRICE + FEE)
    header = await paid(shop, buyer, coin=coin)
    till = shop.till(chain=Between(shop.headers, after={"height": as_before}))
    await bring(till, header, offer(buyer))
    await till.delivered(header.subject)
    await shop.ledger.mine()
    shop.clock.now += 60
    (looked,) = await till.settle()
    assert looked.height is not None
    await shop.ledger.reorg(1, drop=[header.subject], instead=[await shop.rival(buyer, coin)])
    shop.clock.now += 600
    (looked,) = await till.settle()
    assert looked.height is None


async def test_rounds_go_on_after_a_failure_and_settle_what_nobody_waits_for(shop, buyer):
    header = await paid(shop, buyer)
    with pytest.raises(PendingError):
        await bring(shop.till(miner=Between(shop.arc, before={"submit": gone})), header, offer(buyer))
    shop.clock.now += 60
    settled = asyncio.Event()

    async def look():
        if await state_of(shop, header.subject) is PaymentState.ACCEPTED:
            settled.set()
            await asyncio.Event().wait()

    shop.waiting.meanwhile = look
    work = asyncio.create_task(shop.till(database=Broken(shop.database, 1)).settling())
    await settled.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_two_processes_do_not_look_at_the_same_payment_at_the_same_time(shop, buyer):
    for _ in range(3):
        header = await paid(shop, buyer)
        await bring(shop.till(), header, offer(buyer))
    shop.clock.now += 60
    rounds = await asyncio.gather(*(shop.till().settle() for _ in range(4)))
    assert sorted(map(len, rounds)) == [0, 0, 0, 3]


async def test_what_is_mined_is_not_lost_while_the_headers_lag(shop, buyer):
    async def not_yet(_: bool) -> bool:
        return False

    header = await paid(shop, buyer)
    await bring(shop.till(), header, offer(buyer))
    await shop.ledger.mine()
    lagging = shop.till(chain=Between(shop.headers, after={"proven": not_yet}))
    for _ in range(3):
        shop.clock.now += GIVEN_UP_AFTER
        (looked,) = await lagging.settle()
        assert (looked.state, looked.height) == (PaymentState.ACCEPTED, None)
    shop.clock.now += 60
    (looked,) = await shop.till().settle()
    assert looked.height == await shop.ledger.height()


@pytest.mark.parametrize("proof", [b"", b"\x00", b"\xff" * 40])
async def test_a_proof_that_is_none_proves_nothing(shop, buyer, proof):
    async def wrong(report: TxReport) -> TxReport:
        return TxReport(txid=report.txid, status=TxStatus.MINED, merkle_path=proof)

    header = await paid(shop, buyer)
    till = shop.till(miner=Between(shop.arc, after={"submit": wrong}))
    with pytest.raises(PendingError):
        await bring(till, header, offer(buyer), MINED)
