"""What was applied is sold: quoted, paid over HTTP, delivered, and paid for once."""

from __future__ import annotations

import pytest

from reconciler.content.opening import open_content
from reconciler.store.documents import Documents
from reconciler.wire.documents import parse_record_document
from reconciler.wire.receipt import Receipt
from tests.storefront import selling

DATA = "id,value\n1,worth its money\n"
MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: Acme
  network: embedded
  defaults: {paymentRule: standard}
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {name: standard}
spec: {http: {min: 10, max: 100_000, window: 1h}}
---
apiVersion: overlay/v1
kind: ConsumerPolicy
metadata: {name: consumers}
spec:
  defaultTier: standard
  tiers:
    standard: {quota: {requests: 20, bytes: 1MB, window: 24h}}
    regular: {discount: 20%, promote: {spent: 2_000}}
    club: {discount: 50%, fee: {satoshis: 700, per: 30d}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: secrets/one}
spec:
  source: {path: data/secrets.csv}
  title: Secrets
  price: 2500
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: free}
spec:
  source: {path: data/a.csv}
  title: Free
"""
GOOD, ACCESS = "dataset/secrets/one", "/v1/datasets/secrets/one/access"


class Anywhere:
    """Whoever has promised to keep it. Satisfies content.opening.PartSource."""

    url = "anywhere"

    def __init__(self, site) -> None:
        self.site = site

    async def download(self, sha256, *, size):
        tokens = await self.site.world().locate(0)(sha256)
        yield (await self.site.http.request("GET", tokens[0].url)).body


@pytest.fixture
def seller(producer):
    producer.data("secrets.csv", DATA)
    producer.write(MANIFEST)
    return producer


@pytest.fixture
async def stand(seller):
    await seller.apply()
    async with selling(seller) as stand:
        yield stand


async def test_a_buyer_with_a_key_and_coins_gets_content_key_and_receipt_and_pays_once(stand, tmp_path):
    buyer = stand.buyer()
    given = await buyer.buy(ACCESS)
    receipt = Receipt.parse(given["receipt"])
    assert (receipt.buyer, str(receipt.good), receipt.price) == (buyer.identity, GOOD, 2500)
    assert len(given["parts"]) == 1
    content = await stand.site.http.request("GET", given["urls"][0])
    assert content.body.decode() == DATA
    key = buyer.content_key(given, stand.keys.identity)
    async with stand.site.database.reading() as connection:
        document = parse_record_document(await Documents(connection).get(receipt.document))
    await open_content(document.content, tmp_path / "opened.csv", key=key, sources=[Anywhere(stand.site)])
    assert (tmp_path / "opened.csv").read_text() == DATA
    again = await buyer.buy(ACCESS)
    assert again["receipt"] == given["receipt"]
    assert len(buyer.paid) == 1
    assert [(event.what, event.outcome) for event in stand.events] == [
        ("access", "charged"),
        ("access", "sold"),
        ("access", "served"),
    ]
