"""Where the local world listens."""

from __future__ import annotations

import pytest

from reconciler.devnet.ports import LOCAL, SPAN, local_endpoints, port_of


def urls(endpoints):
    return {endpoints.arc, endpoints.headers, *endpoints.hosts, *(host.url for host in endpoints.storage)}


def test_at_the_usual_base_port_it_is_the_preset():
    assert local_endpoints() == LOCAL


def test_everything_moves_together_and_stays_apart():
    moved = local_endpoints(20_000)
    assert {port_of(url) for url in urls(moved)} == {20_000, 20_010, 20_011, 20_012, 20_013}
    assert moved.faucet == moved.arc
    assert [host.name for host in moved.storage] == [host.name for host in LOCAL.storage]


@pytest.mark.parametrize("base", [0, -1, 65_536 - SPAN])
def test_a_base_port_without_room_above_it_is_refused(base):
    with pytest.raises(ValueError, match="a base port is from 1"):
        local_endpoints(base)


def test_a_url_without_a_port_names_none():
    with pytest.raises(ValueError, match="names no port"):
        port_of("http://localhost")
