"""Asking the network about payments and payouts: one question, one `Word`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Txid
from reconciler.payments.ports import Chain, Miner
from reconciler.payments.verdict import Word
from reconciler.wire.arc import VERDICTS, Standing, TxReport
from reconciler.wire.beef import Beef
from reconciler.wire.merkle import MerklePath, parse_path

_WORDS = {
    Standing.UNKNOWN: Word.WAITING,
    Standing.ACCEPTED: Word.WAITING,
    Standing.STALE: Word.WAITING,
    Standing.SEEN: Word.SEEN,
    Standing.MINED: Word.SEEN,  # as long as the headers do not say so, too
    Standing.CONTESTED: Word.CONTESTED,
    Standing.REFUSED: Word.REFUSED,
}


class Asked(Protocol):
    """A transaction that the network is asked about: a payment, or what is paid out."""

    @property
    def txid(self) -> Txid:
        """Which it is."""
        ...

    @property
    def beef(self) -> Beef:
        """It, with its ancestry."""
        ...

    @property
    def holds(self) -> bool:
        """Whether it is to be handed over where the network does not have it."""
        ...

    @property
    def doubted(self) -> int | None:
        """Since when the network has not shown it; None while it does."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a transaction now. `proof` is there if, and only if, the word is PROVEN."""

    word: Word
    proof: MerklePath | None = None
    reason: str = ""


class Network:
    """ARC and the chain's headers. Nothing that either says makes it raise: what cannot be known is NOTHING."""

    def __init__(self, *, miner: Miner, chain: Chain) -> None:
        self._miner = miner
        self._chain = chain

    async def ask(self, asked: Asked) -> Told:
        """How a transaction stands. One that is not lost is handed over, if ARC does not have it (again: it may have dropped it)."""
        try:
            return await self._proven(_own_proof(asked), asked.txid) or await self._judged(await self._report(asked))
        except UnreachableError:
            return Told(Word.NOTHING)
        except RefusedError as error:
            # Only a verdict is about the transaction; all else is about us, and somebody will have to look after it.
            verdict = error.code in VERDICTS
            return Told(Word.REFUSED, reason=error.message) if verdict else Told(Word.NOTHING)

    async def _report(self, asked: Asked) -> TxReport | None:
        """What is not shown is always handed over, which costs no more than asking, and waits for the network to show it."""
        if not asked.holds or _own_proof(asked) is not None:
            return await self._miner.status(asked.txid)
        known = None if asked.doubted is not None else await self._miner.status(asked.txid)
        return known or await self._miner.submit(asked.beef, asked.txid)

    async def _judged(self, report: TxReport | None) -> Told:
        if report is None:
            return Told(Word.WAITING)
        if report.merkle_path is not None:
            proven = await self._proven(_path(report.merkle_path), report.txid)
            if proven is not None:
                return proven
        if report.standing is Standing.CONTESTED:
            for rival in report.competing:
                if await self._is_mined(rival):
                    return Told(Word.BEATEN, reason=f"another transaction spent its coins: {rival}")
        return Told(_WORDS[report.standing], reason=report.extra_info)

    async def _is_mined(self, txid: Txid) -> bool:
        report = await self._miner.status(txid)
        path = None if report is None or report.merkle_path is None else _path(report.merkle_path)
        return path is not None and await self._chain.proven(path, txid)

    async def _proven(self, path: MerklePath | None, txid: Txid) -> Told | None:
        if path is None or not await self._chain.proven(path, txid):
            return None
        return Told(Word.PROVEN, path)


def _own_proof(asked: Asked) -> MerklePath | None:
    """The proof that it came with: who is paid by what is mined already has nothing to hand over."""
    return asked.beef.proof(asked.txid)


def _path(data: bytes) -> MerklePath | None:
    try:
        return parse_path(data)
    except VerificationError:  # a proof that is none proves nothing
        return None
