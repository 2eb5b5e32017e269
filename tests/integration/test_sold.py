"""What is sold is nowhere in plaintext but on the producer's machine, and opens with its key alone."""

from __future__ import annotations

import os

import pytest

from reconciler.apply.prepare import content_seed
from reconciler.cli.wiring import keys_of
from reconciler.content.opening import open_content
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Digest, Network
from reconciler.store.documents import Documents
from reconciler.store.published import Published
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import PublishedContent, parse_record_document
from reconciler.wire.stream_cipher import content_key

CANARY = "id,value\n1,a secret that is worth money\n"
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
metadata: {name: secrets}
spec:
  source: {path: data/secrets.csv}
  title: Secrets
  price: 5000
"""


@pytest.fixture
def seller(producer):
    """A producer with one dataset that has a price."""
    for file in (producer.folder / "data").iterdir():
        file.unlink()
    producer.data("secrets.csv", CANARY)
    producer.write(MANIFEST)
    return producer


async def sold(seller) -> tuple[PublishedContent, bytes]:
    """The published content, and its key, as the producer's own database knows them."""
    async with seller.site() as site:
        keys = keys_of(seller.invocation, Network.EMBEDDED, create=False)
        seed = await content_seed(site.database, keys=keys, randomness=os.urandom)
        async with site.database.begin() as connection:
            (record,) = (await Published(connection).records()).values()
            document = await Documents(connection).get(record.document_hash)
    content = parse_record_document(document).content
    return content, content_key(seed, "secrets", Digest(sha256_hex(CANARY.encode())))


async def test_a_sold_dataset_opens_with_its_key_and_without_it_not(seller, tmp_path):
    await seller.apply()
    content, key = await sold(seller)
    async with seller.site() as site:
        _, desired = await seller.reconciler(site)
        keys = keys_of(seller.invocation, Network.EMBEDDED, create=False)
        storage = tuple(site.world().storage(desired.storage_hosts, keys).values())
        await open_content(content, tmp_path / "opened.csv", key=key, sources=storage)
        with pytest.raises(VerificationError):
            await open_content(content, tmp_path / "other.csv", key=bytes(32), sources=storage)

    assert (tmp_path / "opened.csv").read_text() == CANARY
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.endswith(".csv")) == ["opened.csv"]


async def test_neither_plaintext_nor_its_hash_is_in_the_world(seller):
    await seller.apply()
    world = seller.home / "embedded" / "world"
    digest = sha256_hex(CANARY.encode())
    files = [path for path in world.rglob("*") if path.is_file()]
    assert files
    for needle in (b"a secret that is worth money", digest.encode(), bytes.fromhex(digest)):
        assert not any(needle in path.read_bytes() for path in files)


async def test_applying_again_and_rebuilding_change_nothing(seller):
    await seller.apply()
    before, _ = await sold(seller)
    assert (await seller.plan()).plan.is_empty
    seller.lose_database()
    assert (await seller.plan()).plan.is_empty

    seller.write(MANIFEST.replace("Secrets", "More secrets"))
    finished = await seller.apply()

    assert finished.applied.generation == 2
    assert (await sold(seller))[0] == before
