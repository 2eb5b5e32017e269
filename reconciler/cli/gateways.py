"""Which of the keys on a machine is its gateway's: the one that the root names (PROTOCOL §3).

Mostly that is the identity key's own child. After a rotation it still is the child of the key before, and the manifests may name
one that was made elsewhere: then it lies in OVERLAY_HOME/gateway.key, beside the identity key or without.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.cli.home import GATEWAY_FILE
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import Site, gateway_key_of
from reconciler.model.errors import StateError
from reconciler.model.ids import IdentityKey, Network
from reconciler.model.keys import GATEWAY_KEY
from reconciler.wallet.gatewayfile import Gateway, read_gateway
from reconciler.wallet.keys import Keys


async def gateway_keys(invocation: Invocation, site: Site, producer: IdentityKey, keys: Keys) -> Keys:
    """The gateway's own, where `keys` are the producer's or a gateway's.

    With the producer's it is the one at hand that the recorded root names, else their child. Raises StateError where the root
    does not name the child, and the file cannot be used.
    """
    if keys.identity != producer:
        return keys
    child = keys.child(GATEWAY_KEY)
    named = await gateway_key_of(site, default=child.identity)
    return next((each for each in _at_hand(invocation, site.network, child) if each.identity == named), child)


def gateway_of(invocation: Invocation, network: Network) -> Gateway | None:
    """The gateway whose key this machine keeps instead of the producer's; None where it keeps none. Raises StateError."""
    gateway = _kept(invocation, network)
    if gateway is not None and gateway.network is not network:
        raise StateError(
            f"the gateway's key is for the network {gateway.network}, not {network}",
            where=str(invocation.home.key(GATEWAY_FILE)),
        )
    return gateway


def gateway_beside(invocation: Invocation, network: Network) -> Gateway | None:
    """The gateway whose key this machine keeps beside the identity key; None where it keeps none for this network.

    Raises StateError.
    """
    gateway = _kept(invocation, network)
    return gateway if gateway is not None and gateway.network is network else None


def _at_hand(invocation: Invocation, network: Network, child: Keys) -> Iterator[Keys]:
    yield child
    gateway = gateway_beside(invocation, network)  # only now: a file that is not needed is not opened
    if gateway is not None:
        yield gateway.keys


def _kept(invocation: Invocation, network: Network) -> Gateway | None:
    path = invocation.home.key(GATEWAY_FILE)
    return read_gateway(path, passphrase=invocation.passphrase, toy=network.is_toy) if path.exists() else None
