"""Asking the network about payments: one question, one `Word`."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Txid
from reconciler.model.payment import HOLDING
from reconciler.payments.ports import Chain, Miner
from reconciler.payments.verdict import Word
from reconciler.store.payments import Payment
from reconciler.wire.arc import VERDICTS, Standing, TxReport
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


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a payment now. `proof` is there if, and only if, the word is PROVEN."""

    word: Word
    proof: MerklePath | None = None
    reason: str = ""


class Network:
    """ARC and the chain's headers. Nothing that either says makes it raise: what cannot be known is NOTHING."""

    def __init__(self, *, miner: Miner, chain: Chain) -> None:
        self._miner = miner
        self._chain = chain

    async def ask(self, payment: Payment) -> Told:
        """How a payment stands. One that is not lost is handed over, if ARC does not have it (again: it may have dropped it)."""
        try:
            return await self._proven(_own_proof(payment), payment.txid) or await self._judged(
                await self._report(payment)
            )
        except UnreachableError:
            return Told(Word.NOTHING)
        except RefusedError as error:
            # Only a verdict is about the transaction; all else is about us, and somebody will have to look after it.
            verdict = error.code in VERDICTS
            return Told(Word.REFUSED, reason=error.message) if verdict else Told(Word.NOTHING)

    async def _report(self, payment: Payment) -> TxReport | None:
        """A pending payment is always handed over, which costs no more than asking, and waits for the network to show it."""
        if payment.state not in HOLDING or _own_proof(payment) is not None:
            return await self._miner.status(payment.txid)
        known = None if payment.doubted is not None else await self._miner.status(payment.txid)
        return known or await self._miner.submit(payment.beef, payment.txid)

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


def _own_proof(payment: Payment) -> MerklePath | None:
    """The proof that it came with: who is paid by what is mined already has nothing to hand over."""
    return payment.beef.proof(payment.txid)


def _path(data: bytes) -> MerklePath | None:
    try:
        return parse_path(data)
    except VerificationError:  # a proof that is none proves nothing
        return None
