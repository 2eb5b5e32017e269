"""Settlements and refunds, killed in every state of theirs: each coin goes out once, to the satoshi, and nothing stays behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from reconciler.model.journal import JournalState
from reconciler.model.keys import FUNDING_KEY
from reconciler.model.payment import PaymentEvent
from reconciler.model.payout import STANDING, PayoutKind
from reconciler.payments.treasury import Daily, Treasury
from reconciler.store.buyer_credits import Credits
from reconciler.store.payments import Payments
from reconciler.store.payouts import Payouts
from reconciler.wallet.signing import Lock, Spendable
from reconciler.wire.arc import TxStatus
from tests.paying import Between, bring, in_children, keys_of, kill, offer, open_shop

PRODUCER = keys_of("the producer")
AMOUNTS = (1000, 2000)
KINDS = tuple(PayoutKind)
WORDS = {
    JournalState.SUBMITTED: TxStatus.RECEIVED,
    JournalState.CONTESTED: TxStatus.DOUBLE_SPEND_ATTEMPTED,
    JournalState.REFUSED: TxStatus.REJECTED,
}
"""What ARC has to say for a payout to get there, whatever the chain makes of it."""

ALWAYS = {JournalState.SENDING}
"""Killed in every run of the tests; the others when there is time."""

CASES = [
    pytest.param(kind, state, marks=() if state in ALWAYS else pytest.mark.long)
    for kind in KINDS
    for state in JournalState
]


def treasury(shop, **more):
    async def cadence():
        return Daily(1, None)

    given = {
        "database": shop.database,
        "keys": shop.keys,
        "producer": PRODUCER.identity,
        "miner": shop.arc,
        "chain": shop.headers,
        "clock": shop.clock,
        "cadence": cadence,
    }
    return Treasury(**{**given, **more})


async def passed(shop, rounds=1, **more):
    """Blocks come, and whoever looks, looks."""
    for _ in range(rounds):
        await shop.ledger.mine()
        shop.clock.now += 4000
        await shop.till().settle()
        await treasury(shop, **more).round()


def saying(shop, status):
    """An ARC that takes what it is given, and says something else of it."""

    async def said(report):
        return report if report is None else replace(report, status=status, merkle_path=None)

    return Between(shop.arc, after={"submit": said, "status": said})


def killing(shop, state):
    """A database after whose writing this process ends, as soon as a payout has got there."""

    async def look(result):
        if any(payout.state is state for payout in await everything(shop)):
            kill()
        return result

    return Between(shop.database, after={"write": look})


async def everything(shop):
    """Every payout, whatever has become of it."""
    async with shop.database.reading() as connection:
        rows = await connection.exec_driver_sql("SELECT txid FROM payouts ORDER BY made, txid")
        return [await Payouts(connection).find(bytes(row[0]).hex()) for row in rows]


async def all_payments(connection):
    rows = await connection.exec_driver_sql("SELECT txid FROM payments ORDER BY booked, txid")
    return [await Payments(connection).get(bytes(row[0]).hex()) for row in rows]


@dataclass
class Run:
    """One gateway, in one process after the other."""

    folder: Path
    url: str
    name: str
    kind: PayoutKind
    state: JournalState

    def there(self):
        return open_shop(self.folder, self.url, self.name)

    async def make(self):
        """Two payments that are proven; they are to be given back where refunds are tried."""
        async with self.there() as shop:
            till = shop.till()
            for number, amount in enumerate(AMOUNTS):
                buyer = shop.buyer(str(number))
                wanted = offer(buyer, price=amount)
                payment = await bring(till, await buyer.pay(till.charge(wanted)), wanted)
                if self.kind is PayoutKind.REFUND:
                    async with shop.database.begin() as connection:
                        await Payments(connection).move(payment, PaymentEvent.RETURN, reason="late")
            await shop.ledger.mine()
            shop.clock.now += 100
            await till.settle()

    async def die(self):
        """Go on until a payout is in the state."""
        async with self.there() as shop:
            shop.clock.now += 4000
            miner = saying(shop, WORDS[self.state]) if self.state in WORDS else shop.arc
            if self.state is JournalState.VOID:
                await passed(shop)
                await lose_the_first(shop)
            for _ in range(3):
                await passed(shop, database=killing(shop, self.state), miner=miner)

    async def finish(self):
        """Go on as if nothing had happened; what it came to."""
        async with self.there() as shop:
            shop.clock.now += 20_000
            for _ in range(4):
                await passed(shop)
            return await outcome(shop)


async def lose_the_first(shop):
    """The network takes another transaction that spends the coin of the first payment."""
    async with shop.database.reading() as connection:
        first = min(await all_payments(connection), key=lambda payment: payment.satoshis)
    rival = await shop.rival(shop.buyer("0"), (buyer_coin(first), None))
    await shop.ledger.reorg(3, drop=[first.txid], instead=[rival])


async def outcome(shop):
    async with shop.database.reading() as connection:
        payments = await all_payments(connection)
        credited = [await Credits(connection).of_payment(payment.txid) for payment in payments]
    standing = [payout for payout in await everything(shop) if payout.state in STANDING]
    return {
        "states": [payout.state for payout in standing],
        "chain": [await shop.standing(payout.txid) for payout in standing],
        "spent": [str(outpoint) for payout in standing for outpoint in payout.inputs],
        "paid": sum(payout.satoshis + payout.fee for payout in standing),
        "owed": [str(payment.coin.outpoint) for payment in payments if payment.holds],
        "due": sum(payment.satoshis for payment in payments if payment.holds),
        "lost": sum(not payment.holds for payment in payments),
        "credited": [each for each in credited if each],
    }


@pytest.mark.parametrize(("kind", "state"), CASES)
def test_a_kill_in_this_state_sends_every_coin_once(tmp_path, database_url, request, kind, state):
    run = Run(tmp_path, database_url, request.node.name, kind, state)
    asyncio.run(run.make())
    assert in_children(run.die) == [None]
    (found,) = in_children(run.finish)
    assert set(found["states"]) == {JournalState.MINED}
    assert set(found["chain"]) == {"mined"}
    assert sorted(found["spent"]) == sorted(found["owed"])
    assert (found["paid"], found["credited"]) == (found["due"], [])
    assert found["lost"] == (state is JournalState.VOID)


def buyer_coin(payment):
    """What a payment has spent, as its buyer can spend it."""
    (spent,) = payment.inputs
    parent = payment.beef.transactions[spent.txid].transaction
    return Spendable(spent, parent.outputs[spent.vout], FUNDING_KEY, Lock.P2PKH)


def test_the_test_knows_every_state():
    assert {(case.values[0], case.values[1]) for case in CASES} == {
        (kind, state) for kind in PayoutKind for state in JournalState
    }
