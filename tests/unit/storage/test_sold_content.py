"""Sold content there and back: sealed, stored part by part over HTTP, advertised, found by its hash, downloaded, opened."""

from __future__ import annotations

import hashlib

import pytest

from reconciler.apply.upload import Upload, upload_all
from reconciler.clients.survey import survey
from reconciler.content.fetching import Fetcher, Pin
from reconciler.content.locating import locate
from reconciler.content.opening import open_content
from reconciler.content.sealing import SealedFile, seal
from reconciler.content.sources import FreeContent, LocalFiles
from reconciler.model.errors import StalePlanError
from reconciler.model.ids import Digest
from reconciler.wire.stream_cipher import Layout, content_key
from reconciler.wire.uhrp import url_of

MIB = 1 << 20


def _digest(path) -> Digest:
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


@pytest.fixture
def file(tmp_path, content):
    """Two parts long, with data at both ends."""
    path = tmp_path / "sold.bin"
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(65 * MIB)
        stream.seek(65 * MIB - 5)
        stream.write(b"an end")
    return LocalFiles((path,), _digest(path), path.stat().st_size)


@pytest.fixture
async def sold(file, content):
    key = content_key(hashlib.sha256(content).digest(), "prices", file.sha256)
    return SealedFile(file, key, await seal(file, key=key, sha256=file.sha256, layout=Layout(file.size)))


class Counter:
    """Where hosts give for nothing."""

    async def leave(self, shop, good, wish):
        return await shop.ask(wish)

    async def had(self, good, until):
        """Nothing was bought."""


async def store(world, stored):
    upload = Upload(dataset="prices", host="eu", content=stored.plaintext.sha256, stored=stored)
    now = int(world.clock())
    return await upload_all([upload], storage={"eu": world.client}, counter=Counter(), now=now, tell=lambda _: None)


async def test_sold_content_is_stored_and_comes_back_as_it_was(world, file, sold, tmp_path):
    (replica,) = (await store(world, sold)).replicas

    listing = await world.client.listing()
    assert set(listing) == set(replica.parts)
    assert len(replica.parts) == 2
    assert file.sha256 not in listing
    for part in sold.parts:
        (token,) = await world.adverts(part.sha256)
        assert token.size == part.size
    target = tmp_path / "opened.bin"
    await open_content(sold.sealed.published("text/csv"), target, key=sold.key, sources=[world.client])
    assert _digest(target) == file.sha256


async def test_the_same_again_sends_nothing(world, sold):
    first = await store(world, sold)
    sent = world.miner.sent
    assert await store(world, sold) == first
    assert world.miner.sent == sent


async def test_a_file_that_is_edited_while_it_is_sent_is_told_as_such(world, file, sold):
    with file.paths[0].open("r+b") as stream:
        stream.seek(64 * MIB)
        stream.write(b"edited")
    with pytest.raises(StalePlanError, match="changed since"):
        await store(world, sold)
    assert set(await world.client.listing()) == {sold.parts[0].sha256}


async def test_what_somebody_stores_can_be_found_and_fetched_by_its_hash(world, tmp_path, content):
    path = tmp_path / "free.csv"
    path.write_bytes(content)
    file = LocalFiles((path,), _digest(path), len(content))
    await store(world, FreeContent(file, file.sha256, file.size))
    world.clock.now += 2

    class Lookups:
        async def lookup(self, service, query):
            return await survey({"host": world.host}, service, query, now=int(world.clock()))

    async def places(sha256):
        found = await locate(sha256, lookups=Lookups(), now=int(world.clock()), plain_http=True)
        return [token.url for token in found]

    fetcher = Fetcher(
        http=world.http, strangers=world.http, folder=tmp_path / "fetched", locate=places, plain_http=True
    )
    fetched = await fetcher.fetch(Pin(sha256=file.sha256, size=file.size, uhrp=f"uhrp:{url_of(file.sha256)}"))

    assert fetched.read_bytes() == content
