"""Two roots of one identity: which is older on the chain (PROTOCOL §4, Genesis).

Two machines that had no coin in common may both have published for the first time. Every root spends the one before it, so
each leads back to a genesis; the one that is earlier on the chain counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from reconciler.clients.host import FoundOutput
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Kind, Outpoint, Txid
from reconciler.wire.beef import Beef
from reconciler.wire.record import RecordToken, parse


class Head(Protocol):
    """A root that is live."""

    @property
    def outpoint(self) -> Outpoint: ...  # noqa: D102 - of its token
    @property
    def token(self) -> RecordToken: ...  # noqa: D102 - named as it is
    @property
    def beef(self) -> Beef: ...  # noqa: D102 - with its proof


@dataclass(frozen=True, slots=True)
class Lineage:
    """The roots that lead to one head."""

    head: Outpoint
    txids: frozenset[Txid]
    """Of the head and all roots before it, as far as they are known."""
    first: tuple[Txid, Beef]
    """The genesis."""
    age: tuple[float, float, Txid]
    """Height and place in the block of the first one; what no block has comes last."""


def lineages(heads: Sequence[Head], history: Iterable[FoundOutput]) -> tuple[Lineage, ...]:
    """The lineages of heads, oldest first. `history` are all root tokens that a host has ever admitted of the identity.

    That one root spends another follows from the transactions themselves; where the first one stands, from the proof in its
    BEEF, which the caller has to verify (`Lineage.first`).
    """
    known: dict[Outpoint, tuple[RecordToken, Beef]] = {head.outpoint: (head.token, head.beef) for head in heads}
    for output in history:
        token = _root(output)
        if token is not None:
            known.setdefault(output.outpoint, (token, output.beef))
    return tuple(sorted((_lineage(head, known) for head in heads), key=lambda lineage: lineage.age))


def _lineage(head: Head, known: Mapping[Outpoint, tuple[RecordToken, Beef]]) -> Lineage:
    outpoint, txids = head.outpoint, {head.outpoint.txid}
    while (before := known[outpoint][0].anchor.spends) in known:
        outpoint = before
        txids.add(outpoint.txid)
    beef = known[outpoint][1]
    return Lineage(head.outpoint, frozenset(txids), (outpoint.txid, beef), _age(outpoint.txid, beef))


def _age(txid: Txid, beef: Beef) -> tuple[float, float, Txid]:
    path = beef.proof(txid)
    return (inf, inf, txid) if path is None else (path.height, path.offsets[txid], txid)


def _root(output: FoundOutput) -> RecordToken | None:
    entry = output.beef.transactions.get(output.outpoint.txid)
    if entry is None or output.outpoint.vout >= len(entry.transaction.outputs):
        return None
    try:
        token = parse(entry.transaction.outputs[output.outpoint.vout].locking)
    except VerificationError:  # a host may list what it likes; it leads to no root
        return None
    is_root = token is not None and token.id.kind is Kind.PRODUCER
    spends = {spent.outpoint for spent in entry.transaction.inputs}
    return token if token is not None and is_root and token.anchor.spends in spends else None
