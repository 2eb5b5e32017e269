from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.payments.quote import Offer
from reconciler.payments.templates import template_of
from reconciler.store.terms import Portion
from reconciler.wire.script import p2pkh
from tests.paying import keys_of

GATEWAY, BUYER, PAYEE = keys_of("gateway"), keys_of("buyer"), keys_of("payee")
OFFER = Offer(BUYER.identity, "dataset/btc", 1000)
PORTIONS = (Portion(PAYEE.identity, 50), Portion(GATEWAY.identity, 950))


def template(**more):
    given = {"offer": OFFER, "quote": "quote", "portions": PORTIONS, "expires": 1_800_000_000, "keys": GATEWAY}
    given |= more
    return template_of(given.pop("offer"), **given)


TEMPLATE = template()
OUTPUTS = tuple(each.output for each in TEMPLATE.outputs)


def test_the_same_offer_is_the_same_template_and_any_other_is_another():
    assert template() == TEMPLATE
    others = [
        template(offer=replace(OFFER, buyer=PAYEE.identity)),
        template(offer=replace(OFFER, good="dataset/eth")),
        template(offer=replace(OFFER, price=1001), portions=(PORTIONS[0], Portion(GATEWAY.identity, 951))),
        template(quote="another"),
        template(expires=1_800_000_001),
        template(portions=PORTIONS[::-1]),
        template(portions=(Portion(PAYEE.identity, 51), Portion(GATEWAY.identity, 949))),
        template(keys=keys_of("another gateway")),
    ]
    assert len({each.id for each in (TEMPLATE, *others)}) == len(others) + 1
    assert len({output.locking for each in (TEMPLATE, *others) for output in (o.output for o in each.outputs)}) == 18


def test_whoever_is_paid_has_the_key_and_needs_the_id_and_the_index_alone():
    assert TEMPLATE.own == 1
    assert OUTPUTS[0].locking == p2pkh(PAYEE.public(TEMPLATE.key(0)))
    assert OUTPUTS[1].locking == p2pkh(GATEWAY.public(TEMPLATE.key(1)))
    assert (TEMPLATE.key(0).key_id, TEMPLATE.key(0).counterparty) == (f"{TEMPLATE.id} 0", GATEWAY.identity)
    assert (TEMPLATE.key(1).key_id, TEMPLATE.key(1).counterparty) == (f"{TEMPLATE.id} 1", BUYER.identity)
    assert BUYER.public_for(replace(TEMPLATE.key(1), counterparty=GATEWAY.identity)) == GATEWAY.public(TEMPLATE.key(1))


def test_a_template_may_give_us_nothing():
    everything = template(portions=(Portion(PAYEE.identity, 1000),))
    assert everything.own is None


def test_outputs_that_do_not_add_up_to_the_price_make_no_template():
    with pytest.raises(ValueError, match="add up"):
        template(portions=PORTIONS[:1])


def test_a_payment_is_held_against_all_outputs():
    assert [(share.vout, share.satoshis, share.locking) for share in TEMPLATE.shares] == [
        (0, 50, OUTPUTS[0].locking),
        (1, 950, OUTPUTS[1].locking),
    ]


def test_a_buyer_is_not_told_who_the_payees_are():
    told = TEMPLATE.to_json()
    assert told == {
        "id": TEMPLATE.id,
        "expires": 1_800_000_000,
        "satoshis": 1000,
        "outputs": [
            {"satoshis": 50, "script": OUTPUTS[0].locking.hex(), "to": "payee"},
            {"satoshis": 950, "script": OUTPUTS[1].locking.hex(), "to": "producer"},
        ],
    }
