"""Our host, as a server that is measured: the package's own parts, its proofs looked after in the background.

It keeps SHIP tokens. Its look-up service differs from `ls_ship` in that a page may have 100 outputs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.clients.http import HttpClient
from reconciler.host.app import build_app
from reconciler.host.lookups.advertisements import AdLookup
from reconciler.host.services import Hit
from reconciler.host.topics.advertisements import AdTopic
from reconciler.model.errors import RefusedError
from reconciler.model.ids import AdProtocol, identity_key
from reconciler.model.json import Json
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.store.listings import AdQuery, Ads, Page
from reconciler.store.works import Connection
from reconciler.web.server import Door, serving

_PROOF_SECONDS: Final = 10.0
"""How often proofs are looked after: as `overlay serve` has it."""


class WideAdLookup(AdLookup):
    """`ls_ship`, of one identity, with longer pages."""

    async def answer(self, connection: Connection, query: Json, now: int) -> tuple[Hit, ...]:  # noqa: ARG002 - ageless
        """One page of advertisements."""
        match query:
            case {"identityKey": str(identity), "limit": int(limit)}:
                page = Page(limit)
                wanted = AdQuery(protocol=AdProtocol.SHIP, identity=identity_key(identity), page=page)
            case {"limit": int(limit)}:
                wanted = AdQuery(protocol=AdProtocol.SHIP, page=Page(limit))
            case _:
                raise RefusedError("the query is an object with limit, and identityKey if it likes")
        return tuple(Hit(outpoint) for outpoint in await Ads(connection).find(wanted))


async def serve(question: Mapping[str, Any]) -> None:
    """Until standard input ends."""
    database = Database.open(question["database"])
    await schema.prepare(database)
    async with HttpClient() as http:
        app = build_app(
            database=database,
            headers=Headers(http, question["world"]),
            arc=Arc(http, question["world"]),
            clock=time.time,
            topics=[AdTopic(AdProtocol.SHIP)],
            lookups=[WideAdLookup(AdProtocol.SHIP)],
            refresh_every=_PROOF_SECONDS,
        )
        async with serving([Door(app=app, host="127.0.0.1", port=0)]) as (url,):
            print(json.dumps({"url": url}), flush=True)
            await asyncio.to_thread(sys.stdin.read)
    await database.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
