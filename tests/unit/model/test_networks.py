from __future__ import annotations

import pytest

from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS, endpoints_of


@pytest.mark.parametrize("network", [Network.TEST, Network.MAIN])
def test_real_networks_have_an_arc_to_spare(network):
    found = endpoints_of(network, {})
    assert found.arcs[0] == found.arc
    assert len(set(found.arcs)) > 1


def test_a_manifest_that_names_an_arc_wants_no_other():
    named = endpoints_of(Network.MAIN, {"network": {"preset": "main", "arc": "https://arc.example"}})
    assert named.arcs == ("https://arc.example",)
    assert named.hosts == ENDPOINTS[Network.MAIN].hosts
