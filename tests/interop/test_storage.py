"""The reference's uploader and downloader at a storage host of ours, on TCP: for nothing, and for money."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from reconciler.clients.http import HttpClient
from reconciler.devnet.ports import local_endpoints, port_of
from reconciler.devnet.world import Pace, ToyWorld
from reconciler.model.amounts import Satoshis
from reconciler.model.networks import Endpoints
from reconciler.web.server import Door, serving
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.script import p2pkh
from reconciler.wire.uhrp import url_of
from tests.paying import keys_of

UPLOADER, STRANGER = keys_of("StorageUploader"), keys_of("somebody else")
DATA = hashlib.shake_256(__name__.encode()).hexdigest(70_000).encode()
MONTH = 43_200


@dataclass
class World:
    """A local world on free ports, in this process."""

    toy: ToyWorld
    endpoints: Endpoints

    async def coins(self, count: int) -> list[dict[str, object]]:
        fundings = [await self.toy.ledger.faucet(p2pkh(UPLOADER.identity), Satoshis(100_000)) for _ in range(count)]
        return [{"beef": funding.beef.hex(), "vout": funding.outpoint.vout} for funding in fundings]


@pytest.fixture
def world(tmp_path, base_port) -> Callable[..., AsyncIterator[World]]:
    @asynccontextmanager
    async def opened(price: int) -> AsyncIterator[World]:
        endpoints = local_endpoints(base_port)
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(HttpClient())
            toy = ToyWorld(
                tmp_path / "world",
                endpoints,
                http=http,
                clock=time.time,
                randomness=secrets.token_bytes,
                pace=Pace(),
                storage_price=price,
            )
            stack.push_async_callback(toy.close)
            doors = [Door(app=app, host="localhost", port=port_of(origin)) for origin, app in toy.apps.items()]
            await stack.enter_async_context(serving(doors))
            yield World(toy, endpoints)

    return opened


@pytest.mark.parametrize(("price", "paid"), [(0, 0), (10_000_000, 1400)])
async def test_the_reference_stores_finds_lists_renews_and_fetches(world, run_peer, price, paid):
    async with world(price) as here:
        question = {
            "storage": here.endpoints.storage[0].url,
            "lookup": here.endpoints.hosts[0],
            "key": UPLOADER.secret().hex(),
            "other": STRANGER.secret().hex(),
            "coins": await here.coins(2) if price else [],
            "minutes": MONTH,
            "data": base64.b64encode(DATA).decode(),
            "type": "text/plain",
        }
        told = await asyncio.to_thread(run_peer, "storage.mjs", question)

    url = url_of(sha256_hex(DATA))
    assert told["published"]["published"]
    assert told["published"]["uhrpURL"] == url
    expires = told["found"].pop("expiryTime")
    assert abs(expires - MONTH * 60 - time.time()) < 600
    assert told["found"] == {"name": f"cdn/{sha256_hex(DATA)}", "size": str(len(DATA)), "mimeType": "text/plain"}
    assert told["listed"] == [{"uhrpUrl": url, "expiryTime": expires}]
    later = expires + MONTH * 60
    assert told["renewed"] == {"status": "success", "prevExpiryTime": expires, "newExpiryTime": later, "amount": paid}
    assert told["relisted"] == [{"uhrpUrl": url, "expiryTime": later}]
    assert told["strange"] == []
    assert told["parallel"] == [1] * 20
    assert told["fetched"] == {"data": base64.b64encode(DATA).decode(), "mimeType": "text/plain"}
    assert told["url"] == f"{question['storage']}/cdn/{sha256_hex(DATA)}"
    assert told["part"] == {"status": 206, "range": f"bytes 2-5/{len(DATA)}", "text": DATA[2:6].decode()}
    assert len(told["made"]) == (2 if price else 0)
