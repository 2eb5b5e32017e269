"""What storage hosts were paid for, as it stands by the side of the journal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest, Txid, identity_key
from reconciler.model.journal import EntryRole, JournalEvent, JournalState
from reconciler.model.observed import StorageGood
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.purchases import Bought, Purchases
from reconciler.store.transactions import Transactions
from reconciler.wire.storage import StorageAct, StorageWish
from reconciler.wire.transaction import Transaction, TxOutput

CONTENT = Digest("ab" * 32)
PAYMENT = Transaction((), (TxOutput(Satoshis(7), b"\x51"),))
BOUGHT = Bought(
    txid=PAYMENT.txid,
    good=StorageGood(host="eu", dataset="", content=CONTENT, part=0),
    url="https://eu.example",
    payee=identity_key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
    wish=StorageWish(act=StorageAct.UPLOAD, sha256=CONTENT, size=12, minutes=60),
    satoshis=Satoshis(7),
    prefix="AA==",
    suffix="BB==",
)
ENTRY = JournalEntry(
    id=PAYMENT.txid,
    role=EntryRole.PAYMENT,
    plan_id=Digest("cd" * 32),
    generation=1,
    txids=(Txid(PAYMENT.txid),),
    owner="here",
    spent=Satoshis(8),
    created=100,
    updated=100,
)


@pytest.mark.parametrize(
    ("events", "is_open", "is_refused", "paid"),
    [
        ((), False, False, 0),
        ((JournalEvent.SEND,), True, False, 0),
        ((JournalEvent.SEND, JournalEvent.SEE), True, False, 7),
        ((JournalEvent.SEND, JournalEvent.REFUSE), False, True, 0),
        ((JournalEvent.ABANDON,), False, False, 0),
    ],
    ids=["prepared", "sending", "seen", "refused", "void"],
)
async def test_what_is_paid_and_not_had_is_open_until_it_is_had(database, events, is_open, is_refused, paid):
    async with database.begin() as connection:
        journal, purchases = Journal(connection), Purchases(connection)
        await Transactions(connection).put(PAYMENT)
        await journal.create(ENTRY)
        await purchases.add([BOUGHT])
        for event in events:
            await journal.move(ENTRY.id, event, now=101, token=None)

        assert await purchases.get(ENTRY.id) == BOUGHT
        assert await purchases.get("ef" * 32) is None
        assert await purchases.open() == ((BOUGHT,) if is_open else ())
        assert await purchases.refused() == ((BOUGHT,) if is_refused else ())
        assert await purchases.paid() == paid

        await purchases.had(ENTRY.id, 9_000)
        assert await purchases.get(ENTRY.id) == replace(BOUGHT, until=9_000)
        assert await purchases.open() == ()
        assert await purchases.paid() == paid


async def test_no_lock_binds_a_payment(database):
    """It may stay unsent when its apply is over: then it is voided, whatever has become of the rest."""
    async with database.begin() as connection:
        await Transactions(connection).put(PAYMENT)
        lock = Transaction((), (TxOutput(Satoshis(9), b"\x51"),))
        await Transactions(connection).put(lock)
        await Journal(connection).create(ENTRY)
        await Journal(connection).create(
            replace(ENTRY, id=lock.txid, role=EntryRole.LOCK, state=JournalState.PREPARED, txids=(lock.txid,), place=1)
        )
        await Journal(connection).move(lock.txid, JournalEvent.SEND, now=101, token=None)
        assert await Journal(connection).bound() == {lock.txid}
