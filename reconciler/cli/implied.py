"""What a command that takes no manifest is about: the network (DESIGN §6), and the identity."""

from __future__ import annotations

from reconciler.cli.arguments import manifest_paths
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import KEY_FILE, keys_of
from reconciler.control.desired import manifest_key, manifest_network
from reconciler.model.errors import UsageError
from reconciler.model.ids import Network
from reconciler.wallet.keys import Keys


def implied_network(invocation: Invocation) -> Network:
    """--network, OVERLAY_NETWORK, else the only network with state here, else the manifest's. Raises UsageError."""
    named = invocation.named_network()
    if named is not None:
        return named
    present = invocation.home.networks()
    if len(present) == 1:
        return present[0]
    try:
        return manifest_network(manifest_paths((), invocation.directory))
    except UsageError as error:
        if not present:
            raise
        names = ", ".join(network.value for network in present)
        raise UsageError(
            f"there is state of several networks here, and no manifest that names one: {names}",
            hint="say which one with --network",
        ) from error


def implied_keys(invocation: Invocation, network: Network, *, create: bool) -> Keys:
    """The identity key where the manifests here say that it is, else where it is by default. Raises StateError."""
    try:
        paths = manifest_paths((), invocation.directory)
    except UsageError:  # no manifest here: what is recorded can be worked on without
        return keys_of(invocation, network, create=create)
    key = manifest_key(paths)
    return keys_of(invocation, network, file=key.file or KEY_FILE, env=key.env, create=create)
