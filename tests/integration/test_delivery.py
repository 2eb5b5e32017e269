"""A gateway delivers what another machine applied, out of storage hosts: it has its own key, a database of its own, and no file."""

from __future__ import annotations

import os
from typing import Any

import pytest

from reconciler.cli.libraries import open_library
from reconciler.cli.wiring import clock, keys_of
from reconciler.control.follow import Follower
from reconciler.gateway.live import Shelf
from reconciler.model.errors import StateError
from reconciler.model.ids import Network, RecordId
from reconciler.model.keys import GATEWAY_KEY
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.stream_cipher import key_commitment

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: Acme
  network: embedded
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: prices/btc}
spec:
  source: {path: data/btc.csv}
  title: Prices
  price: 5000
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: free}
spec:
  source: {path: data/a.csv}
  title: Free
"""
SOLD, FREE = (RecordId.parse(f"dataset/{name}") for name in ("prices/btc", "free"))


def rows(version: int) -> str:
    return "".join(f"{number},{version},{'x' * 90}\n" for number in range(30_000))


@pytest.fixture
def machines(twins):
    """The producer's, with everything to be applied, and the gateway's."""
    here, there = twins
    here.write(MANIFEST)
    here.data("btc.csv", rows(1))
    (there.folder / "data" / "a.csv").unlink()
    (there.folder / "data" / "b.csv").unlink()
    return here, there


def gateway_of(producer: Any) -> Any:
    return keys_of(producer.invocation, Network.EMBEDDED, create=False).child(GATEWAY_KEY)


async def catch_up(producer: Any, site: Any) -> None:
    follower = Follower(
        world=site.world(),
        database=site.database,
        identity=keys_of(producer.invocation, Network.EMBEDDED, create=False).identity,
        keys=gateway_of(producer),
        clock=clock,
        randomness=os.urandom,
    )
    await follower.claim()
    assert await follower.catch_up() is not None


async def documents(site: Any) -> Any:
    shelf = Shelf(site.database)
    live = await shelf.live()
    return await shelf.documents(live.entries)


async def read(library: Any, content: Any, start: int = 0) -> str:
    return b"".join([piece async for piece in await library.read(content, start, content.size)]).decode()


async def test_with_its_own_key_alone_it_opens_and_reads_everything(machines):
    here, there = machines
    await here.apply()
    async with there.site() as site:
        await catch_up(there, site)
        found = await documents(site)
        async with open_library(site, gateway_of(there)) as library:
            sold, free = [await library.known(found[record]) for record in (SOLD, FREE)]
            assert await read(library, sold) == rows(1)
            assert await read(library, sold, 2_000_000) == rows(1)[2_000_000:]
            assert await read(library, free) == "id,value\n1,one\n"
            assert sold.sha256 == sha256_hex(rows(1).encode())
            assert key_commitment(sold.key) == found[SOLD].content.key_commitment
            assert (free.sha256, free.key) == (found[FREE].content.digest, None)
    kept = [path.read_bytes() for path in (there.home / "cache" / "parts").iterdir()]
    assert len(kept) == 2
    assert not any(b"x" * 90 in data for data in kept)


async def test_what_was_sold_earlier_is_still_there_after_it_changed_and_after_it_was_deleted(machines):
    here, there = machines
    await here.apply()
    async with there.site() as site:
        await catch_up(there, site)
        old = (await documents(site))[SOLD]
        here.data("btc.csv", rows(2))
        await here.apply()
        await catch_up(there, site)
        new = (await documents(site))[SOLD]
        here.write(MANIFEST.replace("prices/btc", "prices/eth"))
        await here.apply()
        await catch_up(there, site)
        assert SOLD not in await documents(site)
        async with open_library(site, gateway_of(there)) as library:
            for document, version in ((old, 1), (new, 2)):
                content = await library.known(document)
                assert await read(library, content) == rows(version)


async def test_another_gateways_key_and_no_key_open_nothing_but_what_is_free(machines, request):
    here, there = machines
    await here.apply()
    async with there.site() as site:
        await catch_up(there, site)
        found = await documents(site)
        for keys in (None, gateway_of(there).child(GATEWAY_KEY)):
            async with open_library(site, keys) as library:
                with pytest.raises(StateError):
                    await library.known(found[SOLD])
                assert await read(library, await library.known(found[FREE])) == "id,value\n1,one\n"
