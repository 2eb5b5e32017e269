from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.paying import Buyer, Shop


@pytest.fixture
async def shop(tmp_path, database, request) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path, database, request.node.name)
    async with shop.ledger, shop.http:
        yield shop


@pytest.fixture
def buyer(shop) -> Buyer:
    return shop.buyer()
