"""Several ARCs as one: a transaction goes to the first that takes it, and all of them are asked how it stands (DESIGN §4.3).

Who was given the bytes is told to a `Note` before they leave: an ARC that never answered may have passed them on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from reconciler.model.amounts import FeeRate
from reconciler.model.errors import OverlayError, RefusedError, UnreachableError
from reconciler.model.ids import Txid
from reconciler.wire.arc import VERDICTS, ArcError, Standing, TxReport, TxStatus
from reconciler.wire.beef import Beef

_CONFLICT: Final = str(ArcError.CONFLICT.value)
_Answer = TypeVar("_Answer")


class Note(Protocol):
    """Whoever writes down what is given to whom."""

    async def giving(self, txid: Txid, arc: str) -> None:
        """Bytes are about to leave."""
        ...

    async def answered(self, txid: Txid, arc: str, refusal: str | None) -> None:
        """An ARC took the transaction, or refused it with this code or status."""
        ...


class One(Protocol):
    """One ARC: `chain.arc.Arc`, or somebody who stands before it."""

    @property
    def url(self) -> str:
        """Its origin."""
        ...

    async def submit(self, beef: Beef, subject: Txid | None = None) -> TxReport:
        """See Arc."""
        ...

    async def status(self, txid: Txid) -> TxReport | None:
        """See Arc."""
        ...

    async def policy(self) -> FeeRate:
        """See Arc."""
        ...

    async def health(self) -> bool:
        """See Arc."""
        ...


class Arcs:
    """The ARCs of one network, in the order in which they are tried; at least one."""

    def __init__(self, arcs: Sequence[One]) -> None:
        self._arcs = tuple(arcs)

    @property
    def urls(self) -> tuple[str, ...]:
        """Their origins."""
        return tuple(arc.url for arc in self._arcs)

    async def submit(self, beef: Beef, txid: Txid, note: Note) -> TxReport:
        """Hand a transaction over, with its unproven ancestry, to the first that takes it.

        Where all of them judge it and nobody takes it, the report says so: INVALID, or DOUBLE_SPEND_ATTEMPTED for a conflict.
        Raises UnreachableError where one of them did not answer and none took it, RefusedError where they refuse us.
        """
        failures: list[OverlayError] = []
        for arc in self._arcs:
            await note.giving(txid, arc.url)
            try:
                report = await arc.submit(beef, txid)
            except UnreachableError as error:
                failures.append(error)
            except RefusedError as error:
                await note.answered(txid, arc.url, error.code)
                failures.append(error)
            else:
                if report.standing is not Standing.REFUSED:
                    await note.answered(txid, arc.url, None)
                    return report
                await note.answered(txid, arc.url, report.status.value)
                failures.append(
                    RefusedError(f"ARC says {report.status.value} {report.extra_info}", code=report.status.value)
                )
        return _judged(txid, failures)

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands, by the best that any of them knows; None where no one knows it.

        Raises UnreachableError where one that might know it does not answer and no other knows it, RefusedError where all
        refuse to say.
        """
        answers = await asyncio.gather(*(_answer(arc.status(txid)) for arc in self._arcs))
        reports = [answer for answer in answers if isinstance(answer, TxReport)]
        if reports:
            return min(reports, key=_rank)
        silent = [answer for answer in answers if isinstance(answer, UnreachableError)]
        refusing = [answer for answer in answers if isinstance(answer, RefusedError)]
        if silent or len(refusing) == len(answers):
            raise (silent or refusing)[0]
        return None

    async def policy(self) -> FeeRate:
        """The fee that the first asks for who answers. Raises UnreachableError, RefusedError."""
        return await self._first(lambda arc: arc.policy())

    async def health(self) -> bool:
        """Whether the first who answers says it is well. Raises UnreachableError, RefusedError."""
        return await self._first(lambda arc: arc.health())

    async def _first(self, ask: Callable[[One], Awaitable[_Answer]]) -> _Answer:
        failures: list[OverlayError] = []
        for arc in self._arcs:
            try:
                return await ask(arc)
            except (UnreachableError, RefusedError) as error:
                failures.append(error)
        raise failures[0]


async def _answer(asked: Awaitable[TxReport | None]) -> TxReport | OverlayError | None:
    try:
        return await asked
    except (UnreachableError, RefusedError) as error:
        return error


def _judged(txid: Txid, failures: Sequence[OverlayError]) -> TxReport:
    """What it means that nobody took a transaction."""
    silent = [error for error in failures if isinstance(error, UnreachableError)]
    verdicts = [error for error in failures if isinstance(error, RefusedError) and error.code in VERDICTS]
    if silent or not verdicts:
        raise (silent or failures)[0]
    conflict = next((error for error in verdicts if error.code == _CONFLICT), None)
    status = TxStatus.INVALID if conflict is None else TxStatus.DOUBLE_SPEND_ATTEMPTED
    return TxReport(txid=txid, status=status, extra_info=(conflict or verdicts[0]).message)


_ORDER: Final = (
    Standing.MINED,
    Standing.SEEN,
    Standing.CONTESTED,
    Standing.STALE,
    Standing.ACCEPTED,
    Standing.REFUSED,
    Standing.UNKNOWN,
)
"""What is said by one outweighs what is said by another: one that has not got it yet, or would not have it, is not the network."""


def _rank(report: TxReport) -> tuple[int, int]:
    """The least is believed. A conflict that one of them knows of comes before any mempool that has the transaction."""
    if report.status is TxStatus.DOUBLE_SPEND_ATTEMPTED:
        return _ORDER.index(Standing.SEEN), 0
    return _ORDER.index(report.standing), 1 - (report.block_height or 0)
