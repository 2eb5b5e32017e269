"""PaymentRules as the root seals them: what they mean, and that nothing is guessed."""

from __future__ import annotations

from fractions import Fraction
from hashlib import sha256

import pytest

from reconciler.gateway.rules import ANY_AMOUNT, Arc, Http, Native, Routing, Rules, Settle
from reconciler.model.amounts import MAX_SATOSHIS
from reconciler.model.errors import StateError
from reconciler.model.vocabulary import ArcPreset, Way
from reconciler.payments.splits import Split
from reconciler.payments.verdict import Word, suffices

PAYEE, GATEWAY = ("02" + sha256(name).hexdigest() for name in (b"payee", b"gateway"))
PRODUCER = {"payees": {"overlay": {"identityKey": PAYEE}}, "defaults": {"paymentRule": "standard"}}
STANDARD = {
    "http": {"min": 1, "max": 100_000, "window": "1h"},
    "native": {
        "arc": ["taal", {"name": "own", "url": "https://arc.example", "key": {"env": "ARC_KEY"}}],
        "splits": [{"to": "overlay", "share": "0.05"}, {"to": "producer", "share": "0.95"}],
        "templateExpiry": "12h",
    },
    "routing": {"threshold": 50_000, "small": "http", "large": "native"},
    "accept": {"seen": 70_000},
    "settle": {"above": 1_000_000, "every": "1d"},
}


def rules(*, producer=PRODUCER, **named):
    settings = {f"paymentrule/{name}": value for name, value in named.items()}
    return Rules.of({**settings, "replicationrule/standard": {"replicas": 3}}, producer, GATEWAY)


def only(rule, producer=PRODUCER):
    return rules(standard=rule, producer=producer).of_record({})


def test_a_rule_is_read_whole():
    rule = only(STANDARD)
    assert rule.http == Http(min=1, max=100_000, window=3600)
    assert rule.native == Native(
        arc=(ArcPreset.TAAL, Arc("own", "https://arc.example", {"env": "ARC_KEY"})),
        splits=(Split(PAYEE, Fraction("0.05")), Split(GATEWAY, Fraction("0.95"))),
        template_seconds=43_200,
    )
    assert rule.routing == Routing(50_000, Way.HTTP, Way.NATIVE)
    assert rule.settle == Settle(1_000_000, 86_400)
    assert rule.window == 3600


def test_what_is_not_said_has_the_documented_defaults():
    assert only({"http": {}}) == ANY_AMOUNT
    assert only({"native": {}}).native == Native(splits=(Split(GATEWAY, Fraction(1)),))
    assert only({"http": {"min": 0}}).http.min == 1


def test_a_records_own_rule_goes_before_the_default_by_name_or_inline():
    found = rules(standard={"http": {"max": 1}}, dear={"http": {"max": 2}})
    assert found.of_record({}).http.max == 1
    assert found.of_record({"paymentRule": "dear"}).http.max == 2
    assert found.of_record({"paymentRule": {"http": {"max": 3}}}).http.max == 3
    assert found.default_rule().http.max == 1


def test_without_any_rule_any_amount_is_paid_by_http():
    rule = rules(producer={}).of_record({})
    assert rule is ANY_AMOUNT
    assert rule.way(1) is rule.way(MAX_SATOSHIS) is Way.HTTP


@pytest.mark.parametrize(
    ("price", "way"), [(1, Way.HTTP), (49_999, Way.HTTP), (50_000, Way.NATIVE), (10**9, Way.NATIVE)]
)
def test_routing_says_which_way_an_amount_is_paid(price, way):
    assert only(STANDARD).way(price) is way


def test_more_than_http_takes_is_not_sold_that_way():
    rule = only({"http": {"max": 10}})
    assert rule.way(10) is Way.HTTP
    assert rule.way(11) is None
    assert only({"native": {}}).way(11) is Way.NATIVE


@pytest.mark.parametrize(
    ("rule", "seen_is_enough_up_to"),
    [
        (STANDARD, 70_000),
        ({"http": {"max": 100}}, 100),
        ({"http": {}}, MAX_SATOSHIS),
        ({"native": {}}, MAX_SATOSHIS),
        ({"http": {"max": 100}, "accept": {"seen": 0}}, 0),
    ],
)
def test_up_to_a_limit_it_is_enough_that_the_network_has_seen_a_payment(rule, seen_is_enough_up_to):
    policy = only(rule).policy
    assert suffices(Word.SEEN, policy.demands(seen_is_enough_up_to))
    assert not suffices(Word.SEEN, policy.demands(seen_is_enough_up_to + 1))
    assert suffices(Word.PROVEN, policy.demands(MAX_SATOSHIS))


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"http": {}, "barter": {}},
        {"http": {"min": "1"}},
        {"http": {"min": 2, "max": 1}},
        {"http": {"max": MAX_SATOSHIS + 1}},
        {"http": {"window": "soon"}},
        {"http": {"floor": 1}},
        {"http": {}, "native": {}},
        {"http": {}, "routing": {"threshold": 1, "small": "http", "large": "native"}},
        {"http": {}, "routing": {"threshold": 1, "small": "http", "large": "cash"}},
        {"native": {"arc": ["somebody"]}},
        {"native": {"splits": [{"to": "nobody", "share": "1"}]}},
        {"native": {"splits": [{"to": "producer", "share": "0.9"}]}},
        {"native": {"splits": [{"to": "producer", "share": "NaN"}]}},
        {"native": {"splits": [{"to": "producer", "share": 1}]}},
        {"http": {}, "accept": {"mined": 1}},
        {"http": {}, "settle": {"above": -1}},
        ["http"],
    ],
)
def test_what_cannot_be_read_is_an_error_and_never_a_guess(rule):
    with pytest.raises(StateError, match="cannot be read"):
        only(rule)


def test_a_rule_that_is_not_there_is_an_error():
    with pytest.raises(StateError, match="no payment rule 'gone'"):
        rules().of_record({"paymentRule": "gone"})


def test_a_rule_that_cannot_be_read_stops_no_other():
    found = rules(standard={"http": {}}, broken={"cash": {}})
    assert found.of_record({}) == ANY_AMOUNT
    with pytest.raises(StateError):
        found.of_record({"paymentRule": "broken"})
