"""Which tier a consumer is in, and what the policy says of it."""

from __future__ import annotations

from hashlib import sha256

import pytest

from reconciler.gateway.tiers import NO_TIER, Fee, Quota, consumers_of
from reconciler.model.errors import StateError
from reconciler.model.vocabulary import ConsumerState


def key(name):
    return "02" + sha256(name.encode()).hexdigest()


POLICY = {
    "defaultTier": "standard",
    "tiers": {
        "standard": {"quota": {"bytes": 10, "requests": 5, "streams": 2, "window": "24h"}},
        "silver": {"discount": "5%", "promote": {"spent": 1000}},
        "gold": {"discount": "12.5%", "promote": {"spent": 5000}},
        "partner": {"members": [key("partner"), key("both")]},
        "club": {"fee": {"satoshis": 700, "per": "30d"}, "discount": "20%"},
        "lounge": {"fee": {"satoshis": 900, "per": "30d"}, "members": [key("invited")]},
    },
    "consumers": [
        {"key": key("friend"), "tier": "gold", "state": "active", "note": "since 2019"},
        {"key": key("both"), "tier": "silver", "state": "active"},
        {"key": key("thief"), "state": "blocked"},
        {"key": key("late"), "state": "suspended"},
    ],
}


def consumers(policy=POLICY):
    return consumers_of({"consumerpolicy/consumers": policy, "paymentrule/x": {}})


def tier(name, spent=0, paid=()):
    return consumers().tier(key(name), spent=spent, paid=frozenset(paid)).name


@pytest.mark.parametrize(
    ("name", "spent", "paid", "expected"),
    [
        ("anybody", 0, (), "standard"),
        ("anybody", 999, (), "standard"),
        ("anybody", 1000, (), "silver"),
        ("anybody", 5000, (), "gold"),
        ("anybody", 0, ("club",), "club"),
        ("anybody", 9000, ("club",), "club"),
        ("anybody", 0, ("club", "lounge"), "lounge"),
        ("partner", 9000, (), "partner"),
        ("friend", 0, (), "gold"),
        ("both", 9000, (), "silver"),
        ("invited", 0, (), "standard"),
        ("invited", 1000, (), "silver"),
        ("invited", 0, ("lounge",), "lounge"),
        ("anybody", 0, ("gone",), "standard"),
    ],
)
def test_a_consumer_is_in_the_first_tier_that_holds(name, spent, paid, expected):
    assert tier(name, spent, paid) == expected


def test_a_tier_says_what_holds_in_it():
    tiers = consumers().tiers
    assert tiers["standard"].quota == Quota(bytes=10, requests=5, streams=2, window=86_400)
    assert tiers["gold"].discount == 1250
    assert tiers["club"].fee == Fee(700, 30 * 86_400)


def test_the_policy_says_who_is_served():
    states = {name: consumers().state(key(name)) for name in ("friend", "thief", "late", "anybody")}
    assert states == {
        "friend": ConsumerState.ACTIVE,
        "thief": ConsumerState.BLOCKED,
        "late": ConsumerState.SUSPENDED,
        "anybody": ConsumerState.ACTIVE,
    }


def test_without_a_policy_everybody_is_served_at_list_prices_without_a_quota():
    nobody = consumers_of({})
    assert nobody.tier(key("anybody"), spent=10**9, paid=frozenset()) is NO_TIER
    assert nobody.state(key("anybody")) is ConsumerState.ACTIVE
    assert not nobody.asks_membership


def test_a_policy_says_whether_memberships_matter():
    assert consumers().asks_membership
    plain = consumers({"defaultTier": "a", "tiers": {"a": {}}})
    assert not plain.asks_membership


@pytest.mark.parametrize(
    "policy",
    [
        {"rules": {}},
        {"defaultTier": "gone"},
        {"tiers": {"a": {"speed": 1}}},
        {"tiers": {"a": {"quota": {"bytes": 1}}}},
        {"tiers": {"a": {"quota": {"bytes": "1"}}}},
        {"tiers": {"a": {"discount": "101%"}}},
        {"tiers": {"a": {"discount": "0.001%"}}},
        {"tiers": {"a": {"discount": "-5%"}}},
        {"tiers": {"a": {"discount": "x%"}}},
        {"tiers": {"a": {"discount": "1.2.3%"}}},
        {"tiers": {"a": {"members": ["me"]}}},
        {"tiers": {"a": {"members": [1]}}},
        {"tiers": {"a": {"fee": {"satoshis": 1}}}},
        {"consumers": [{"key": key("x"), "state": "banned"}]},
        {"consumers": [{"key": key("x"), "state": "active", "tier": "gone"}]},
    ],
)
def test_a_policy_that_cannot_be_read_is_an_error_and_never_a_guess(policy):
    with pytest.raises(StateError, match="cannot be read"):
        consumers(policy)


def test_two_policies_are_an_error():
    with pytest.raises(StateError, match="more than one"):
        consumers_of({"consumerpolicy/a": {}, "consumerpolicy/b": {}})
