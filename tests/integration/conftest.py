"""A shop that most tests of selling begin with: one thing with a price, applied, over a gateway whose clock can be put on."""

from __future__ import annotations

import pytest

from tests.storefront import Later, selling

ONE = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: Acme
  network: embedded
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: one}
spec: {source: {path: data/secrets.csv}, title: One, price: 2500}
"""


@pytest.fixture
def now() -> Later:
    return Later()


@pytest.fixture
async def stand(producer, now):
    producer.data("secrets.csv", "id,value\n1,worth its money\n")
    producer.write(ONE)
    await producer.apply()
    async with selling(producer, now=now) as stand:
        yield stand
