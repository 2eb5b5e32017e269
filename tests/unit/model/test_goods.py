from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.goods import MAX_QUANTITY, Good
from reconciler.model.ids import Kind, RecordId

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9]|[./-][a-z0-9]){0,40}", fullmatch=True)
GOODS = st.builds(
    Good, st.builds(RecordId, st.sampled_from(Kind), NAMES), st.one_of(st.just(1), st.integers(1, MAX_QUANTITY))
)


def test_a_good_is_named_by_kind_and_name_and_by_its_quantity_where_that_is_not_one():
    record = RecordId(Kind.DATASET, "crypto/btc")
    assert str(Good(record)) == "dataset/crypto/btc"
    assert str(Good(record, 5)) == "dataset/crypto/btc x 5"


@given(GOODS)
def test_a_good_is_read_as_it_was_written(good):
    assert Good.parse(str(good)) == good


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dataset",
        "dataset/",
        "file/btc",
        "dataset/btc x 1",
        "dataset/btc x 0",
        "dataset/btc x -1",
        "dataset/btc x 05",
        "dataset/btc x ",
        "dataset/btc x 5 ",
        "dataset/btc x 5 x 5",
        "dataset/btc x \u0665",
        "dataset/btc  x 5",
        f"dataset/btc x {MAX_QUANTITY + 1}",
        "dataset/btc x " + "9" * 5000,
    ],
)
def test_what_is_no_good_is_refused(text):
    with pytest.raises(ValueError, match=r"good|quantity|address|begins|name"):
        Good.parse(text)
