"""What the chain knows beyond what hosts have been told (PROTOCOL §5).

Hosts cannot say whether an outpoint is spent, and a machine can be lost between its broadcast and its first word to a host.
Whoever knows what spends an output is followed here, from the root and the money that hosts show to what is left of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from reconciler.model.errors import RefusedError, StalePlanError, StateError, TransientError
from reconciler.model.ids import Kind, Outpoint, Txid
from reconciler.model.keys import batch_key, change_key, sweep_key
from reconciler.observe.catalog import Catalog, Change, LiveRecord, Stray, ours
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import Beef, subset
from reconciler.wire.record import parse
from reconciler.wire.spv import Verifier
from reconciler.wire.state_root import Leaf, state_root
from reconciler.wire.transaction import Transaction


class SpendIndex(Protocol):
    """Whoever knows what spends an output, in pool or chain (`chain.index.AddressIndex`)."""

    async def spender(self, outpoint: Outpoint) -> Txid | None:
        """The transaction that spends it; None where none is known. Raises UnreachableError, RefusedError."""
        ...


class ChainIndex(SpendIndex, Protocol):
    """Whoever has transactions by their id, besides."""

    async def beef(self, named: Txid) -> Beef:
        """A transaction with its proof, or its ancestry back to proofs."""
        ...


async def spent_of(
    catalog: Catalog, coins: Iterable[Outpoint], index: SpendIndex
) -> tuple[frozenset[Outpoint], tuple[str, ...]]:
    """Which coins of a catalog that was read from hosts are spent; and who could not be asked, as a sentence.

    Raises StalePlanError where the root itself is.
    """
    root, spent = catalog.token.outpoint, set()
    try:
        for outpoint in (root, *coins):
            if await index.spender(outpoint) is not None:
                spent.add(outpoint)
    except (TransientError, RefusedError) as error:
        return frozenset(spent), (f"whether coins that were found are unspent cannot be confirmed: {error.message}",)
    if root in spent:
        raise StalePlanError(
            "an apply elsewhere has spent the live root, and no host has been told of it yet",
            where=str(root),
            hint="plan again in a moment; where that machine is gone for good, `overlay state unlock --pending`",
        )
    return frozenset(spent), ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """A catalog with everything that became of it, and the transactions, in their order, that hosts need not know of."""

    catalog: Catalog
    untold: tuple[Txid, ...]
    replaced: tuple[LiveRecord, ...]
    """Records whose tokens these have spent. What they say now, nobody can tell."""


async def follow(catalog: Catalog, *, index: ChainIndex, keys: Keys, verifier: Verifier, now: int) -> Beyond:
    """Follow root and money to their ends.

    The catalog that is returned says what the one given says, less what was replaced; its root, money and strays are those
    that are unspent. Raises UnreachableError, RefusedError, VerificationError; StateError where the root was destroyed.
    """
    walk = _Walk(catalog, keys)
    for change in ours(catalog.live.transaction, (batch_key, sweep_key), keys):
        walk.money[change.outpoint] = change
    waiting = [catalog.token.outpoint, *walk.money]
    while waiting:
        spender = await index.spender(waiting.pop(0))
        if spender is not None and spender not in walk.seen:
            beef = await index.beef(spender)
            transaction = (await verifier.verified(beef, spender, now=now)).transaction
            waiting += walk.take(transaction, subset(beef, [spender]))
    if walk.root is None:
        raise StateError(
            "the root was spent and not made again: this producer was destroyed", where=str(catalog.token.outpoint)
        )
    return walk.ended(walk.root)


@dataclass(slots=True)
class _Walk:
    """What is known to be unspent, so far."""

    catalog: Catalog
    keys: Keys
    root: Stray | None = field(init=False)
    roots: int = 0
    """Roots that were made on the way."""
    records: dict[Outpoint, LiveRecord] = field(init=False)
    strays: dict[Outpoint, Stray] = field(init=False)
    money: dict[Outpoint, Change] = field(init=False)
    replaced: list[LiveRecord] = field(default_factory=list)
    seen: dict[Txid, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = self.catalog.token
        self.records = {record.observed.outpoint: record for record in self.catalog.records}
        self.strays = {stray.outpoint: stray for stray in self.catalog.strays}
        self.money = {change.outpoint: change for change in self.catalog.change}

    def take(self, transaction: Transaction, beef: Beef) -> list[Outpoint]:
        """Take a transaction in; returns its outputs that have to be followed."""
        self.seen[transaction.txid] = None
        for spent in (each.outpoint for each in transaction.inputs):
            self.money.pop(spent, None)
            self.strays.pop(spent, None)
            if spent in self.records:
                self.replaced.append(self.records.pop(spent))
            if self.root is not None and spent == self.root.outpoint:
                self.root = None
        made = {change.outpoint: change for change in ours(transaction, (change_key, batch_key, sweep_key), self.keys)}
        self.money |= made
        roots = []
        for vout, output in enumerate(transaction.outputs):
            token = parse(output.locking)
            if token is None or token.identity != self.keys.identity:
                continue
            stray = Stray(outpoint=transaction.outpoint(vout), token=token, output=output, beef=beef)
            if token.id.kind is Kind.PRODUCER:
                self.root, self.roots = stray, self.roots + 1
                roots.append(stray.outpoint)
            else:
                self.strays[stray.outpoint] = stray
        return [*roots, *made]

    def ended(self, root: Stray) -> Beyond:
        """What is left."""
        records = tuple(self.records.values())
        leaves = [Leaf(record.observed.id, record.observed.document_hash) for record in records]
        before = self.catalog.root
        observed = replace(
            before,
            record=replace(before.record, outpoint=root.outpoint),
            generation=before.generation + self.roots,
            state_root=state_root(leaves),
            leaf_count=len(leaves),
        )
        catalog = replace(
            self.catalog,
            root=observed,
            token=root,
            records=records,
            change=tuple(self.money.values()),
            strays=tuple(self.strays.values()),
        )
        return Beyond(catalog=catalog, untold=tuple(self.seen), replaced=tuple(self.replaced))
