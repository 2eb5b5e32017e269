"""The client of ARC, which takes transactions to miners (WIRE §4.9). The embedded chain is asked by the same code.

Sends Extended Format. Of BEEF, ARC (bitcoin-sv/arc, April 2026) knows only V1, fails on V2 and Atomic, and answers with the
status of any one of its transactions, whereas in Extended Format it checks everything, with no question to a node, and
answers for each transaction by its id. An unproven ancestry goes along in one request, parents first: who has it already
says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.model.amounts import FeeRate, satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Txid
from reconciler.model.json import Json, JsonObject
from reconciler.wire.arc import Callback, TxReport, TxStatus, parse_report
from reconciler.wire.beef import Beef, ancestry, parse_beef
from reconciler.wire.extended import Extended
from reconciler.wire.http import Http, Reply
from reconciler.wire.transaction import TxInput, TxOutput

_PATIENCE: Final = 5
"""Seconds that ARC may wait for the status we ask for, before it answers with what it has."""
_SLACK: Final = 10.0
_BUSY: Final = frozenset({408, 425, 429})
"""4xx that say nothing about the transaction."""


class Arc:
    """One ARC. Every call may be repeated: ARC knows a transaction by its id and answers with its current status."""

    def __init__(
        self,
        http: Http,
        url: str,
        *,
        token: str | None = None,
        callback: Callback | None = None,
        deployment: str = "overlay-reconciler",
        wait_for: TxStatus = TxStatus.SEEN_ON_NETWORK,
    ) -> None:
        """Name an ARC by its origin, without `/v1`. `token` is a bearer token; `deployment` tells it whose calls these are."""
        self._http = http
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json", "XDeployment-ID": deployment}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._submitting = {
            "Content-Type": "application/json",
            "X-WaitFor": wait_for.value,
            "X-MaxTimeout": str(_PATIENCE),
            **_callback_headers(callback),
        }

    async def submit(self, beef: Beef | bytes, subject: Txid | None = None) -> TxReport:
        """Hand over a transaction with its unproven ancestry; returns its status, which may be a failure.

        `subject` is the one meant, by default that of an Atomic BEEF, or the last. Raises RefusedError (code: ARC's) where it
        says no, UnreachableError where it does not say, VerificationError where the BEEF lacks an output that is spent.
        """
        if isinstance(beef, bytes):
            beef, named = parse_beef(beef)
            subject = subject or named
        return await self.send(unproven(beef, beef.subject_or_last(subject)))

    async def send(self, transactions: Sequence[Extended]) -> TxReport:
        """Hand over transactions, parents first; returns the status of the last. Raises as `submit` does."""
        subject = transactions[-1].transaction.txid
        bodies: list[Json] = [{"rawTx": extended.to_bytes().hex()} for extended in transactions]
        if len(bodies) == 1:
            reply = await self._request("POST", "/v1/tx", bodies[0])
            return self._report(_accepted(reply), subject)
        reply = await self._request("POST", "/v1/txs", bodies)
        entries = _accepted(reply)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping) and entry.get("txid") == subject:
                _check_entry(entry, reply.url)
                return self._report(entry, subject)
        raise UnreachableError(f"{reply.url} did not answer for the transaction {subject}", where=reply.url)

    async def status(self, txid: Txid) -> TxReport | None:
        """How a transaction stands; None where this ARC does not know it. Raises UnreachableError, RefusedError."""
        reply = await self._request("GET", f"/v1/tx/{txid}")
        return None if reply.status == 404 else self._report(_accepted(reply), txid)

    async def policy(self) -> FeeRate:
        """The mining fee that it asks for. Raises UnreachableError, RefusedError."""
        reply = await self._request("GET", "/v1/policy")
        value = _accepted(reply)
        try:
            fee = _member(_member(value, "policy"), "miningFee")
            return FeeRate(satoshis(_number(fee, "satoshis")), _number(fee, "bytes"))
        except ValueError as error:
            raise UnreachableError(f"{reply.url} did not answer a policy: {error}", where=reply.url) from error

    async def health(self) -> bool:
        """Whether it says it is well. Raises UnreachableError, RefusedError."""
        reply = await self._request("GET", "/v1/health")
        value = _accepted(reply)
        return isinstance(value, Mapping) and value.get("healthy") is True

    async def _request(self, method: str, path: str, body: Json = None) -> Reply:
        headers = self._headers | (self._submitting if method == "POST" else {})
        content = None if body is None else json.dumps(body).encode()
        url = f"{self.url}{path}"
        return await self._http.request(method, url, headers=headers, content=content, within=_PATIENCE + _SLACK)

    def _report(self, value: Json, txid: Txid) -> TxReport:
        try:
            report = parse_report(value)
        except VerificationError as error:  # nonsense decides nothing: what was sent may well be on its way
            raise UnreachableError(f"{self.url} answered nonsense: {error.message}", where=self.url) from error
        if report.txid != txid:
            raise UnreachableError(f"{self.url} answered for {report.txid}, not {txid}", where=self.url)
        return report


def unproven(beef: Beef, subject: Txid) -> tuple[Extended, ...]:
    """The subject after its unproven ancestry, parents first, in Extended Format.

    Raises VerificationError where the BEEF lacks an output that is spent, or the subject is proven: nothing is to be sent.
    """
    needed = ancestry(beef, (subject,))
    if beef.transactions[subject].bump is not None:
        raise VerificationError(f"the transaction {subject} is mined already")
    return tuple(
        Extended(transaction, tuple(_spent(beef, spending) for spending in transaction.inputs))
        for transaction, path in needed
        if path is None
    )


def _spent(beef: Beef, spending: TxInput) -> TxOutput:
    parent = beef.transactions.get(spending.outpoint.txid)
    outputs = parent.transaction.outputs if parent else ()
    if spending.outpoint.vout >= len(outputs):
        raise VerificationError(f"the BEEF lacks the output {spending.outpoint}, which is spent")
    return outputs[spending.outpoint.vout]


def _callback_headers(callback: Callback | None) -> dict[str, str]:
    if callback is None:
        return {}
    token = {"X-CallbackToken": callback.token} if callback.token else {}
    return {"X-CallbackUrl": callback.url, "X-FullStatusUpdates": "true" if callback.every else "false", **token}


def _accepted(reply: Reply) -> Json:
    """The JSON of a 2xx answer; anything else is raised."""
    if reply.ok:
        return reply.json()
    if 400 <= reply.status < 500 and reply.status not in _BUSY:
        raise RefusedError(_complaint(reply), code=str(reply.status), where=reply.url)
    raise UnreachableError(f"{reply.url} answered HTTP {reply.status}", where=reply.url)


def _complaint(reply: Reply) -> str:
    """An RFC 7807 body as one sentence, as far as there is one."""
    try:
        problem = reply.json()
    except UnreachableError:
        problem = None
    return _sentence(problem if isinstance(problem, Mapping) else {}, reply.status)


def _check_entry(entry: JsonObject, where: str) -> None:
    """In the list of /v1/txs, a transaction that was refused has an error in its place."""
    status = entry.get("status")
    if isinstance(status, int) and status >= 400:
        raise RefusedError(_sentence(entry, status), code=str(status), where=where)


def _sentence(problem: JsonObject, status: int) -> str:
    details = [text for name in ("detail", "extraInfo") if isinstance(text := problem.get(name), str) and text]
    return f"ARC refused the transaction ({': '.join((str(status), *details))})"


def _member(value: Json, name: str) -> JsonObject:
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} is missing")  # noqa: TRY004 - one kind of failure, translated by the caller
    return found


def _number(value: JsonObject, name: str) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise ValueError(f"{name} is not a whole number")  # noqa: TRY004 - as above
    return found
