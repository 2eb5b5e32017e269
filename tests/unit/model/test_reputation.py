from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.reputation import Reputation


def silent(times: int, *, dice: float = 1.0) -> Reputation:
    reputation = Reputation()
    for _ in range(times):
        reputation = reputation.after_silence(now=100.0, dice=dice)
    return reputation


def test_two_failures_are_forgiven_and_then_it_rests_twice_as_long_each_time():
    assert [silent(times).rests_until - 100.0 for times in (1, 2, 3, 4, 5, 20)] == [0.0, 0.0, 1.0, 2.0, 4.0, 60.0]
    assert not silent(2).rests(100.0)
    assert silent(3).rests(100.9)
    assert not silent(3).rests(101.0)


def test_who_failed_together_is_not_asked_together():
    assert silent(3, dice=0.0).rests_until < silent(3, dice=1.0).rests_until


def test_a_lie_has_no_grace_and_a_longer_rest():
    once = Reputation().after_lie(now=100.0, dice=1.0)
    assert once.rests_until == 160.0
    assert once.after_lie(now=100.0, dice=1.0).rests_until == 220.0


def test_silence_does_not_shorten_the_rest_of_a_liar():
    lied = Reputation().after_lie(now=100.0, dice=1.0)
    assert lied.after_silence(now=101.0, dice=1.0).rests_until == lied.rests_until


def test_an_answer_makes_good_what_was():
    again = silent(5).after_answer(0.1)
    assert (again.failures, again.rests_until) == (0, 0.0)


def test_quick_ones_come_first_then_unknown_ones_then_slow_ones_then_those_that_failed():
    quick, slow = Reputation().after_answer(0.1), Reputation().after_answer(9.0)
    assert sorted([silent(1), slow, Reputation(), quick], key=lambda each: each.rank) == [
        *(quick, Reputation(), slow, silent(1))
    ]


@given(st.lists(st.sampled_from("asl"), max_size=80), st.floats(0, 1))
def test_however_it_behaves_its_rest_has_an_end(deeds, dice):
    reputation = Reputation()
    for deed in deeds:
        match deed:
            case "a":
                reputation = reputation.after_answer(1.0)
            case "s":
                reputation = reputation.after_silence(now=50.0, dice=dice)
            case _:
                reputation = reputation.after_lie(now=50.0, dice=dice)
    assert not reputation.rests(50.0 + 3600.0)
