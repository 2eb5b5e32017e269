"""One output of another host, with the transactions that prove it: fetched node by node (GASP), bounded, not yet verified."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.host.ports import Peer
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.gasp import Node, NodeRequest
from reconciler.wire.merkle import MerklePath

NODES: Final = 1_000
BYTES: Final = 16 * 1024 * 1024
"""Of one graph, proofs included."""

_HASH: Final = 32

Known = Callable[[Collection[Txid]], Awaitable[Collection[Txid]]]
"""Those of some transactions that need not be fetched."""


@dataclass(slots=True)
class Graphs:
    """Nodes of several graphs of one peer, each transaction once."""

    peer: Peer
    known: Known
    nodes: dict[Txid, Node] = field(default_factory=dict)
    borrowed: set[Txid] = field(default_factory=set)
    """Transactions that nodes rest upon and that need not be fetched."""
    bytes: int = 0

    async def fetch(self, tip: Outpoint) -> None:
        """Fetch what is lacking of one graph. Raises VerificationError where it is larger than is looked at.

        There are no circles: each transaction is the one whose hash was asked for. Raises what the peer raises.
        """
        waiting, fetched, size = [tip], 0, 0
        while waiting:
            wanted = waiting.pop()
            if wanted.txid in self.nodes:
                continue
            node = await self.peer.node(NodeRequest(tip, wanted))
            fetched, size = fetched + 1, size + _size(node)
            if fetched > NODES or size > BYTES:
                raise VerificationError(f"the graph of {tip} is larger than is looked at")
            self._add(node)
            if node.proof is None:
                waiting += await self._lacking(node)

    def beef(self, borrowed: Beef, txids: Collection[Txid]) -> Beef:
        """These transactions as one BEEF, with those that they rest upon."""
        bumps: list[MerklePath] = list(borrowed.bumps)
        entries: list[BeefTx] = list(borrowed.transactions.values())
        for node in map(self.nodes.__getitem__, txids):
            entries.append(BeefTx(node.transaction, None if node.proof is None else len(bumps)))
            bumps += [] if node.proof is None else [node.proof]
        return Beef.of(bumps, entries)

    def ancestry(self, txids: Sequence[Txid]) -> tuple[Txid, ...]:
        """What of these transactions' graphs was fetched, they themselves included, each followed by what it spends."""
        waiting = list(reversed(txids))
        found: dict[Txid, None] = {}
        while waiting:
            txid = waiting.pop()
            node = self.nodes.get(txid)
            if node is None or txid in found:
                continue
            found[txid] = None
            if node.proof is None:
                waiting += (spent.outpoint.txid for spent in node.transaction.inputs)
        return tuple(found)

    def _add(self, node: Node) -> None:
        self.nodes[node.transaction.txid] = node
        self.bytes += _size(node)

    async def _lacking(self, node: Node) -> list[Outpoint]:
        parents = {spent.outpoint.txid: spent.outpoint for spent in node.transaction.inputs}
        fresh = [txid for txid in parents if txid not in self.nodes and txid not in self.borrowed]
        known = await self.known(fresh) if fresh else ()
        self.borrowed.update(known)
        return [parents[txid] for txid in fresh if txid not in known]


def _size(node: Node) -> int:
    proof = 0 if node.proof is None else _HASH * sum(len(level) for level in node.proof.levels)
    return len(node.transaction.raw) + proof
