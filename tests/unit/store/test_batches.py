from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.store.batches import batches


@given(st.lists(st.integers()), st.integers(1, 5))
def test_batches_are_the_values_in_order_and_never_too_long_or_empty(values, size):
    found = list(batches(values, size))
    assert [value for batch in found for value in batch] == values
    assert all(1 <= len(batch) <= size for batch in found)
