"""Of a page that a host shows, what was verified is kept: the transactions asked for, their ancestry, and nothing beside them."""

from __future__ import annotations

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.observe.pages import Pages
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.merkle import Leaf, MerklePath, merkle_root, path_of
from reconciler.wire.spv import Verified, verify
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

NOW = 1_700_000_000


def made(*spent: Outpoint, satoshis: int = 10) -> Transaction:
    """A transaction that anyone can sign, and spend."""
    return Transaction(tuple(map(TxInput, spent)), (TxOutput(Satoshis(satoshis), b"\x51"),) * 2)


MINED = made(Outpoint(Txid("aa" * 32), 0))
SIBLING = made(Outpoint(Txid("bb" * 32), 0))
CHILD = made(MINED.outpoint(0), satoshis=5)
GRANDCHILD = made(CHILD.outpoint(0), satoshis=2)
FOREIGN = made(Outpoint(Txid("cc" * 32), 0))
THIEF = made(GRANDCHILD.outpoint(0), MINED.outpoint(1), satoshis=10**6)
BLOCK = [MINED.txid, SIBLING.txid, *(Txid(f"{each:02x}" * 32) for each in range(1, 6))]
BOTH = path_of(BLOCK, [0, 1], 7)


def forged(transaction: Transaction, height: int = 7) -> MerklePath:
    return MerklePath(height, ((Leaf(0, bytes.fromhex(transaction.txid)[::-1], txid=True),),))


class Spv:
    """The chain is one block. Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Txid] = []

    async def verified(self, beef: Beef, subject: Txid, *, now: int) -> Verified:
        self.asked.append(subject)
        return verify(beef, subject, roots={7: merkle_root(BLOCK)}, height=8, now=now)


HONEST = [BeefTx(MINED, 0), BeefTx(CHILD), BeefTx(GRANDCHILD)]
LIES = {
    "a proof of no block": Beef.of([BOTH, forged(FOREIGN)], [*HONEST, BeefTx(FOREIGN, 1)]),
    "a proof of an unknown block": Beef.of([BOTH, forged(FOREIGN, 10**6)], [*HONEST, BeefTx(FOREIGN, 1)]),
    "a transaction that lacks what it spends": Beef.of([BOTH], [*HONEST, BeefTx(FOREIGN)]),
    "a transaction that spends what was verified": Beef.of([BOTH], [*HONEST, BeefTx(THIEF)]),
    "the same with a proof": Beef.of([BOTH, forged(THIEF)], [*HONEST, BeefTx(THIEF, 1)]),
    "a true transaction that nobody asked for": Beef.of([BOTH], [*HONEST, BeefTx(SIBLING, 0)]),
    "a txid": Beef.of([BOTH], HONEST, [FOREIGN.txid]),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_lies_beside_the_ancestry_of_what_was_verified_is_not_kept(lie):
    pages = Pages(Spv(), NOW)
    assert await pages.verified(LIES[lie], GRANDCHILD.txid) == GRANDCHILD
    kept = pages.kept(GRANDCHILD.txid)
    assert list(kept.transactions) == [MINED.txid, CHILD.txid, GRANDCHILD.txid]
    assert (kept.known, len(kept.bumps), kept.bumps[0].txids) == (frozenset(), 1, (MINED.txid,))


async def test_one_page_is_cut_once_for_all_its_transactions():
    spv = Spv()
    pages, page = Pages(spv, NOW), Beef.of([BOTH], [*HONEST, BeefTx(SIBLING, 0), BeefTx(FOREIGN)])
    for subject in (GRANDCHILD.txid, SIBLING.txid, GRANDCHILD.txid):
        await pages.verified(page, subject)
    assert spv.asked == [GRANDCHILD.txid, SIBLING.txid]
    kept = pages.kept(SIBLING.txid)
    assert kept is pages.kept(GRANDCHILD.txid)
    assert kept.transactions.keys() == {MINED.txid, CHILD.txid, GRANDCHILD.txid, SIBLING.txid}


async def test_a_second_page_cannot_bring_another_proof_of_a_transaction():
    pages = Pages(Spv(), NOW)
    await pages.verified(Beef.of([BOTH], [BeefTx(MINED, 0)]), MINED.txid)
    await pages.verified(Beef.of([forged(MINED)], [BeefTx(MINED, 0)]), MINED.txid)
    assert pages.kept(MINED.txid).proof(MINED.txid) == BOTH.only([MINED.txid])


async def test_what_does_not_hold_on_one_page_may_hold_on_another_and_is_looked_at_once_on_each():
    spv = Spv()
    pages, lying = Pages(spv, NOW), Beef.of([forged(MINED)], [BeefTx(MINED, 0)])
    for _ in range(2):
        with pytest.raises(VerificationError, match="does not lead to the header"):
            await pages.verified(lying, MINED.txid)
    assert await pages.verified(Beef.of([BOTH], [BeefTx(MINED, 0)]), MINED.txid) == MINED
    assert spv.asked == [MINED.txid] * 2
