"""Storage that costs something: paid once, before anything is published, and never more than the plan shows (I2, I4, I5)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from reconciler.model.journal import EntryRole, JournalState
from reconciler.plan.transactions import TxRole
from reconciler.store.journal import Journal
from reconciler.store.purchases import Purchases
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
