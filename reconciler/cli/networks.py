"""Which network a command without a manifest is about (DESIGN §6)."""

from __future__ import annotations

from reconciler.cli.arguments import manifest_paths
from reconciler.cli.invocation import Invocation
from reconciler.control.desired import manifest_network
from reconciler.model.errors import UsageError
from reconciler.model.ids import Network


def implied_network(invocation: Invocation) -> Network:
    """--network, OVERLAY_NETWORK, else the only network with state here, else the manifest's. Raises UsageError."""
    named = invocation.named_network()
    if named is not None:
        return named
    present = invocation.home.networks()
    if len(present) == 1:
        return present[0]
    if len(present) > 1:
        raise UsageError(
            f"there is state of several networks here: {', '.join(network.value for network in present)}",
            hint="say which one with --network",
        )
    return manifest_network(manifest_paths((), invocation.directory))
