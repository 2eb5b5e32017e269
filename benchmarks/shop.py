"""A server that sells by our paywall, as it is measured: every name is a good, and all have one price."""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from benchmarks.processes import python
from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.clients.http import HttpClient
from reconciler.model.amounts import Satoshis
from reconciler.payments.till import Till
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.store.replays import Replays
from reconciler.wallet.keys import Keys
from reconciler.web.auth import Authenticated
from reconciler.web.listening import Listening, listening
from reconciler.web.paywall import Paywall
from reconciler.web.server import GRACE, Door, serving
from reconciler.web.sessions import Sessions
from reconciler.web.workers import Inheritance, Parent, Workers

_HOST = "127.0.0.1"


def build_app(question: Mapping[str, Any], database: Database, http: HttpClient) -> ASGIApp:
    """The shop on its database; headers and ARC are at `world`."""
    keys = Keys(bytes.fromhex(question["key"]))
    till = Till(
        database=database,
        receiver=keys,
        miner=Arc(http, question["world"]),
        chain=Headers(http, question["world"]),
        clock=time.time,
        randomness=secrets.token_bytes,
    )
    paywall, price = Paywall(till), Satoshis(question["price"])

    async def sell(request: Request) -> Response:
        admitted = await paywall.admit(request, f"dataset/{request.path_params['name']}", price)
        if isinstance(admitted, Response):
            return admitted
        answer = JSONResponse({"receipt": {"buyer": admitted.buyer, "satoshis": admitted.satoshis}})
        return paywall.deliver(admitted, answer)

    app = Starlette(routes=[Route("/v1/datasets/{name}/access", sell, methods=["POST"])])
    sessions = Sessions(keys=keys, replays=Replays(database), clock=time.time, randomness=secrets.token_bytes)
    return Authenticated(app, keys=keys, sessions=sessions, randomness=secrets.token_bytes)


async def alone(question: Mapping[str, Any]) -> None:
    """One process, until standard input ends."""
    async with _serving(question, None) as url:
        print(json.dumps({"url": url}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def work(question: Mapping[str, Any], inherited: Inheritance) -> None:
    """One of several, until its parent is gone or ends it."""
    parent, end = Parent(inherited.control), asyncio.Event()
    parent.on_end(end.set)
    async with _serving(question, Listening.inherited(inherited.sockets, _HOST)):
        parent.ready({})
        await end.wait()


async def supervise(question: Mapping[str, Any]) -> None:
    """Several processes, until standard input ends."""
    with listening(_HOST, 0) as place:
        workers = Workers(
            lambda inherited: [*python("benchmarks.shop", question), str(inherited)],
            place,
            question["workers"],
            environment=os.environ,
            grace=GRACE,
            tell=lambda text: print(text, file=sys.stderr),
            dice=random.random,
        )
        async with workers.serving():
            print(json.dumps({"url": place.url, "workers": workers.pids}), flush=True)
            await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def _serving(question: Mapping[str, Any], place: Listening | None) -> AsyncIterator[str]:
    database = Database.open(question["database"])
    await schema.prepare(database)
    async with HttpClient() as http:
        app = build_app(question, database, http)
        async with serving([Door(app=app, host=_HOST, listening=place)]) as (url,):
            yield url
    await database.close()


def main(words: Sequence[str]) -> None:
    """As a parent has started it, or as a parent."""
    question = json.loads(words[0])
    if len(words) > 1:
        asyncio.run(work(question, Inheritance.parse(words[1])))
    else:
        asyncio.run(alone(question) if question["workers"] == 1 else supervise(question))


if __name__ == "__main__":
    main(sys.argv[1:])
