"""Whatever transactions, proofs and reorgs come in whatever order: what is shown is one consistent history (PROTOCOL §4).

Small worlds at random: transactions that share coins and build upon each other, taken up, proven, and unproven again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.host.conflicts import Conflicts
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.store.host_transactions import BlockProof, HostTransactions
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

COINS = [Outpoint(Txid(f"{number:064x}"), 0) for number in range(1, 5)]
PROOF = BlockProof(height=7, root=Digest("77" * 32))
MOST = 7


@dataclass(frozen=True)
class Small:
    """A world: transactions with two outputs each, parents first."""

    transactions: tuple[Transaction, ...]

    def ancestors(self, index: int) -> list[int]:
        """Of one, with it, parents first."""
        at = {transaction.txid: number for number, transaction in enumerate(self.transactions)}
        found = {index}
        for number in sorted(range(index + 1), reverse=True):
            if number in found:
                spent = (each.outpoint.txid for each in self.transactions[number].inputs)
                found |= {at[txid] for txid in spent if txid in at}
        return sorted(found)


@st.composite
def worlds(draw) -> Small:
    free, made = list(COINS), []
    for number in range(draw(st.integers(2, MOST))):
        spent = draw(st.lists(st.sampled_from(free), min_size=1, max_size=2, unique=True))
        outputs = (TxOutput(number, b"\x51"), TxOutput(number, b"\x52"))
        made.append(Transaction(tuple(TxInput(outpoint) for outpoint in spent), outputs))
        free += [made[-1].outpoint(0), made[-1].outpoint(1)]
    return Small(tuple(made))


def holding(*spent: list[int]) -> Small:
    """A world whose transactions spend these coins."""
    return Small(
        tuple(
            Transaction(tuple(TxInput(COINS[coin]) for coin in coins), (TxOutput(number, b"\x51"),))
            for number, coins in enumerate(spent)
        )
    )


STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "take", "prove", "bring", "reorg"]), st.integers(0, MOST - 1)), max_size=16
)


class RolledBackError(Exception):
    """The end of one example: the database is as it was."""


class Chain:
    """What blocks hold: never two that share a coin, never a child without its parents."""

    def __init__(self, world: Small) -> None:
        self.world = world
        self.mined: set[int] = set()

    def may_mine(self, index: int) -> bool:
        taken = {spent.outpoint for each in self.mined for spent in self.world.transactions[each].inputs}
        new = [each for each in self.world.ancestors(index) if each not in self.mined]
        spends = [spent.outpoint for each in new for spent in self.world.transactions[each].inputs]
        return bool(new) and len(set(spends)) == len(spends) and not taken & set(spends)

    def mine(self, index: int) -> list[int]:
        """With its ancestors; those that a block has now."""
        new = [each for each in self.world.ancestors(index) if each not in self.mined]
        self.mined |= set(new)
        return new

    def reorg(self, index: int) -> set[int]:
        """It is in no block any more, nor is what builds upon it."""
        gone = {each for each in self.mined if index in self.world.ancestors(each)}
        self.mined -= gone
        return gone


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(), STEPS)
@example(holding([0, 3], [0], [3]), [("take", 0), ("take", 1), ("take", 2), ("prove", 2)])
@example(holding([0, 3], [0, 1], [1, 2], [3]), [("take", 0), ("take", 1), ("take", 2), ("take", 3), ("prove", 3)])
@example(
    holding([0], [0, 1], [1]),
    [("take", 0), ("take", 1), ("take", 2), ("prove", 1), ("reorg", 1), ("take", 0), ("prove", 0)],
)
async def test_what_is_shown_is_consistent_and_nothing_is_hidden_without_reason(database, world, steps):
    with suppress(RolledBackError):
        async with database.begin() as connection:
            hosted, chain = HostTransactions(connection), Chain(world)
            for step, number in steps:
                index = number % len(world.transactions)
                await STEP[step](hosted, chain, world, index)
                await check(hosted, chain, world)
            raise RolledBackError


async def take(hosted, chain, world, index):
    """A submission without proofs."""
    await arrive(hosted, world, index, set())


async def bring(hosted, chain, world, index):
    """A submission that has its proofs."""
    if chain.may_mine(index):
        chain.mine(index)
    await arrive(hosted, world, index, chain.mined)


async def prove(hosted, chain, world, index):
    """A block; ARC says so about what is known here."""
    known = await hosted.get([transaction.txid for transaction in world.transactions])
    if chain.may_mine(index):
        for each in chain.mine(index):
            if world.transactions[each].txid in known:
                await Conflicts(hosted).prove(world.transactions[each].txid, PROOF)


async def reorg(hosted, chain, world, index):
    """Their block is gone."""
    known = await hosted.get([transaction.txid for transaction in world.transactions])
    for each in chain.reorg(index):
        if world.transactions[each].txid in known:
            await hosted.prove(world.transactions[each].txid, None)


STEP = {"take": take, "bring": bring, "prove": prove, "reorg": reorg}


async def arrive(hosted, world, index, mined):
    spends = [spent.outpoint for each in world.ancestors(index) for spent in world.transactions[each].inputs]
    if len(set(spends)) < len(spends):
        return  # no transaction that holds has such ancestry, and only those that hold are taken up
    arriving = [(world.transactions[each], PROOF if each in mined else None) for each in world.ancestors(index)]
    known = await hosted.get([transaction.txid for transaction, _ in arriving])
    arriving = [(each, proof or known[each.txid].proof if each.txid in known else proof) for each, proof in arriving]
    with suppress(VerificationError):  # a coin of it is spent by what is mined; all or nothing, as a savepoint is
        for transaction, proof in arriving:
            for spent in transaction.inputs if proof is None else ():
                rivals = await hosted.rivals(transaction.txid, [spent.outpoint])
                if any(rival.proof for rival in rivals):
                    raise VerificationError("mined")
        await Conflicts(hosted).take(*arriving)


async def check(hosted, chain, world):
    at = {transaction.txid: number for number, transaction in enumerate(world.transactions)}
    known = {at[txid]: each for txid, each in (await hosted.get(at)).items()}
    shown = {number for number, each in known.items() if not each.shadowed}
    coins = {number: {spent.outpoint for spent in world.transactions[number].inputs} for number in known}
    parents = {number: {at[coin.txid] for coin in coins[number] if coin.txid in at} for number in known}

    for number, each in known.items():
        rivals = {other for other in known if other != number and coins[other] & coins[number]}
        assert parents[number] <= known.keys(), "a parent was forgotten before its child"
        if number in shown:
            assert not rivals & shown, "two that share a coin are shown"
            assert parents[number] <= shown, "a child is shown without its parent"
        else:
            assert rivals & shown or parents[number] - shown, "one is hidden, and nothing is in its way"
        if each.proof is not None:
            assert number in chain.mined
            assert number in shown, "what is mined is hidden"
            assert not rivals, "a rival of what is mined is kept"
