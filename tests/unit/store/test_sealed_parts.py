from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from reconciler.model.errors import StateError
from reconciler.store.sealed_parts import SealedParts, sealed_parts
from reconciler.wire.documents import StoredPart
from reconciler.wire.sealed_content import SealedContent
from reconciler.wire.stream_cipher import Layout
from reconciler.wire.uhrp import url_of


@pytest.fixture
def sealed(name) -> SealedContent:
    layout = Layout(64 * 1024 * 1024 + 1)
    parts = tuple(StoredPart(url_of(name(size)), name(size), size) for size in layout.part_sizes)
    return SealedContent(
        layout=layout, salted=name("salted"), key_commitment=name("key"), parts=parts, tags=bytes(65 * 16)
    )


async def test_sealed_content_is_remembered_by_dataset_and_plaintext(database, name, sealed):
    async with database.begin() as connection:
        await SealedParts(connection).put("prices/btc", name("plain"), sealed)
    async with database.begin() as connection:
        known = SealedParts(connection)
        assert await known.get("prices/btc", name("plain"), name("key")) == sealed
        assert await known.get("prices/eth", name("plain"), name("key")) is None
        assert await known.get("prices/btc", name("other"), name("key")) is None


async def test_what_was_sealed_under_another_key_is_not_known_and_is_overwritten(database, name, sealed):
    other = replace(sealed, key_commitment=name("other key"), salted=name("other salt"))
    async with database.begin() as connection:
        known = SealedParts(connection)
        await known.put("prices/btc", name("plain"), sealed)
        assert await known.get("prices/btc", name("plain"), name("other key")) is None
        await known.put("prices/btc", name("plain"), other)
        assert await known.get("prices/btc", name("plain"), name("other key")) == other
        assert await known.get("prices/btc", name("plain"), name("key")) is None


@pytest.mark.parametrize("damage", [{"size": 0}, {"size": 5}, {"parts": []}, {"parts": ["x", "y"]}, {"tags": b""}])
async def test_a_damaged_row_is_told(database, name, sealed, damage):
    async with database.begin() as connection:
        await SealedParts(connection).put("prices/btc", name("plain"), sealed)
        await connection.execute(update(sealed_parts).values(**damage))
        with pytest.raises(StateError, match="damaged"):
            await SealedParts(connection).get("prices/btc", name("plain"), name("key"))
