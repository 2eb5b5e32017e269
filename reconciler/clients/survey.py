"""One question to many hosts at once: what they show together, and who of them lags, lies or keeps silent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from reconciler.clients.host import FoundOutput
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.json import JsonObject
from reconciler.wire.spv import Verifier

WITHIN: Final = 30.0
"""Seconds that a host has for all pages of an answer."""


class LookupHost(Protocol):
    """A host (`clients.host.HostClient`), as far as looking up needs it."""

    async def lookup(self, service: str, query: JsonObject) -> Sequence[FoundOutput]:
        """All outputs that it finds, all pages."""
        ...


class Verdict(StrEnum):
    """What came of asking one host."""

    ANSWERED = "answered"
    LAGGING = "lagging"
    """It answered, but lacks what others show, or shows what a transaction that others show has spent."""
    LYING = "lying"
    """Some transaction that it shows is not valid, or not on this chain."""
    REFUSED = "refused"
    """It said no: it does not keep the service, or does not like the query."""
    SILENT = "silent"
    """No answer in time, or one that is none."""
    LATE = "late"
    """Others had answered, and nobody waited for it any longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAnswer:
    """What one host showed."""

    verdict: Verdict
    outputs: tuple[FoundOutput, ...] = ()
    """Only those that are sound, where a verifier was at hand."""
    detail: str = ""
    """Why it is no plain answer."""
    seconds: float = 0.0

    @property
    def outpoints(self) -> frozenset[Outpoint]:
        """Which outputs it showed."""
        return frozenset(output.outpoint for output in self.outputs)


@dataclass(frozen=True, slots=True)
class Answers:
    """What all hosts showed together."""

    by_host: Mapping[str, HostAnswer]

    @property
    def outputs(self) -> tuple[FoundOutput, ...]:
        """Each once, whoever shows it, in the order of hosts and of their answers."""
        first: dict[Outpoint, FoundOutput] = {}
        for answer in self.by_host.values():
            for output in answer.outputs:
                first.setdefault(output.outpoint, output)
        return tuple(first.values())

    @property
    def superseded(self) -> frozenset[Outpoint]:
        """What a transaction that holds one of the outputs has spent."""
        transactions = {output.outpoint.txid: output.transaction for output in self.outputs}
        return frozenset(spent.outpoint for transaction in transactions.values() for spent in transaction.inputs)

    @property
    def live(self) -> tuple[FoundOutput, ...]:
        """The outputs without those that another one's transaction has spent."""
        gone = self.superseded
        return tuple(output for output in self.outputs if output.outpoint not in gone)

    @property
    def is_known(self) -> bool:
        """Whether anybody answered; otherwise, that there are no outputs means nothing."""
        plain = {Verdict.ANSWERED, Verdict.LAGGING}
        return any(answer.verdict in plain or answer.outputs for answer in self.by_host.values())

    def judged(self) -> Answers:
        """With those told apart that lag behind the others."""
        gone, all_live = self.superseded, frozenset(output.outpoint for output in self.live)
        return Answers({url: _compared(answer, all_live, gone) for url, answer in self.by_host.items()})


async def survey(
    hosts: Mapping[str, LookupHost],
    service: str,
    query: JsonObject,
    *,
    now: int,
    verifier: Verifier | None = None,
    within: float = WITHIN,
    grace: float | None = None,
) -> Answers:
    """Ask all hosts at once; each has `within` seconds for all of its answer.

    With `grace`, nobody is waited for longer than so many seconds after the first sound output. `now` is in unix seconds.
    Raises UnreachableError where answers cannot be verified, since the chain's headers are not to be had.
    """
    asks = {
        url: asyncio.ensure_future(_ask(host, service, query, now=now, verifier=verifier, within=within))
        for url, host in hosts.items()
    }
    try:
        await _enough(asks.values(), grace)
        late = HostAnswer(verdict=Verdict.LATE, detail="others had answered before it")
        return Answers({url: ask.result() if ask.done() else late for url, ask in asks.items()}).judged()
    finally:
        for ask in asks.values():
            ask.cancel()
        await asyncio.gather(*asks.values(), return_exceptions=True)


async def _enough(asks: Iterable[asyncio.Future[HostAnswer]], grace: float | None) -> None:
    """Until all have answered, or, with `grace`, so long after the first that gave something."""
    pending, now = {*asks}, asyncio.get_running_loop().time
    until: float | None = None
    while pending:
        timeout = None if until is None else max(0.0, until - now())
        done, pending = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return
        if grace is not None and until is None and any(ask.result().outputs for ask in done):
            until = now() + grace


async def _ask(
    host: LookupHost, service: str, query: JsonObject, *, now: int, verifier: Verifier | None, within: float
) -> HostAnswer:
    time = asyncio.get_running_loop().time
    begun = time()
    try:
        async with asyncio.timeout(within):
            outputs = tuple(await host.lookup(service, query))
    except RefusedError as error:
        return HostAnswer(verdict=Verdict.REFUSED, detail=error.message, seconds=time() - begun)
    except UnreachableError as error:
        return HostAnswer(verdict=Verdict.SILENT, detail=error.message, seconds=time() - begun)
    except TimeoutError:
        return HostAnswer(verdict=Verdict.SILENT, detail="it did not come to an end", seconds=within)
    seconds = time() - begun
    sound, fault = (outputs, "") if verifier is None else await _sound(outputs, verifier, now)
    verdict = Verdict.LYING if fault else Verdict.ANSWERED
    return HostAnswer(verdict=verdict, outputs=sound, detail=fault, seconds=seconds)


async def _sound(outputs: Sequence[FoundOutput], verifier: Verifier, now: int) -> tuple[tuple[FoundOutput, ...], str]:
    """The outputs whose transactions hold, and what is wrong with the first that does not."""
    faults: dict[Txid, str] = {}
    for output in outputs:
        txid = output.outpoint.txid
        if txid not in faults:
            faults[txid] = await _fault(output, verifier, now)
    sound = tuple(output for output in outputs if not faults[output.outpoint.txid])
    return sound, next((fault for fault in faults.values() if fault), "")


async def _fault(output: FoundOutput, verifier: Verifier, now: int) -> str:
    try:
        await verifier.verified(output.beef, output.outpoint.txid, now=now)
    except VerificationError as error:
        return f"it shows {output.outpoint}, which does not hold: {error.message}"
    return ""


def _compared(answer: HostAnswer, live: frozenset[Outpoint], gone: frozenset[Outpoint]) -> HostAnswer:
    """An answer held against what all show together."""
    if answer.verdict is not Verdict.ANSWERED:
        return answer
    if stale := answer.outpoints & gone:
        return replace(answer, verdict=Verdict.LAGGING, detail=f"it shows {min(stale)}, which is spent")
    if lacking := live - answer.outpoints:
        return replace(answer, verdict=Verdict.LAGGING, detail=f"it lacks {len(lacking)} that others show")
    return answer
