"""What one generation sells: sealed parts included, and none of them shown."""

from __future__ import annotations

import pytest

from reconciler.gateway.live import Shelf
from reconciler.gateway.rules import ANY_AMOUNT
from reconciler.model.errors import RefusedError
from reconciler.model.ids import RecordId
from reconciler.model.vocabulary import PriceModel


@pytest.fixture
def shelf(database):
    return Shelf(database)


async def test_nothing_is_offered_before_anything_is_published(shelf):
    assert await shelf.offers() is None


async def test_a_dataset_is_on_offer_at_its_price_by_its_rule(shelf, publisher, make):
    root = await publisher.publish([make("dataset/a", price=5), make("dataset/b")])
    offers = await shelf.offers()
    sold, free = (offers.find(RecordId.parse(name)) for name in ("dataset/a", "dataset/b"))
    assert (sold.pricing.model, sold.pricing.satoshis, sold.size) == (PriceModel.PER_REQUEST, 5, 12)
    assert sold.rule is ANY_AMOUNT
    assert free.pricing is None
    assert (offers.producer, offers.document_hash) == (publisher.identity, root.record.document_hash)


@pytest.mark.parametrize("name", ["dataset/none", "stream/ticks", "advertisement/ad", "producer/acme"])
async def test_what_is_not_there_or_not_sold_like_this_is_not_on_offer(shelf, publisher, make, name):
    await publisher.publish([make("stream/ticks"), make("advertisement/ad", price=3)])
    offers = await shelf.offers()
    with pytest.raises(RefusedError, match="on offer") as refused:
        offers.find(RecordId.parse(name))
    assert refused.value.code == "404"


async def test_a_new_generation_is_on_offer_at_once_in_every_process(database, publisher, make):
    one, other = Shelf(database), Shelf(database)
    await publisher.publish([make("dataset/a", price=5)])
    first = [await shelf.offers() for shelf in (one, other)]
    await publisher.publish([make("dataset/a", price=6)], generation=2)
    second = [await shelf.offers() for shelf in (one, other)]
    prices = [offers.find(RecordId.parse("dataset/a")).pricing.satoshis for offers in (*first, *second)]
    assert prices == [5, 5, 6, 6]
    assert await one.offers() is second[0]
