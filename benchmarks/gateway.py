"""Our gateway, as a server that is measured: nothing is published, so that what it does is to authenticate."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from reconciler.clients.http import HttpClient
from reconciler.content.cache import PartCache
from reconciler.content.fetching import Fetcher
from reconciler.content.serving import Library
from reconciler.gateway.app import build_app
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.wallet.keys import Keys
from reconciler.web.server import Door, serving


async def _nobody(_: Digest) -> Sequence[str]:
    return ()


async def _nothing() -> bytes:
    raise StateError("nothing is sold here")


async def serve(question: Mapping[str, Any]) -> None:
    """Until standard input ends."""
    database = Database.open(question["database"])
    await schema.prepare(database)
    keys = Keys(bytes.fromhex(question["key"]))
    http = HttpClient()
    fetcher = Fetcher(http=http, strangers=http, folder=Path(question["folder"]), locate=_nobody)
    app = build_app(
        database=database,
        identity=keys.identity,
        host=Starlette(),
        keys=keys,
        contents=Library(PartCache(fetcher), seed=_nothing),
        clock=time.time,
        randomness=secrets.token_bytes,
    )
    async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
        print(json.dumps({"url": url}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    await database.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
