"""Where ARC reports what became of transactions: `POST /arc-ingest` (WIRE §4.1 and §4.9).

A proof is kept when it leads to a header of the chain, whatever was believed before: that is how a reorg is learned. Every
other status decides nothing (PROTOCOL §4); it only sets off what the host would have done by itself later.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.host.ports import Chain
from reconciler.host.proofs import Proofs
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, Txid
from reconciler.model.json import Json
from reconciler.web.bodies import read_json
from reconciler.wire.arc import Standing, parse_report
from reconciler.wire.merkle import MerklePath, parse_path

PATH: Final = "/arc-ingest"

_BODY: Final = 4 * 1024 * 1024
_REPORTS: Final = 500
"""Of one batch; ARC's have 50."""

_ASK_AGAIN: Final = frozenset({Standing.MINED, Standing.STALE, Standing.CONTESTED})
"""What makes a look at ARC worth while: a block without its proof, a block that lost, a conflict."""


class Outcome(StrEnum):
    """What came of one report."""

    PROVEN = "proven"
    """A proof that holds; kept, if the transaction is known here."""
    NOTED = "noted"
    """A status that decides nothing by itself."""
    IGNORED = "ignored"
    """Nothing that we understand: a status that does not exist yet, a report that is none."""
    FORGED = "forged"
    """A proof that does not lead to the chain."""
    TOO_EARLY = "too-early"
    """A proof in a block whose header we have not got yet."""


@dataclass(frozen=True, slots=True)
class _Judged:
    outcome: Outcome
    txid: Txid | None = None
    """Of a proof that holds, or of a transaction about which ARC is worth a question."""
    path: MerklePath | None = None


class Ingest:
    """The route, for whoever shows `token`; nobody else is listened to."""

    def __init__(self, proofs: Proofs, chain: Chain, token: str) -> None:
        self._proofs = proofs
        self._chain = chain
        self._token = token.encode()

    def routes(self) -> list[Route]:
        """The one there is."""
        return [Route(PATH, self._ingest, methods=["POST"])]

    async def take(self, reports: Sequence[Json]) -> tuple[Outcome, ...]:
        """What became of each report. Raises UnreachableError where the chain's headers cannot be had: nothing is kept then."""
        roots: dict[int, Digest | None] = {}  # by height: a batch is of few blocks
        judged = [await self._judge(report, roots) for report in reports]
        await self._proofs.keep({each.txid: each.path for each in judged if each.txid and each.path})
        await self._proofs.ask_soon([each.txid for each in judged if each.txid and each.path is None])
        return tuple(each.outcome for each in judged)

    async def _ingest(self, request: Request) -> Response:
        if not self._is_known(request.headers.get("authorization", "")):
            body = {"status": "error", "message": "the callback token is missing or wrong"}
            return JSONResponse(body, status_code=401, headers={"www-authenticate": "Bearer"})
        outcomes = await self.take(_reports(await read_json(request, _BODY)))
        if Outcome.FORGED in outcomes:
            raise VerificationError("a Merkle path does not lead to a block of the chain")
        if Outcome.TOO_EARLY in outcomes:
            raise UnreachableError("the header of a block is not known here yet")
        counts = {outcome.value: outcomes.count(outcome) for outcome in outcomes}
        return JSONResponse({"status": "success", "message": "Transaction status updated", "reports": counts})

    def _is_known(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        shown = token.strip().encode(errors="surrogateescape")
        return hmac.compare_digest(shown, self._token) and scheme.lower() == "bearer"

    async def _judge(self, value: Json, roots: dict[int, Digest | None]) -> _Judged:
        try:
            report = parse_report(value)
            path = None if report.merkle_path is None else parse_path(report.merkle_path)
        except VerificationError:
            return _Judged(Outcome.IGNORED)
        if path is None:
            return _Judged(Outcome.NOTED, report.txid if report.standing in _ASK_AGAIN else None)
        outcome = await self._judge_proof(report.txid, path, roots)
        return _Judged(outcome, report.txid, path) if outcome is Outcome.PROVEN else _Judged(outcome)

    async def _judge_proof(self, txid: Txid, path: MerklePath, roots: dict[int, Digest | None]) -> Outcome:
        if not path.proves(txid):
            return Outcome.FORGED
        if path.height not in roots:
            roots[path.height] = await self._chain.root(path.height)
        root = roots[path.height]
        if root is None:
            return Outcome.TOO_EARLY
        return Outcome.PROVEN if path.root(txid) == root else Outcome.FORGED


def _reports(value: Json) -> Sequence[Json]:
    """One report, or a batch `{count, callbacks}`. Raises RefusedError."""
    if not isinstance(value, Mapping):
        raise RefusedError("the callback is not an object")
    if "callbacks" not in value:
        if not isinstance(value.get("txid"), str):
            raise RefusedError("the callback names no transaction")
        return (value,)
    callbacks = value["callbacks"]
    if not isinstance(callbacks, list) or len(callbacks) > _REPORTS:
        raise RefusedError(f"the callbacks of a batch are not a list of at most {_REPORTS}")
    return callbacks
