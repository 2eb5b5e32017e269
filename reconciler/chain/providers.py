"""The transaction processors of a seller: in the order of the rule, without those that have failed of late (D21).

A payment is waited for by somebody, so who does not answer, or takes long to, is asked no more for a while; an apply, which can
wait, asks all of them every time (chain/arcs.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from reconciler.chain.arc import Arc
from reconciler.chain.arcs import Arcs
from reconciler.chain.health import Health
from reconciler.model.amounts import FeeRate
from reconciler.model.errors import RefusedError
from reconciler.model.ids import Txid
from reconciler.wire.arc import VERDICTS, TxReport
from reconciler.wire.beef import Beef

_Answer = TypeVar("_Answer")


class Provider:
    """One ARC, and how it has answered. `name` is what people call it."""

    def __init__(self, name: str, arc: Arc, *, clock: Callable[[], float]) -> None:
        """`clock` gives seconds; it need not be the world's."""
        self.name = name
        self.url = arc.url
        self.circuit = Health()
        self._arc = arc
        self._clock = clock

    @property
    def rests(self) -> bool:
        """Whether it is left out for now."""
        return self.circuit.rests(self._clock())

    async def submit(self, beef: Beef, subject: Txid | None = None) -> TxReport:
        """See chain.arc.Arc."""
        return await self._timed(self._arc.submit(beef, subject))

    async def status(self, txid: Txid) -> TxReport | None:
        """See chain.arc.Arc."""
        return await self._timed(self._arc.status(txid))

    async def policy(self) -> FeeRate:
        """See chain.arc.Arc."""
        return await self._timed(self._arc.policy())

    async def health(self) -> bool:
        """See chain.arc.Arc."""
        return await self._timed(self._arc.health())

    async def _timed(self, asking: Awaitable[_Answer]) -> _Answer:
        begun, answered = self._clock(), False
        try:
            answer = await asking
            answered = True
        except RefusedError as error:
            answered = error.code in VERDICTS  # what is about us, such as a key that it does not know, is no answer
            raise
        finally:
            now = self._clock()
            self.circuit = self.circuit.asked(now, took=now - begun, answered=answered)
        return answer


class Providers:
    """Satisfies payments.treasury.Payer, and so the till's miner; at least one."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self.providers = tuple(providers)

    async def submit(self, beef: Beef, subject: Txid | None = None) -> TxReport:
        """Hand a transaction over to the first that takes it. Raises as `Arcs.submit` does."""
        return await self._asked().submit(beef, beef.subject_or_last(subject), _Nobody())

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands, by the best that any of them knows. Raises as `Arcs.status` does."""
        return await self._asked().status(txid)

    async def policy(self) -> FeeRate:
        """What mining costs. Raises as `Arcs.policy` does."""
        return await self._asked().policy()

    def _asked(self) -> Arcs:
        """Those that do not rest; all, where all do."""
        return Arcs([each for each in self.providers if not each.rests] or self.providers)


class _Nobody:
    """A chain.arcs.Note: payments are in the till's books, and every one of them may be given to everybody."""

    async def giving(self, txid: Txid, arc: str) -> None:
        """Nothing is noted."""

    async def answered(self, txid: Txid, arc: str, refusal: str | None) -> None:
        """Nothing is noted."""
