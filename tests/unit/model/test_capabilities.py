from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.capabilities import RESERVED, capability_fault, capability_of, service_of, topic_of


def test_a_capability_names_a_topic_and_a_service():
    assert topic_of("crypto-price-feeds") == "tm_data_crypto_price_feeds"
    assert service_of("crypto-price-feeds") == "ls_data_crypto_price_feeds"


@given(st.from_regex(r"[a-z]{1,8}(-[a-z]{1,8}){0,3}", fullmatch=True).filter(lambda name: name not in RESERVED))
def test_a_name_gives_back_its_capability(capability):
    assert capability_of(topic_of(capability)) == capability
    assert capability_of(service_of(capability)) == capability
    assert len(topic_of(capability)) <= 50


@pytest.mark.parametrize(
    "capability", ["", "a" * 43, "btc2", "Crypto", "a_b", "a--b", "-a", "a-", "a b", "catalog", "straße", "a\n"]
)
def test_what_is_no_capability_names_nothing(capability):
    assert capability_fault(capability)
    for name in (topic_of, service_of):
        with pytest.raises(ValueError, match="the capability"):
            name(capability)


@pytest.mark.parametrize(
    "name", ["tm_ship", "ls_data_catalog", "tm_data_", "ls_data_a-b", "ls_data_a__b", "xx_data_a", ""]
)
def test_other_names_are_about_no_capability(name):
    assert capability_of(name) is None
