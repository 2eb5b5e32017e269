"""The embedded chain's face: ARC's HTTP API (WIRE §4.9), WhatsOnChain's header routes, and what a real chain has not.

The chain's own routes stand at the root and, for clients that only know WhatsOnChain, under `/v1/bsv/{network}` as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from reconciler.chain.blocks import difficulty
from reconciler.chain.branch import Block
from reconciler.chain.ledger import Ledger
from reconciler.chain.rules import refusal
from reconciler.devnet.submission import Submitted, read_many, read_one
from reconciler.model.amounts import MAX_SATOSHIS, satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, Outpoint, Txid, digest, txid
from reconciler.model.json import Json, JsonObject
from reconciler.web.bodies import read_body
from reconciler.wire.arc import ArcError, Callback, TxReport
from reconciler.wire.canonical import parse_json
from reconciler.wire.http import Http
from reconciler.wire.script import p2pkh_of_address
from reconciler.wire.transaction import parse_transaction

BODY_LIMIT: Final = 64 * 1024 * 1024
"""Bytes that a request may have."""

_PAUSE: Final = 0.25
_BLOCKS: Final = 1_000  # that one wish may mine
_LATEST: Final = 10  # headers in a list of the latest, as WhatsOnChain has it

_TITLES: Final = {
    ArcError.BAD_REQUEST: "Bad request",
    ArcError.NOT_FOUND: "Not found",
    ArcError.GENERIC: "Generic error",
    ArcError.TX_FORMAT: "Not extended format",
    ArcError.UNLOCKING_SCRIPTS: "Malformed transaction",
    ArcError.INPUTS: "Invalid inputs",
    ArcError.MALFORMED: "Malformed transaction",
    ArcError.OUTPUTS: "Invalid outputs",
    ArcError.FEES: "Fee too low",
    ArcError.CONFLICT: "Conflicting tx found",
    ArcError.BEEF_INVALID: "Invalid BUMPs",
    ArcError.MERKLE_ROOTS: "Merkle Roots validation failed",
}

_Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(*, ledger: Ledger, clock: Callable[[], float], http: Http | None = None) -> Starlette:
    """The ASGI app over one world. `clock` gives unix seconds.

    With `http`, callbacks are delivered while the app's lifespan runs, and the world mines by the clock even if nobody asks;
    without a lifespan, `deliver_callbacks` may be called by hand.
    """
    face = _Face(ledger, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_keep_going(ledger, http))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await ledger.close()

    chain = face.chain_routes()
    return Starlette(
        routes=[*face.arc_routes(), *chain, *face.toy_routes(), Mount("/v1/bsv/{network}", routes=chain)],
        lifespan=lifespan,
    )


async def deliver_callbacks(ledger: Ledger, http: Http) -> int:
    """Make every callback that is due; returns how many arrived. What did not arrive is due again later."""
    arrived = 0
    while deliveries := await ledger.claim_callbacks():
        for delivery in deliveries:
            headers = {"Content-Type": "application/json"}
            if delivery.token:
                headers["Authorization"] = f"Bearer {delivery.token}"
            try:
                reply = await http.request("POST", delivery.url, headers=headers, content=delivery.body)
                taken = reply.ok
            except UnreachableError:
                taken = False
            await ledger.called_back(delivery, arrived=taken)
            arrived += taken
    return arrived


async def _keep_going(ledger: Ledger, http: Http | None) -> None:
    while True:
        with contextlib.suppress(UnreachableError):  # another process holds the file; it does this work meanwhile
            await (deliver_callbacks(ledger, http) if http else ledger.touch())
        await asyncio.sleep(_PAUSE)


class _Face:
    """The routes, by whose they are."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._clock = clock

    def arc_routes(self) -> list[Route]:
        """What bitcoin-sv/arc serves."""
        return [
            Route("/v1/tx", _answering(self.submit_one), methods=["POST"]),
            Route("/v1/txs", _answering(self.submit_many), methods=["POST"]),
            Route("/v1/tx/{txid}", _answering(self.status)),
            Route("/v1/policy", _answering(self.policy)),
            Route("/v1/health", _answering(self.health)),
        ]

    def chain_routes(self) -> list[Route]:
        """What WhatsOnChain serves."""
        return [
            Route("/block/headers", _answering(self.latest)),
            Route("/block/{block}/header", _answering(self.header)),
            Route("/address/{address}/unspent", _answering(self.unspent)),
            Route("/tx/{txid}/beef", _answering(self.beef)),
            Route("/tx/{txid}/{vout:int}/spent", _answering(self.spent)),
        ]

    def toy_routes(self) -> list[Route]:
        """What only a toy has."""
        return [
            Route("/status", _answering(self.overview)),
            Route("/faucet", _answering(self.faucet), methods=["POST"]),
            Route("/mine", _answering(self.mine), methods=["POST"]),
            Route("/reorg", _answering(self.reorg), methods=["POST"]),
            Route("/replace", _answering(self.replace), methods=["POST"]),
            Route("/forget", _answering(self.forget), methods=["POST"]),
        ]

    async def submit_one(self, request: Request) -> Response:
        """POST /v1/tx: one transaction, or a BEEF, whose subject the answer is about."""
        content_type = request.headers.get("content-type", "")
        submitted = await read_one(await read_body(request, BODY_LIMIT), content_type, self._ledger)
        reports = [await self._submit(each, request) for each in submitted]
        return JSONResponse(self._body(reports[-1], status=200, title="OK"))

    async def submit_many(self, request: Request) -> Response:
        """POST /v1/txs: an entry per transaction, either its status or the error that it was refused with."""
        content_type = request.headers.get("content-type", "")
        entries: list[JsonObject] = []
        for submitted in await read_many(await read_body(request, BODY_LIMIT), content_type, self._ledger):
            try:
                report = await self._submit(submitted, request)
            except RefusedError as error:
                entries.append(_problem(error, submitted.transaction.txid))
            else:
                entries.append(self._body(report, status=200, title="OK"))
        return JSONResponse(entries)

    async def status(self, request: Request) -> Response:
        """GET /v1/tx/{txid}."""
        report = await self._ledger.status(txid(request.path_params["txid"]))
        if report is None:
            raise refusal(ArcError.NOT_FOUND, "transaction not found")
        return JSONResponse(self._body(report))

    async def policy(self, _: Request) -> Response:
        """GET /v1/policy."""
        rate = self._ledger.rate
        policy = {
            "maxscriptsizepolicy": BODY_LIMIT,
            "maxtxsigopscountspolicy": 0xFFFFFFFF,
            "maxtxsizepolicy": BODY_LIMIT,
            "miningFee": {"satoshis": rate.satoshis, "bytes": rate.bytes},
            "standardFormatSupported": True,
        }
        return JSONResponse({"timestamp": self._timestamp(), "policy": policy})

    async def health(self, _: Request) -> Response:
        """GET /v1/health."""
        await self._ledger.touch()
        return JSONResponse({"healthy": True, "reason": "", "version": "embedded"})

    async def latest(self, _: Request) -> Response:
        """GET /block/headers: the latest, highest first."""
        blocks = await self._ledger.latest(_LATEST)
        tip = blocks[0].height
        return JSONResponse([_header(block, tip) for block in blocks])

    async def header(self, request: Request) -> Response:
        """GET /block/{height or hash}/header."""
        named: str = request.path_params["block"]
        if named.isascii() and named.isdigit() and len(named) < 64:
            block = await self._ledger.block(int(named))
        else:
            block = await self._ledger.block_of(digest(named))
        if block is None:
            raise refusal(ArcError.NOT_FOUND, "block not found")
        return JSONResponse(_header(block, await self._ledger.height()))

    async def unspent(self, request: Request) -> Response:
        """GET /address/{address}/unspent: oldest first; height 0 is not mined yet."""
        coins = await self._ledger.unspent(p2pkh_of_address(request.path_params["address"]))
        return JSONResponse(
            [
                {
                    "height": coin.height or 0,
                    "tx_pos": coin.outpoint.vout,
                    "tx_hash": coin.outpoint.txid,
                    "value": coin.satoshis,
                }
                for coin in coins
            ]
        )

    async def beef(self, request: Request) -> Response:
        """GET /tx/{txid}/beef: Atomic BEEF as hex."""
        named = txid(request.path_params["txid"])
        beef = await self._ledger.beef(named)
        return Response(beef.to_atomic(named).hex(), media_type="text/plain")

    async def spent(self, request: Request) -> Response:
        """GET /tx/{txid}/{vout}/spent: what spends an output."""
        outpoint = Outpoint(txid(request.path_params["txid"]), request.path_params["vout"])
        spender = await self._ledger.spender(outpoint)
        if spender is None:
            raise refusal(ArcError.NOT_FOUND, "the output is not spent")
        return JSONResponse({"txid": spender})

    async def overview(self, _: Request) -> Response:
        """GET /status."""
        seen = await self._ledger.overview()
        return JSONResponse(
            {
                "networkId": seen.network_id,
                "height": seen.height,
                "tip": seen.tip,
                "mempool": seen.waiting,
                "blockTime": seen.block_time,
            }
        )

    async def faucet(self, request: Request) -> Response:
        """POST /faucet `{address | lockingScript, satoshis}`: money, mined at once."""
        wish = await _object(request)
        script = wish.get("lockingScript")
        locking = bytes.fromhex(str(script)) if script else p2pkh_of_address(str(wish.get("address")))
        funding = await self._ledger.faucet(locking, satoshis(_count(wish, "satoshis")))
        return JSONResponse({"txid": funding.outpoint.txid, "vout": funding.outpoint.vout, "beef": funding.beef.hex()})

    async def mine(self, request: Request) -> Response:
        """POST /mine `{blocks?}`."""
        return _mined(await self._ledger.mine(_count(await _object(request), "blocks", 1, most=_BLOCKS)))

    async def reorg(self, request: Request) -> Response:
        """POST /reorg `{depth?, drop?: [txid], instead?: [raw transaction], again?}`."""
        wish = await _object(request)
        blocks = await self._ledger.reorg(
            _count(wish, "depth", 1),
            drop=[txid(each) for each in _texts(wish, "drop")],
            instead=[parse_transaction(bytes.fromhex(each)) for each in _texts(wish, "instead")],
            again=wish.get("again") is True,
        )
        return _mined(blocks)

    async def replace(self, request: Request) -> Response:
        """POST /replace `{txid, rawTx}`: mine a conflicting transaction instead of one in the mempool."""
        wish = await _object(request)
        winner = parse_transaction(bytes.fromhex(str(wish.get("rawTx"))))
        return _mined((await self._ledger.replace(txid(str(wish.get("txid"))), winner),))

    async def forget(self, request: Request) -> Response:
        """POST /forget `{txid}`: drop a transaction from the mempool."""
        await self._ledger.forget(txid(str((await _object(request)).get("txid"))))
        return JSONResponse({})

    async def _submit(self, submitted: Submitted, request: Request) -> TxReport:
        return await self._ledger.submit(submitted.transaction, submitted.spent, callback=_callback(request))

    def _body(self, report: TxReport, **more: Json) -> JsonObject:
        return {**report.to_json(timestamp=self._timestamp()), **more}

    def _timestamp(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat().replace("+00:00", "Z")


def _answering(endpoint: _Endpoint) -> _Endpoint:
    """What is refused becomes a problem document (RFC 7807) with the code as HTTP status, as ARC does."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RefusedError as error:
            problem = _problem(error)
        except (VerificationError, ValueError) as error:
            problem = _problem(refusal(ArcError.BAD_REQUEST, str(error)))
        except UnreachableError as error:
            problem = _problem(RefusedError(error.message, code="503"))
        return JSONResponse(problem, status_code=int(str(problem["status"])), media_type="application/problem+json")

    return answer


def _problem(error: RefusedError, subject: Txid | None = None) -> JsonObject:
    """The fields of ARC's errors. Codes that are not ARC's are HTTP's."""
    code = int(error.code)
    known = code in set(ArcError)
    return {
        "type": f"https://bitcoin-sv.github.io/arc/#/errors?id=_{code}",
        "title": _TITLES.get(ArcError(code), "Generic error") if known else "Refused",
        "status": code,
        "detail": error.message,
        "instance": None,
        "txid": subject,
        "extraInfo": error.message,
    }


def _header(block: Block, tip: int) -> JsonObject:
    """A header in WhatsOnChain's words."""
    header = block.header
    return {
        "hash": header.hash,
        "confirmations": tip - block.height + 1,
        "height": block.height,
        "version": header.version,
        "versionHex": f"{header.version:08x}",
        "merkleroot": header.merkle_root,
        "time": header.time,
        "nonce": header.nonce,
        "bits": f"{header.bits:08x}",
        "difficulty": difficulty(header.bits),
        "previousblockhash": header.previous,
    }


def _mined(blocks: Sequence[Block]) -> Response:
    hashes: list[Digest] = [block.header.hash for block in blocks]
    return JSONResponse({"height": blocks[-1].height if blocks else None, "blocks": hashes})


def _callback(request: Request) -> Callback | None:
    url = request.headers.get("x-callbackurl")
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        raise refusal(ArcError.BAD_REQUEST, "invalid callback URL")
    every = request.headers.get("x-fullstatusupdates", "").lower() == "true"
    return Callback(url=url, token=request.headers.get("x-callbacktoken", ""), every=every)


async def _object(request: Request) -> JsonObject:
    body = await read_body(request, BODY_LIMIT)
    value = parse_json(body, "the body") if body else {}
    if not isinstance(value, Mapping):
        raise refusal(ArcError.BAD_REQUEST, "the body is not a JSON object")
    return value


def _count(wish: JsonObject, name: str, default: int | None = None, *, most: int = MAX_SATOSHIS) -> int:
    value = wish.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise refusal(ArcError.BAD_REQUEST, f"{name} must be a whole number from 1 to {most}")
    return value


def _texts(wish: JsonObject, name: str) -> list[str]:
    value = wish.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise refusal(ArcError.BAD_REQUEST, f"{name} must be a list of texts")
    return [str(each) for each in value]
