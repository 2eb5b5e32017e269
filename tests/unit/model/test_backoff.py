from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.backoff import Backoff

PAUSES = Backoff(first=1.0, most=60.0)


def test_pauses_double_up_to_the_limit():
    assert [PAUSES.seconds(failures, 1.0) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


@given(st.integers(min_value=1), st.floats(min_value=0, max_value=1))
def test_jitter_takes_away_up_to_half(failures, dice):
    whole = PAUSES.seconds(failures, 1.0)
    assert whole / 2 <= PAUSES.seconds(failures, dice) <= whole
