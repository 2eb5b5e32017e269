"""What so much of a good costs: whole satoshis, rounded up once."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.gateway.pricing import MOST, Pricing, Step, discounted, list_price, pricing_of
from reconciler.model.amounts import MAX_SATOSHIS
from reconciler.model.errors import RefusedError, StateError
from reconciler.model.vocabulary import PriceModel

PER_REQUEST = Pricing(model=PriceModel.PER_REQUEST, satoshis=2500)
PRICES = st.integers(0, 10**6)
DISCOUNTS = st.integers(0, 10_000)


@st.composite
def pricings(draw):
    starts = draw(st.lists(st.integers(1, 1000), unique=True, max_size=4))
    steps = tuple(Step(start, draw(PRICES)) for start in sorted(starts))
    return Pricing(model=PriceModel.PER_REQUEST, satoshis=draw(PRICES), steps=steps)


def unit_price(pricing, number):
    """Of the number-th unit."""
    price = pricing.satoshis
    for step in pricing.steps:
        if number >= step.start:
            price = step.satoshis
    return price


@given(pricings(), st.integers(1, 1200))
def test_each_unit_costs_what_its_step_says(pricing, quantity):
    assert pricing.total(quantity) == sum(unit_price(pricing, number) for number in range(1, quantity + 1))


@given(pricings(), st.integers(1, 1200), st.integers(0, 100), DISCOUNTS)
def test_more_never_costs_less_and_nothing_sold_is_given_away(pricing, quantity, more, discount):
    less_price, more_price = (discounted(list_price(pricing, n), discount) for n in (quantity, quantity + more))
    assert 1 <= less_price <= more_price


@given(st.integers(1, MAX_SATOSHIS), DISCOUNTS)
def test_a_discount_is_exact_and_rounded_up_in_the_sellers_favour(price, discount):
    exact = Fraction(price) * (10_000 - discount) / 10_000
    assert discounted(price, discount) == max(1, ceil(exact))


@given(st.integers(1, MAX_SATOSHIS), DISCOUNTS, DISCOUNTS)
def test_a_larger_discount_is_never_dearer(price, first, second):
    assert discounted(price, max(first, second)) <= discounted(price, min(first, second)) <= price


def test_a_record_without_pricing_is_free():
    assert pricing_of({"title": "x"}, "dataset/x") is None


def test_pricing_is_read_whole():
    public = {"pricing": {"model": "subscription", "satoshis": 9, "per": "30d", "tiers": [{"from": 3, "satoshis": 7}]}}
    pricing = pricing_of(public, "dataset/x")
    assert pricing == Pricing(model=PriceModel.SUBSCRIPTION, satoshis=9, seconds=30 * 86_400, steps=(Step(3, 7),))
    assert [list_price(pricing, n) for n in (1, 2, 3, 4)] == [9, 18, 25, 32]


@pytest.mark.parametrize(
    ("model", "size", "units"),
    [
        ("per-mb", 1, 1),
        ("per-mb", 1_000_000, 1),
        ("per-mb", 1_000_001, 2),
        ("per-mb", 0, 1),
        ("per-request", 10**9, 1),
    ],
)
def test_by_the_megabyte_a_content_is_as_many_as_have_begun(model, size, units):
    assert Pricing(model=PriceModel(model), satoshis=1).units(size) == units


@pytest.mark.parametrize("quantity", [0, -1, MOST + 1])
def test_quantities_that_cannot_be_sold_are_refused(quantity):
    with pytest.raises(RefusedError, match="quantity"):
        list_price(PER_REQUEST, quantity)


def test_more_than_there_is_cannot_be_asked():
    with pytest.raises(RefusedError, match="more than there is"):
        list_price(Pricing(model=PriceModel.PER_REQUEST, satoshis=MAX_SATOSHIS), 2)


@pytest.mark.parametrize(
    "pricing",
    [
        {"model": "per-mood", "satoshis": 1},
        {"model": "per-request"},
        {"model": "per-request", "satoshis": -1},
        {"model": "per-request", "satoshis": 1.5},
        {"model": "per-request", "satoshis": True},
        {"model": "per-request", "satoshis": 1, "per": "1d"},
        {"model": "subscription", "satoshis": 1},
        {"model": "per-request", "satoshis": 1, "floor": 1},
        {"model": "per-request", "satoshis": 1, "tiers": [{"from": 2, "satoshis": 1}, {"from": 2, "satoshis": 1}]},
        {"model": "per-request", "satoshis": 1, "tiers": [{"from": 0, "satoshis": 1}]},
        "free",
    ],
)
def test_pricing_that_makes_no_sense_is_an_error_and_not_free(pricing):
    with pytest.raises(StateError, match="cannot be read"):
        pricing_of({"pricing": pricing}, "dataset/x")
