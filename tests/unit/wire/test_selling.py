"""What gateways answer to buyers, read: what cannot be is refused, what is not known is left alone."""

from __future__ import annotations

import pytest

from reconciler.model.errors import VerificationError
from reconciler.model.goods import Good
from reconciler.model.payment import PaymentMethod
from reconciler.wire import selling

KEY = "02" + "ab" * 32
HASH = "cd" * 32
QUOTE = {
    "id": "AAAA",
    "kind": "dataset",
    "name": "a/b",
    "quantity": 2,
    "documentHash": HASH,
    "satoshis": 9,
    "listSatoshis": 10,
    "tier": "gold",
    "discount": "10",
    "credit": 0,
    "expires": 1_800_000_000,
    "recipient": KEY,
    "methods": [{"method": "brc105", "url": "/a"}, {"method": "lightning", "url": "/b"}],
}
TEMPLATE = {
    "id": HASH,
    "expires": 1_800_000_000,
    "satoshis": 10,
    "outputs": [{"satoshis": 3, "script": "51", "to": "payee"}, {"satoshis": 7, "script": "52", "to": "producer"}],
    "quote": {},
}


def without(value, name):
    return {key: each for key, each in value.items() if key != name}


def test_a_quote_says_what_is_asked_and_by_which_ways_that_we_know():
    quote = selling.parse_quote({**QUOTE, "more": 1})
    assert quote.good == Good.parse("dataset/a/b x 2")
    assert quote.methods == {PaymentMethod.BRC105}
    assert (quote.satoshis, quote.list_satoshis, quote.tier) == (9, 10, "gold")
    membership = selling.parse_quote({**QUOTE, "kind": "tier", "name": "gold"})
    assert str(membership.good) == "tier/gold x 2"
    free = {**QUOTE, "id": "", "satoshis": 0, "methods": [], "tier": None}
    assert selling.parse_quote(free).methods == frozenset()


@pytest.mark.parametrize("name", [name for name in QUOTE if name not in {"tier", "discount"}])
def test_a_quote_that_lacks_something_is_none(name):
    with pytest.raises(VerificationError):
        selling.parse_quote(without(QUOTE, name))


@pytest.mark.parametrize(
    "change",
    [
        {"satoshis": -1},
        {"satoshis": True},
        {"satoshis": 1.5},
        {"satoshis": 2_100_000_000_000_001},
        {"quantity": 0},
        {"name": "../a"},
        {"kind": "producers"},
        {"recipient": "02"},
        {"id": "a b"},
        {"tier": 5},
        {"expires": 1 << 40},
        {"methods": "brc105"},
    ],
)
def test_a_quote_that_cannot_be_is_refused(change):
    with pytest.raises(VerificationError):
        selling.parse_quote({**QUOTE, **change})


def test_a_template_adds_up():
    template = selling.parse_template(TEMPLATE)
    assert [output.satoshis for output in template.outputs] == [3, 7]
    assert template.own == (1,)
    for change in ({"satoshis": 11}, {"outputs": []}, {"outputs": TEMPLATE["outputs"] * 60}):
        with pytest.raises(VerificationError):
            selling.parse_template({**TEMPLATE, **change})


def test_a_template_whose_scripts_cost_more_than_its_price_is_refused():
    for size, is_one in ((25, True), (10_000, False)):
        outputs = [{"satoshis": 10, "script": "51" * size, "to": "producer"}]
        if is_one:
            assert len(selling.parse_template({**TEMPLATE, "outputs": outputs}).outputs) == 1
            continue
        with pytest.raises(VerificationError):
            selling.parse_template({**TEMPLATE, "outputs": outputs})


def test_access_names_places_of_the_gateways_and_of_storage():
    answer = {"receipt": {"version": 1}, "key": "AAAA", "urls": ["/v1/a", "https://a.example/b"], "expires": 5}
    assert selling.parse_access(answer).urls == ("/v1/a", "https://a.example/b")
    assert selling.parse_access({"receipt": {"version": 1}}).urls == ()
    for urls in (
        ["//evil.example/a"],
        ["ftp://a.example"],
        ["http://a.example"],
        [5],
        ["/a"] * 17,
        ["https://u@a.example"],
    ):
        with pytest.raises(VerificationError):
            selling.parse_access({**answer, "urls": urls})
    with pytest.raises(VerificationError):
        selling.parse_access({**answer, "key": "A" * 2000})


def test_what_came_of_a_payment_is_receipts_or_a_refund():
    assert selling.parse_paid({"receipt": {"version": 1}}).receipts == ({"version": 1},)
    assert selling.parse_paid({"receipt": None, "refund": None}).refund.state == "waiting"
    credited = selling.parse_paid({"receipt": None, "refund": {"state": "credited", "credit": 5}}).refund
    assert (credited.credit, credited.beef) == (5, None)
    sent = {"state": "seen", "credit": 0, "beef": "AAAA", "derivationPrefix": HASH, "derivationSuffix": "refund"}
    assert selling.parse_receipts({"receipts": [], "refund": sent}).refund.suffix == "refund"
    for wrong in (
        {},
        {"receipt": 5},
        {"receipt": None, "refund": 5},
        {"receipt": None, "refund": {**sent, "beef": "?"}},
    ):
        with pytest.raises(VerificationError):
            selling.parse_paid(wrong)
    with pytest.raises(VerificationError):
        selling.parse_receipts({"receipts": [5]})
