from __future__ import annotations

import itertools

import pytest

from reconciler.model.errors import StateError
from reconciler.model.payment import HOLDING, OWED, TRANSITIONS, Accept, PaymentEvent, PaymentState, advance
from reconciler.payments.verdict import GIVEN_UP_AFTER, Policy, Word, event_of, in_doubt, suffices

P, W, E = PaymentState, Word, PaymentEvent

STEPS = {
    (P.PENDING, W.NOTHING): None,
    (P.PENDING, W.WAITING): None,
    (P.PENDING, W.SEEN): E.ACCEPT,
    (P.PENDING, W.PROVEN): E.PROVE,
    (P.PENDING, W.CONTESTED): None,
    (P.PENDING, W.REFUSED): E.LOSE,
    (P.PENDING, W.BEATEN): E.LOSE,
    (P.ACCEPTED, W.NOTHING): None,
    (P.ACCEPTED, W.WAITING): E.DOUBT,
    (P.ACCEPTED, W.SEEN): None,
    (P.ACCEPTED, W.PROVEN): E.PROVE,
    (P.ACCEPTED, W.CONTESTED): E.DOUBT,
    (P.ACCEPTED, W.REFUSED): E.DOUBT,
    (P.ACCEPTED, W.BEATEN): E.LOSE,
    (P.DELIVERED, W.NOTHING): None,
    (P.DELIVERED, W.WAITING): None,
    (P.DELIVERED, W.SEEN): None,
    (P.DELIVERED, W.PROVEN): E.PROVE,
    (P.DELIVERED, W.CONTESTED): None,
    (P.DELIVERED, W.REFUSED): None,
    (P.DELIVERED, W.BEATEN): E.LOSE,
    **{(state, word): None for state in (P.REFUSED, P.UNBOOKED, P.RETURNED, P.RETRACTED) for word in W},
    (P.RETURNED, W.PROVEN): E.PROVE,
    (P.RETURNED, W.BEATEN): E.LOSE,
    (P.RETRACTED, W.PROVEN): E.PROVE,
    (P.REFUSED, W.PROVEN): E.PROVE,
    (P.UNBOOKED, W.PROVEN): E.PROVE,
}


@pytest.mark.parametrize(("state", "word"), list(itertools.product(PaymentState, Word)))
def test_what_a_word_makes_of_a_payment(state, word):
    assert event_of(state, word, enough=True, doubted_for=0) is STEPS[state, word]


@pytest.mark.parametrize(("state", "word"), list(itertools.product(PaymentState, Word)))
def test_every_step_that_a_word_leads_to_is_in_the_table(state, word):
    for enough, doubted_for in itertools.product((True, False), (0, GIVEN_UP_AFTER)):
        event = event_of(state, word, enough=enough, doubted_for=doubted_for)
        if event is not None:
            advance(state, event)


@pytest.mark.parametrize("state", PaymentState)
def test_nothing_is_good_that_the_policy_does_not_take(state):
    assert event_of(state, Word.SEEN, enough=False, doubted_for=0) is None


@pytest.mark.parametrize("word", [Word.WAITING, Word.CONTESTED, Word.REFUSED])
@pytest.mark.parametrize("state", sorted(HOLDING))
def test_what_the_network_does_not_show_for_an_hour_is_lost(state, word):
    assert event_of(state, word, enough=False, doubted_for=GIVEN_UP_AFTER) is PaymentEvent.LOSE


def test_silence_never_loses_a_payment():
    assert event_of(P.PENDING, Word.NOTHING, enough=False, doubted_for=10 * GIVEN_UP_AFTER) is None
    assert in_doubt(Word.NOTHING, since=5, now=9) == 5
    assert in_doubt(Word.NOTHING, since=None, now=9) is None


def test_doubt_begins_once_and_ends_when_the_network_shows_it():
    assert in_doubt(Word.WAITING, since=None, now=9) == 9
    assert in_doubt(Word.CONTESTED, since=5, now=9) == 5
    assert in_doubt(Word.SEEN, since=5, now=9) is None
    assert in_doubt(Word.PROVEN, since=5, now=9) is None


@pytest.mark.parametrize(
    ("policy", "word", "satoshis", "good"),
    [
        (Policy(), Word.SEEN, 10**12, True),
        (Policy(limit=100), Word.SEEN, 100, True),
        (Policy(limit=100), Word.SEEN, 101, False),
        (Policy(limit=100), Word.PROVEN, 101, True),
        (Policy(accept=Accept.MINED), Word.SEEN, 1, False),
        (Policy(accept=Accept.MINED), Word.PROVEN, 1, True),
        *((Policy(), word, 1, False) for word in Word if word not in (Word.SEEN, Word.PROVEN)),
    ],
)
def test_a_policy_takes_what_is_seen_up_to_its_limit_and_mined_above(policy, word, satoshis, good):
    assert suffices(word, policy.demands(satoshis)) is good


def test_moves_that_are_not_in_the_table_are_refused():
    for state, event in itertools.product(PaymentState, PaymentEvent):
        if (state, event) not in TRANSITIONS:
            with pytest.raises(StateError, match=f"a payment that is {state} cannot {event}"):
                advance(state, event)


def test_what_is_owed_holds_its_coins():
    assert OWED < HOLDING
