from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import LockedError, StateError
from reconciler.model.goods import Good
from reconciler.model.ids import Digest, IdentityKey, Outpoint, Txid
from reconciler.model.journal import JournalEvent, JournalState
from reconciler.model.order import TRANSITIONS, Order, OrderEvent, OrderState, Sighting
from reconciler.model.payment import PaymentMethod
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.orders import Orders, Sightings
from reconciler.store.transactions import Transactions
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

KEY = IdentityKey("02" + "ab" * 32)
NOON = 1_800_000_000


def order(name: str = "one", **more) -> Order:
    given = {
        "id": name,
        "producer": KEY,
        "gateway": "https://gateway.example",
        "gateway_key": KEY,
        "good": Good.parse("dataset/a/b x 3"),
        "document": Digest("cd" * 32),
        "price": Satoshis(500),
        "method": PaymentMethod.BRC105,
        "prefix": "AAAA",
        "expires": NOON + 60,
        "created": NOON,
        "updated": NOON,
    }
    return Order(**{**given, **more})


def payment(number: int) -> Transaction:
    spent = TxInput(Outpoint(Txid(f"{number:064x}"), 0), b"\x51")
    return Transaction((spent,), (TxOutput(Satoshis(500), p2pkh(KEY)),), lock_time=number)


async def paid(connection, number: int, **more) -> Order:
    """An order with a payment in the journal."""
    transaction = payment(number)
    await Transactions(connection).put(transaction)
    entry = JournalEntry(
        id=transaction.txid,
        plan_id=Digest("ee" * 32),
        generation=0,
        txids=(transaction.txid,),
        owner="test",
        spent=Satoshis(510),
        created=NOON,
        updated=NOON,
    )
    await Journal(connection).create(entry)
    made = order(f"order {number}", state=OrderState.PAYING, payment=transaction.txid, **more)
    await Orders(connection).add(made)
    return made


async def test_an_order_is_what_was_written_down(database):
    whole = order(
        state=OrderState.DONE,
        receipt=b"{}",
        key=b"\x00\xff",
        reason="none",
        paid_at=NOON,
        paid=Satoshis(7),
        suffix="BB",
    )
    async with database.begin() as connection:
        await Orders(connection).add(order("tier", good=Good.parse("tier/gold"), method=None))
        await Orders(connection).add(whole)
    async with database.reading() as connection:
        assert await Orders(connection).get("one") == whole
        assert (await Orders(connection).get("tier")).good == Good.parse("tier/gold")
        assert await Orders(connection).get("none") is None
        assert [each.id for each in await Orders(connection).list(since=NOON)] == ["one", "tier"]
        assert await Orders(connection).list(since=NOON + 1) == ()


async def test_only_who_knows_how_an_order_stands_moves_it(database):
    async with database.begin() as connection:
        await Orders(connection).add(order())
    after = order().moved(OrderEvent.RECEIVE, now=NOON + 1, key=b"k")
    async with database.begin() as connection:
        await Orders(connection).replace(order(), after)
    with pytest.raises(LockedError, match="another process"):
        async with database.begin() as connection:
            await Orders(connection).replace(order(), after)


async def test_what_is_paid_or_may_be_counts_on_its_day(database):
    async with database.begin() as connection:
        for name, state, at in (
            ("before", OrderState.DONE, NOON - 1),
            ("paying", OrderState.PAYING, NOON),
            ("done", OrderState.DONE, NOON + 5),
            ("refused", OrderState.REFUSED, NOON + 5),
            ("quoted", OrderState.QUOTED, None),
        ):
            await Orders(connection).add(order(name, state=state, paid=Satoshis(100), fee=Satoshis(3), paid_at=at))
        assert await Orders(connection).spent_since(NOON) == 206
        assert await Orders(connection).spent_since(0) == 309
        assert await Orders(connection).spent_since(NOON + 100) == 0


async def test_orders_are_found_by_good_and_by_how_their_payments_stand(database):
    async with database.begin() as connection:
        first = await paid(connection, 1)
        second = await paid(connection, 2)
        await Orders(connection).add(order("other", good=Good.parse("dataset/a/b")))
        journal = Journal(connection)
        await journal.move(second.payment, JournalEvent.ABANDON, now=NOON, token=None)

        orders = Orders(connection)
        assert {each.id for each in await orders.of_good(first)} == {first.id, second.id}
        assert await orders.of_payment(first.payment) == first
        assert await orders.of_payment("none") is None
        assert await orders.adrift(JournalState.VOID, JournalState.REFUSED, state=OrderState.PAYING) == (second,)
        assert await orders.adrift(JournalState.VOID, state=OrderState.REFUSED) == ()
        assert {each.id for each in await orders.among(OrderState.QUOTED)} == {"other"}


async def test_the_newest_root_that_was_seen_stays(database):
    seen = Sighting(producer=KEY, generation=5, root=f"{'ab' * 32}.0", gateway="https://a.example", at=NOON)
    async with database.begin() as connection:
        await Sightings(connection).put(seen)
        await Sightings(connection).put(replace(seen, generation=4, at=NOON + 9))
        assert await Sightings(connection).get(KEY) == seen
        await Sightings(connection).put(replace(seen, generation=6, gateway=None))
        assert await Sightings(connection).list() == (replace(seen, generation=6, gateway=None),)


def test_an_order_moves_as_its_table_says_and_no_other_way():
    for state in OrderState:
        for event in OrderEvent:
            made = order(state=state)
            after = TRANSITIONS.get((state, event))
            if after is None:
                with pytest.raises(StateError, match=f"an order that is {state} cannot {event}"):
                    made.moved(event, now=1)
            else:
                assert made.moved(event, now=1, reason="x") == replace(made, state=after, updated=1, reason="x")
