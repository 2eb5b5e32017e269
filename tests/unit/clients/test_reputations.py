from __future__ import annotations

import pytest

from reconciler.clients.reputations import Reputations


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reputations(clock):
    return Reputations(clock=clock, dice=lambda: 1.0)


def test_the_best_come_first_and_those_that_rest_are_left_out(reputations, clock):
    reputations.answered("b", 0.1)
    reputations.answered("c", 5.0)
    reputations.lied("liar")

    assert reputations.awake(["liar", "c", "a", "b", "a"]) == ("b", "a", "c")
    clock.now += 60.0
    assert reputations.awake(["liar", "c", "a", "b"]) == ("b", "a", "c", "liar")


def test_where_all_rest_the_one_that_wakes_first_is_asked_all_the_same(reputations, clock):
    reputations.lied("a")
    clock.now += 1.0
    reputations.lied("b")

    assert reputations.awake(["b", "a"]) == ("a",)
    assert reputations.awake([]) == ()


def test_strangers_cannot_make_it_remember_without_end(reputations):
    for number in range(2000):
        reputations.silent(f"host-{number}")

    assert len(reputations._known) == 1024
    assert reputations.of("host-1999").failures == 1
    assert reputations.of("host-0").failures == 0
