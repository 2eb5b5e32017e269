"""What a command that takes no manifest is about: the network (DESIGN §6), and the identity."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reconciler.cli.arguments import manifest_paths
from reconciler.cli.databases import Otherwise, holders, recorded_networks
from reconciler.cli.home import KEY_FILE
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import Site, keys_of, named_key, open_site
from reconciler.control.desired import manifest_endpoints, manifest_identity, manifest_network
from reconciler.model.errors import StateError, UsageError
from reconciler.model.ids import IdentityKey, Network
from reconciler.model.networks import Endpoints
from reconciler.wallet.keys import Keys


async def implied_network(invocation: Invocation) -> Network:
    """--network, OVERLAY_NETWORK, else the only network with state here, else the manifest's. Raises UsageError."""
    named = invocation.named_network()
    if named is not None:
        return named
    present = await recorded_networks(invocation)
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


def implied_endpoints(invocation: Invocation, network: Network) -> Endpoints | None:
    """Where the manifests here say that the network is reached; None where there are none."""
    try:
        return manifest_endpoints(manifest_paths((), invocation.directory), network)
    except UsageError:
        return None


async def implied_keys(invocation: Invocation, network: Network, *, create: bool) -> Keys:
    """The identity key where the manifests here say that it is, else where it is by default. Raises StateError.

    Where they rotate it, and what is recorded here is the new key's already, it is that one.
    """
    try:
        paths = manifest_paths((), invocation.directory)
    except UsageError:  # no manifest here: what is recorded can be worked on without
        return keys_of(invocation, network, create=create)
    identity = manifest_identity(paths)
    keys = keys_of(invocation, network, file=identity.key.file or KEY_FILE, env=identity.key.env, create=create)
    if identity.rotation is None:
        return keys
    present = await holders(invocation, network)
    if not present or keys.identity in present:
        return keys
    to = identity.rotation.to
    successor = named_key(invocation, network, file=to.file or KEY_FILE, env=to.env)
    return successor if successor.identity in present else keys


async def implied_identity(invocation: Invocation, network: Network) -> IdentityKey | None:
    """The identity that a command is about which can do without a key: its key's, where several have records here.

    None where there is nothing to choose from, or no key to choose by: then the first identity's is meant.
    """
    if len(invocation.home.states(network)) < 2:
        return None
    try:
        return (await implied_keys(invocation, network, create=False)).identity
    except StateError:  # no key here, or none that can be opened
        return None


@asynccontextmanager
async def open_recorded(invocation: Invocation) -> AsyncIterator[Site]:
    """Open what this machine has recorded, for a command that can do without a key. Raises UsageError, StateError."""
    network = await implied_network(invocation)
    identity = await implied_identity(invocation, network)
    async with open_site(invocation, network, identity=identity, otherwise=Otherwise.READ) as site:
        yield site
