from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from reconciler.consumer.offers import Offer, Price, Wish, reaches
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Kind, RecordId, digest
from reconciler.wallet.keys import Keys

KEY = Keys(sha256(b"offers").digest()).identity
OFFER = Offer(
    producer=KEY,
    id=RecordId(Kind.DATASET, "btc/2024.csv"),
    document_hash=digest("ab" * 32),
    public={
        "title": "Prices of 2024",
        "tags": ["crypto", "historical"],
        "capability": "price-feeds",
        "license": "Commercial",
        "pricing": {"model": "per-request", "satoshis": 2500},
    },
)


@pytest.mark.parametrize(
    ("pricing", "price", "said"),
    [
        (None, Price(Satoshis(0)), "free"),
        ({"model": "per-request", "satoshis": 0}, Price(Satoshis(0)), "free"),
        ({"model": "per-request", "satoshis": 2500}, Price(Satoshis(2500)), "2,500 sat"),
        ({"model": "per-mb", "satoshis": 3, "tiers": []}, Price(Satoshis(3), "per-mb"), "3 sat per-mb"),
    ],
)
def test_a_price_is_what_the_record_says(pricing, price, said):
    assert Price.of(pricing) == price
    assert str(price) == said


@pytest.mark.parametrize(
    "pricing", ["free", {}, {"satoshis": 5}, {"model": "per-mb", "satoshis": -1}, {"model": "per-mb", "satoshis": True}]
)
def test_a_price_that_cannot_be_understood_is_not_taken_for_free(pricing):
    assert Price.of(pricing) is None
    strange = replace(OFFER, public={**OFFER.public, "pricing": pricing})
    assert not Wish(max_price=Satoshis(10**9)).wants(strange, ())


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(producer=KEY, kind=Kind.DATASET, capability="price-feeds"),
        Wish(tags=("historical", "crypto")),
        Wish(text="PRICES of"),
        Wish(text="btc/2024"),
        Wish(license="commercial"),
        Wish(max_price=Satoshis(2500)),
        Wish(region="EU"),
    ],
)
def test_what_is_wished_for_is_found(wish):
    assert wish.wants(OFFER, ("EU", "US"))


@pytest.mark.parametrize(
    "wish",
    [
        Wish(producer=Keys(sha256(b"another").digest()).identity),
        Wish(kind=Kind.STREAM),
        Wish(capability="weather"),
        Wish(tags=("crypto", "live")),
        Wish(text="2025"),
        Wish(license="public domain"),
        Wish(max_price=Satoshis(2499)),
        Wish(region="APAC"),
    ],
)
def test_what_is_not_wished_for_is_not(wish):
    assert not wish.wants(OFFER, ("EU", "US"))


def test_a_region_is_that_of_the_record_else_the_producers_and_none_is_everywhere():
    abroad = replace(OFFER, public={**OFFER.public, "regions": ["APAC"]})
    assert Wish(region="apac").wants(abroad, ("EU",))
    assert not Wish(region="EU").wants(abroad, ("EU",))
    assert reaches((), "EU")
    assert reaches(("global",), "EU")


def test_hosts_are_asked_only_what_they_can_be_asked():
    wish = Wish(kind=Kind.DATASET, tags=("a", "b"), region="EU", max_price=Satoshis(9))
    assert wish.to_query() == {"kind": "dataset", "tag": "a", "price": {"max": 9}}
