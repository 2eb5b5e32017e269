"""The chain that a measured server asks: headers of the material's blocks, and an ARC that shows at once what it was given."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.web.server import Door, serving
from reconciler.wire.arc import TxStatus
from reconciler.wire.extended import parse_extended

_DEEP: Final = 1_000
"""Confirmations of every block."""


def build_app(roots: Mapping[str, str]) -> Starlette:
    """An app with the routes that hosts ask; `roots` are Merkle roots by height."""
    tip = max((int(height) for height in roots), default=0) + _DEEP

    async def header(request: Request) -> Response:
        height = request.path_params["height"]
        root = roots.get(height)
        if root is None:
            return JSONResponse(None, status_code=404)
        return JSONResponse({"height": int(height), "merkleroot": root, "confirmations": _DEEP})

    async def headers(_: Request) -> Response:
        return JSONResponse([{"height": tip, "time": 0}])

    seen: set[str] = set()

    def report(txid: str) -> dict[str, object]:
        return {"txid": txid, "txStatus": TxStatus.SEEN_ON_NETWORK.value, "status": 200}

    def taken(given: Mapping[str, str]) -> dict[str, object]:
        txid = parse_extended(bytes.fromhex(given["rawTx"])).transaction.txid
        seen.add(txid)
        return report(txid)

    async def submit(request: Request) -> Response:
        return JSONResponse(taken(await request.json()))

    async def submit_all(request: Request) -> Response:
        return JSONResponse([taken(each) for each in await request.json()])

    async def status(request: Request) -> Response:
        txid = request.path_params["txid"]
        return JSONResponse(report(txid)) if txid in seen else JSONResponse({"status": 404}, status_code=404)

    return Starlette(
        routes=[
            Route("/block/headers", headers),
            Route("/block/{height}/header", header),
            Route("/v1/tx", submit, methods=["POST"]),
            Route("/v1/txs", submit_all, methods=["POST"]),
            Route("/v1/tx/{txid}", status),
        ]
    )


async def serve(app: Starlette) -> None:
    """Until standard input ends."""
    async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
        print(json.dumps({"url": url}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    roots = Path(json.loads(sys.argv[1])["roots"])
    asyncio.run(serve(build_app(json.loads(roots.read_text(encoding="ascii")))))
