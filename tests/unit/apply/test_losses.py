"""What a mined transaction rules out."""

from __future__ import annotations

import hashlib

from reconciler.apply.losses import dead
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.transaction import Transaction, TxInput, TxOutput


def coin(label: str) -> Outpoint:
    return Outpoint(Txid(hashlib.sha256(label.encode()).hexdigest()), 0)


def spend(label: str, *coins: Outpoint) -> Transaction:
    return Transaction(tuple(map(TxInput, coins)), (TxOutput(Satoshis(1), label.encode()),))


def test_whatever_spends_the_same_is_dead_with_all_that_came_of_it_and_nothing_else():
    winner = spend("winner", coin("a"), coin("b"))
    rival = spend("rival", coin("b"), coin("c"))
    child = spend("child", rival.outpoint(0), coin("d"))
    grandchild = spend("grandchild", coin("e"), child.outpoint(0))
    others = [spend("other", coin("c")), spend("heir", winner.outpoint(0))]
    for order in (1, -1):
        found = dead(winner, [winner, rival, child, grandchild, *others][::order])
        assert found == {rival.txid, child.txid, grandchild.txid}
