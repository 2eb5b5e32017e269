"""What was applied is sold: quoted, paid over HTTP, delivered, and paid for once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from reconciler.cli.wiring import clock, keys_of
from reconciler.content.opening import open_content
from reconciler.control.follow import Follower
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Network
from reconciler.store.documents import Documents
from reconciler.wire.documents import parse_record_document
from reconciler.wire.payment import Charge
from reconciler.wire.receipt import Receipt
from tests.storefront import selling

EXAMPLES = Path(__file__).parents[2] / "examples"
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
        ("content", "served"),
        ("access", "served"),
    ]


async def test_what_another_machine_applies_is_sold_here_by_the_gateways_own_key(twins, tmp_path):
    """Price, rule and policy come sealed with the root; what was quoted before holds for its time."""
    here, there = twins
    here.data("secrets.csv", DATA)
    here.write(MANIFEST)
    await here.apply()
    async with selling(there) as stand:
        await catch_up(there, stand)
        buyer = stand.buyer()
        first = await buyer.quote(GOOD)
        assert (first["satoshis"], first["tier"]) == (2500, "standard")
        here.write(
            MANIFEST.replace("price: 2500", "price: 9000").replace("    standard: {", "    standard: {discount: 10%, ")
        )
        await here.apply()
        assert (await buyer.quote(GOOD))["satoshis"] == 2500
        await catch_up(there, stand)
        assert (await buyer.quote(GOOD))["satoshis"] == 8100
        paid = await buyer.post(ACCESS, payment=await buyer.pay(charge_of(first)))
        assert paid.status == 200
        given = json.loads(paid.body)
        assert (await stand.site.http.request("GET", given["urls"][0])).body.decode() == DATA
        here.write(
            MANIFEST.replace("  tiers:", f"  consumers: [{{key: {buyer.identity}, state: suspended}}]\n  tiers:")
        )
        await here.apply()
        await catch_up(there, stand)
        refused = await buyer.post(ACCESS)
        assert (refused.status, json.loads(refused.body)["code"]) == (403, "ERR_CONSUMER_SUSPENDED")


@pytest.mark.long
async def test_a_membership_lasts_over_generations_and_its_discount_is_quoted(seller):
    await seller.apply()
    async with selling(seller) as stand:
        buyer = stand.buyer()
        await buyer.buy("/v1/tiers/club/access")
        seller.write(MANIFEST.replace("title: Secrets", "title: Better secrets"))
        await seller.apply()
        quote = await buyer.quote(GOOD)
        assert (quote["tier"], quote["satoshis"], quote["listSatoshis"]) == ("club", 1250, 2500)


async def test_the_example_is_sold(producer):
    """examples/producer.yaml as it is: priced by the file, free, and one that its rule has paid natively."""
    shutil.copytree(EXAMPLES, producer.folder, dirs_exist_ok=True)
    await producer.apply()
    async with selling(producer) as stand:
        buyer = stand.buyer()
        quote = await buyer.quote("dataset/crypto-history/data/bitcoin-subsidy.csv")
        assert (quote["satoshis"], quote["tier"], [each["method"] for each in quote["methods"]]) == (
            2500,
            "standard",
            ["brc105", "brc121"],
        )
        given = await buyer.buy("/v1/datasets/crypto-history/data/bitcoin-subsidy.csv/access")
        content = await stand.site.http.request("GET", given["urls"][0])
        assert content.body == (EXAMPLES / "data" / "bitcoin-subsidy.csv").read_bytes()
        free = await buyer.buy("/v1/datasets/country-codes/access")
        assert (await stand.site.http.request("GET", free["urls"][0])).status == 200
        assert len(buyer.paid) == 1


async def catch_up(producer, stand):
    """What `overlay serve` does in the background of a machine that has only the gateway's key."""
    follower = Follower(
        world=stand.site.world(),
        database=stand.site.database,
        identity=keys_of(producer.invocation, Network.EMBEDDED, create=False).identity,
        keys=stand.keys,
        clock=clock,
        randomness=os.urandom,
    )
    await follower.claim()
    assert await follower.catch_up() is not None


def charge_of(quote):
    return Charge(Satoshis(quote["satoshis"]), quote["id"], quote["recipient"])
