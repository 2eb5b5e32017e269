"""The index of services without tables."""

from __future__ import annotations

from reconciler.model.ids import Outpoint, Txid
from reconciler.store.host_transactions import HostTransactions
from reconciler.store.labels import LONGEST, MOST, Labels
from reconciler.store.listings import Page
from reconciler.store.outputs import Outputs
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

PAGE = Page(50)


async def admitted(connection, number, outputs=3):
    """A transaction whose outputs the topic has admitted; their ids and outpoints."""
    spent = TxInput(Outpoint(Txid(f"{number:064x}"), 0))
    transaction = Transaction((spent,), (TxOutput(0, b"\x51"),) * outputs)
    await HostTransactions(connection).add((transaction, None), shadowed=False)
    outpoints = [transaction.outpoint(vout) for vout in range(outputs)]
    found = await Outputs(connection).admit("tm_a", transaction.txid, [outpoint.vout for outpoint in outpoints], at=0)
    return transaction, [each.id for each in found], outpoints


async def test_outputs_are_found_by_all_labels_newest_first_page_by_page(database):
    async with database.begin() as connection:
        _, ids, outpoints = await admitted(connection, 1)
        mine, others = Labels(connection, "ls_a"), Labels(connection, "ls_b")
        await mine.put({ids[0]: [("x", "1"), ("y", "1")], ids[1]: [("x", "1"), ("x", "2")], ids[2]: []})
        await others.put({ids[0]: [("z", "1")]})

        assert await mine.find({}, PAGE) == (outpoints[2], outpoints[1], outpoints[0])
        assert await mine.find({"x": "1"}, PAGE) == (outpoints[1], outpoints[0])
        assert await mine.find({"x": "1", "y": "1"}, PAGE) == (outpoints[0],)
        assert await mine.find({"z": "1"}, PAGE) == ()
        assert await mine.find({}, Page(1, 1)) == (outpoints[1],)
        assert await others.find({}, PAGE) == (outpoints[0],)


async def test_labels_given_again_take_the_place_of_the_former(database):
    async with database.begin() as connection:
        _, ids, outpoints = await admitted(connection, 1)
        labels = Labels(connection, "ls_a")
        await labels.put({ids[0]: [("x", "1")]})
        await labels.put({ids[0]: [("x", "2")]})

        assert await labels.find({"x": "1"}, PAGE) == ()
        assert await labels.find({"x": "2"}, PAGE) == (outpoints[0],)


async def test_what_is_spent_or_evicted_is_not_found(database):
    async with database.begin() as connection:
        parent, ids, outpoints = await admitted(connection, 1)
        labels = Labels(connection, "ls_a")
        await labels.put({each: [("x", "1")] for each in ids})
        spender = Transaction((TxInput(outpoints[0]),), (TxOutput(0, b"\x51"),))
        await HostTransactions(connection).add((spender, None), shadowed=False)

        assert await labels.find({"x": "1"}, PAGE) == (outpoints[2], outpoints[1])
        assert await labels.find({"x": "1"}, PAGE, history=True) == (outpoints[2], outpoints[1], outpoints[0])
        await HostTransactions(connection).evict([spender.txid, parent.txid])
        assert await labels.find({}, PAGE, history=True) == ()


async def test_a_strangers_values_are_bounded(database):
    async with database.begin() as connection:
        _, ids, outpoints = await admitted(connection, 1)
        labels = Labels(connection, "ls_a")
        await labels.put({ids[0]: [("x", "\U0010ffff" * LONGEST), ("x", "y" * (LONGEST + 1)), ("x", "nul\0")]})
        await labels.put({ids[1]: [("n", str(number)) for number in range(MOST + 1)]})

        assert await labels.find({"x": "\U0010ffff" * LONGEST}, PAGE) == (outpoints[0],)
        assert await labels.find({"x": "y" * (LONGEST + 1)}, PAGE) == ()
        assert await labels.find({"x": "nul\0"}, PAGE) == (outpoints[0],)
        assert await labels.find({"n": str(MOST - 1)}, PAGE) == (outpoints[1],)
        assert await labels.find({"n": str(MOST)}, PAGE) == ()
