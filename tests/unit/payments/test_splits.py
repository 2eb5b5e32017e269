from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import VerificationError
from reconciler.payments.splits import Split, apportioned, splits_of
from tests.paying import keys_of

KEYS = [keys_of(f"payee {number}").identity for number in range(10)]
GATEWAY = keys_of("gateway").identity


@st.composite
def rules(draw):
    weights = draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=10))
    total = sum(weights)
    return tuple(Split(key, Fraction(weight, total)) for key, weight in zip(KEYS, weights, strict=False))


def amounts(total, *shares):
    splits = [Split(key, Fraction(share)) for key, share in zip(KEYS, shares, strict=False)]
    by_payee = {portion.payee: portion.satoshis for portion in apportioned(total, splits)}
    return [by_payee.get(split.payee, 0) for split in splits]


@given(total=st.integers(1, 21 * 10**14), rule=rules())
def test_the_sum_is_exact_nobody_is_a_satoshi_off_and_there_is_no_empty_output(total, rule):
    portions = apportioned(total, rule)
    assert sum(portion.satoshis for portion in portions) == total
    assert all(portion.satoshis > 0 for portion in portions)
    given_to = {portion.payee: portion.satoshis for portion in portions}
    assert all(abs(given_to.get(split.payee, 0) - total * split.share) < 1 for split in rule)


@given(total=st.integers(1, 10**6), rule=rules())
def test_the_order_is_that_of_the_rule_and_the_same_again_is_the_same(total, rule):
    portions = apportioned(total, rule)
    order = [split.payee for split in rule]
    assert [portion.payee for portion in portions] == [
        payee for payee in order if payee in {portion.payee for portion in portions}
    ]
    assert apportioned(total, rule) == portions


@given(total=st.integers(1, 10**6), rule=rules(), more=st.integers(1, 10**6))
def test_a_larger_share_never_gets_less(total, rule, more):
    given_to = {portion.payee: portion.satoshis for portion in apportioned(total + more, rule)}
    by_share = sorted(rule, key=lambda split: split.share)
    for smaller, larger in pairwise(by_share):
        assert smaller.share == larger.share or given_to.get(smaller.payee, 0) <= given_to.get(larger.payee, 0)


@pytest.mark.parametrize(
    ("total", "shares", "expected"),
    [
        (50_000, ("0.05", "0.95"), [2500, 47_500]),
        (50_001, ("0.05", "0.95"), [2500, 47_501]),  # 2500.05 and 47500.95
        (3, ("0.5", "0.5"), [2, 1]),  # equal fractions: the first in the rule
        (1, ("0.05", "0.95"), [0, 1]),
        (1, ("0.5", "0.5"), [1, 0]),
        (10, ("0.1", "0.85", "0.05"), [1, 9, 0]),  # 8.5 and 0.5 tie: the earlier gets it, the later has no output
        (100, ("1",), [100]),
    ],
)
def test_what_is_left_over_goes_to_the_largest_fractions(total, shares, expected):
    assert amounts(total, *shares) == expected


@pytest.mark.parametrize("shares", [("0.5",), ("0.5", "0.6"), ("1.5", "-0.5"), ("1", "0"), ()])
def test_shares_that_are_not_a_whole_are_refused(shares):
    with pytest.raises(ValueError, match="add up"):
        amounts(100, *shares)


def test_no_payment_of_nothing_is_split():
    with pytest.raises(ValueError, match="at least 1 satoshi"):
        amounts(0, "1")


RULE = [{"to": "overlay", "share": "0.05"}, {"to": "producer", "share": "0.95"}]
PAYEES = {"overlay": {"identityKey": KEYS[0]}, "twin": {"identityKey": KEYS[0]}}


def test_a_rule_names_payees_and_its_shares_are_read_from_their_texts():
    assert splits_of(RULE, PAYEES, GATEWAY) == (
        Split(KEYS[0], Fraction(1, 20)),
        Split(GATEWAY, Fraction(19, 20)),
    )


def test_without_splits_everything_is_ours():
    assert splits_of(None, PAYEES, GATEWAY) == (Split(GATEWAY, Fraction(1)),)


def test_two_names_of_one_key_are_one_payee():
    rule = [{"to": "overlay", "share": "0.25"}, {"to": "producer", "share": "0.5"}, {"to": "twin", "share": "0.25"}]
    assert splits_of(rule, PAYEES, GATEWAY) == (Split(KEYS[0], Fraction(1, 2)), Split(GATEWAY, Fraction(1, 2)))


@pytest.mark.parametrize(
    ("rule", "payees"),
    [
        (RULE, {}),
        (RULE, None),
        (RULE, {"overlay": {}}),
        (RULE, {"overlay": {"identityKey": "04" + KEYS[0][2:]}}),
        ("0.5", PAYEES),
        ({"to": "producer"}, PAYEES),
        ([{"to": "producer"}], PAYEES),
        ([{"to": "producer", "share": 1}], PAYEES),
        ([{"to": "producer", "share": "one"}], PAYEES),
        ([{"to": "producer", "share": "1/0"}], PAYEES),
        ([{"to": "producer", "share": "0.9"}], PAYEES),
        ([{"to": "producer", "share": "1.5"}, {"to": "overlay", "share": "-0.5"}], PAYEES),
        ([], PAYEES),
    ],
)
def test_a_rule_that_is_none_makes_nothing_up(rule, payees):
    with pytest.raises(VerificationError):
        splits_of(rule, payees, GATEWAY)
