"""One output of another host, with the transactions that prove it: fetched node by node (GASP), bounded, not yet verified."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
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
        """These transactions as one BEEF, with what they rest upon."""
        bumps: list[MerklePath] = list(borrowed.bumps)
        entries: list[BeefTx] = list(borrowed.transactions.values())
        for txid in txids:
            node = self.nodes[txid]
            entries.append(BeefTx(node.transaction, None if node.proof is None else len(bumps)))
            bumps += [] if node.proof is None else [node.proof]
        return Beef.of(bumps, [entry for entry in entries if entry.transaction.txid in txids or entry.bump is not None])

    def ancestry(self, txid: Txid) -> list[Txid]:
        """What of a graph was fetched, its tip included; in any order."""
        found = [txid]
        for each in found:  # grows while it is read
            node = self.nodes[each]
            if node.proof is None:
                parents = dict.fromkeys(spent.outpoint.txid for spent in node.transaction.inputs)
                found += [parent for parent in parents if parent in self.nodes and parent not in found]
        return found

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
