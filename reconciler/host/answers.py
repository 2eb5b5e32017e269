"""What a look-up has found, and how it is written: as JSON, or aggregated (WIRE §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.host.services import Hit
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Txid
from reconciler.wire.answer import AggregatedAnswer, OutputAnswer, answer_text
from reconciler.wire.beef import Beef, subset

_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of the transactions and contexts of an answer in JSON, which takes four times as many to write them."""


class Proof(Protocol):
    """What proves the outputs of an answer."""

    def whole(self) -> bytes:
        """The BEEF of all of them."""
        ...

    def of(self, txid: Txid) -> bytes:
        """The BEEF of one transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Linked:
    """A BEEF that leads further back than SPV asks for."""

    beef: Beef

    def whole(self) -> bytes:
        """All of it."""
        return self.beef.to_bytes()

    def of(self, txid: Txid) -> bytes:
        """One transaction's part."""
        return subset(self.beef, [txid]).to_bytes()


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and what proves it."""

    hits: tuple[Hit, ...]
    proof: Proof

    def aggregated(self) -> bytes:
        """The binary form."""
        outputs = tuple((hit.outpoint, hit.context) for hit in self.hits)
        return AggregatedAnswer(outputs, self.proof.whole()).to_bytes()

    def plain(self) -> bytes:
        """The JSON form. Raises RefusedError where that is too long."""
        beefs = {txid: self.proof.of(txid) for txid in {hit.outpoint.txid for hit in self.hits}}
        outputs = [OutputAnswer(beefs[hit.outpoint.txid], hit.outpoint.vout, hit.context) for hit in self.hits]
        if sum(len(output.beef) + len(output.context or b"") for output in outputs) > _LIMIT:
            raise RefusedError("the answer is too long for JSON; ask with x-aggregation: yes, or for fewer at once")
        return answer_text(outputs)
