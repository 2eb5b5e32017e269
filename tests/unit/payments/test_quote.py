from __future__ import annotations

import base64
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import RefusedError
from reconciler.model.keys import FUNDING_KEY, QUOTE_KEY
from reconciler.payments.quote import RANDOM, Use, prefix_of, quoted
from tests.paying import GOOD, PRICE, keys_of
from tests.paying import offer as offer_to

NOW = 1_800_000_000
SEAL = partial(keys_of("seller").mac, QUOTE_KEY)


class Somebody:
    def __init__(self, name: str) -> None:
        self.identity = keys_of(name).identity


BUYER, OTHER = Somebody("buyer"), Somebody("other")
OFFER = offer_to(BUYER)
PREFIX = prefix_of(OFFER, seal=SEAL, random=bytes(RANDOM), expires=NOW + 60)


def price(prefix=PREFIX, offer=OFFER, *, amounts=(PRICE,), seal=SEAL, now=NOW):
    return quoted(prefix, offer, amounts=amounts, seal=seal, now=now)


def test_a_prefix_has_the_form_that_the_protocol_gives_it():
    data = base64.b64decode(PREFIX)
    assert (len(data), data[:8], data[8:12]) == (44, bytes(8), (NOW + 60).to_bytes(4, "big"))


def test_a_prefix_is_known_again_by_whoever_has_the_key():
    assert price() == PRICE
    assert price(offer=offer_to(BUYER, price=7), amounts=(7, PRICE)) == PRICE


def test_it_holds_until_it_expires():
    assert price(now=NOW + 59.9) == PRICE
    with pytest.raises(RefusedError, match="expired"):
        price(now=NOW + 60)


@pytest.mark.parametrize(
    "wrong",
    [
        {"offer": offer_to(OTHER)},
        {"offer": offer_to(BUYER, good="dataset/other")},
        {"amounts": (PRICE - 1, PRICE + 1)},
        {"amounts": ()},
        {"seal": partial(keys_of("another seller").mac, QUOTE_KEY)},
        {"seal": partial(keys_of("seller").mac, FUNDING_KEY)},
        {"prefix": ""},
        {"prefix": "!"},
        {"prefix": base64.b64encode(bytes(44)).decode()},
        {"prefix": base64.b64encode(bytes(48)).decode()},
    ],
    ids=str,
)
def test_for_anything_else_it_is_worth_nothing(wrong):
    with pytest.raises(RefusedError) as error:
        price(**wrong)
    assert error.value.code == "ERR_INVALID_DERIVATION_PREFIX"


@given(st.integers(0, 43), st.integers(1, 255))
def test_none_of_its_bytes_can_be_changed(at, by):
    data = bytearray(base64.b64decode(PREFIX))
    data[at] ^= by
    with pytest.raises(RefusedError):
        price(base64.b64encode(bytes(data)).decode())


@pytest.mark.parametrize("good", ["", "a" * 513, "caf\xe9", "two\nlines", "nul\0"])
def test_goods_have_names_that_can_be_written_down(good):
    with pytest.raises(ValueError, match="name of a good"):
        offer_to(BUYER, good=good)


def test_two_offers_never_share_a_prefix():
    fields = [(GOOD, 1), (GOOD, 11), (GOOD + "1", 1)]
    made = {
        prefix_of(offer_to(BUYER, good=good, price=price), seal=SEAL, random=bytes(RANDOM), expires=NOW)
        for good, price in fields
    }
    assert len(made) == len(fields)


def test_what_was_quoted_for_a_template_is_no_prefix_of_a_request():
    quote = prefix_of(OFFER, seal=SEAL, random=bytes(RANDOM), expires=NOW + 60, use=Use.TEMPLATE)
    with pytest.raises(RefusedError, match="was not given"):
        quoted(quote, OFFER, amounts=(OFFER.price,), seal=SEAL, now=NOW)
    assert quoted(quote, OFFER, amounts=(OFFER.price,), seal=SEAL, now=NOW, uses=Use) == OFFER.price
