from __future__ import annotations

import json

from reconciler.chain.notices import LEASE
from reconciler.wire.arc import Callback, TxStatus, parse_report

EVERY = Callback(url="http://gateway.embedded/arc", token="secret")
FINAL = Callback(url="http://gateway.embedded/final", every=False)


async def collect(ledger, clock, rounds=10):
    """Everything that is due, in order, as if each arrived."""
    told = []
    for _ in range(rounds):
        for delivery in await ledger.claim_callbacks():
            report = parse_report(json.loads(delivery.body))
            told.append((delivery.url.rsplit("/", 1)[1], report.status))
            await ledger.called_back(delivery, arrived=True)
    return told


async def test_whoever_wants_everything_hears_of_every_change(ledger, payer, fund, clock):
    payment = payer.pay([await fund()], [99_000])
    await ledger.submit(payment, callback=EVERY)
    await ledger.mine()
    await ledger.reorg(1)
    await ledger.mine()
    assert await collect(ledger, clock) == [
        ("arc", TxStatus.SEEN_ON_NETWORK),
        ("arc", TxStatus.MINED),
        ("arc", TxStatus.MINED_IN_STALE_BLOCK),
        ("arc", TxStatus.SEEN_ON_NETWORK),
        ("arc", TxStatus.MINED),
    ]


async def test_whoever_wants_the_end_hears_of_the_end(ledger, payer, fund, clock):
    parent = await fund()
    winner, loser = payer.pay([parent], [99_000]), payer.pay([parent], [98_000])
    await ledger.submit(winner, callback=FINAL)
    await ledger.submit(loser, callback=FINAL)
    await ledger.mine()
    assert await collect(ledger, clock) == [("final", TxStatus.MINED), ("final", TxStatus.REJECTED)]


async def test_the_same_subscription_twice_is_one(ledger, payer, fund, clock):
    payment = payer.pay([await fund()], [99_000])
    await ledger.submit(payment, callback=EVERY)
    await ledger.submit(payment, callback=EVERY)
    assert await collect(ledger, clock) == [("arc", TxStatus.SEEN_ON_NETWORK)]


async def test_who_comes_late_is_told_how_things_stand(ledger, payer, fund, clock):
    payment = payer.pay([await fund()], [99_000])
    await ledger.submit(payment, callback=EVERY)
    await ledger.mine()
    await collect(ledger, clock)
    await ledger.submit(payment, callback=FINAL)
    assert await collect(ledger, clock) == [("final", TxStatus.MINED)]


async def test_a_delivery_is_given_to_one_process_at_a_time_and_not_lost_with_it(ledger, payer, fund, clock):
    await ledger.submit(payer.pay([await fund()], [99_000]), callback=EVERY)
    (delivery,) = await ledger.claim_callbacks()
    assert await ledger.claim_callbacks() == ()
    clock.tick(LEASE)
    assert await ledger.claim_callbacks() == (delivery,)


async def test_what_does_not_arrive_is_tried_later_and_later_and_at_last_given_up(ledger, payer, fund, clock):
    await ledger.submit(payer.pay([await fund()], [99_000]), callback=EVERY)
    waits = []
    while True:
        waited = 0
        while not (deliveries := await ledger.claim_callbacks()) and waited < 1_000:
            clock.tick(1)
            waited += 1
        if not deliveries:
            break
        waits.append(waited)
        await ledger.called_back(deliveries[0], arrived=False)
    assert len(waits) == 10
    assert waits == sorted(waits)


async def test_later_news_waits_for_earlier_news(ledger, payer, fund, clock):
    await ledger.submit(payer.pay([await fund()], [99_000]), callback=EVERY)
    (first,) = await ledger.claim_callbacks()
    await ledger.mine()
    assert await ledger.claim_callbacks() == ()
    await ledger.called_back(first, arrived=True)
    (second,) = await ledger.claim_callbacks()
    assert json.loads(second.body)["txStatus"] == "MINED"
