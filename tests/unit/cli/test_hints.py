from __future__ import annotations

import pytest

from reconciler.cli.hints import hinting
from reconciler.model.errors import UnreachableError
from reconciler.model.ids import Network


@pytest.mark.parametrize(
    ("network", "hint"),
    [(Network.LOCAL, "overlay devnet up"), (Network.TEST, "overlay doctor"), (Network.MAIN, "doctor")],
)
def test_who_reaches_nobody_is_told_what_to_do(network, hint):
    with pytest.raises(UnreachableError) as caught, hinting(network):
        raise UnreachableError("http://localhost:8090 could not be reached")
    assert hint in caught.value.hint


def test_a_hint_of_those_who_know_better_stays():
    with pytest.raises(UnreachableError) as caught, hinting(Network.LOCAL):
        raise UnreachableError("no host answered", hint="name another")
    assert caught.value.hint == "name another"
