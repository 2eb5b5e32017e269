"""The network as a buyer sees it: miners, headers, hosts, and how strangers are found and spoken to."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from reconciler.chain.arc import Arc
from reconciler.chain.arcs import Arcs
from reconciler.chain.faucet import Faucet
from reconciler.chain.headers import Headers
from reconciler.chain.index import AddressIndex
from reconciler.clients.host import HostClient
from reconciler.clients.reputations import Reputations
from reconciler.clients.resolver import Resolver
from reconciler.model.ids import Network
from reconciler.model.networks import Endpoints
from reconciler.wire.http import Http


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """One network. `http` is the door to what the user has named, `strangers` that to what others have."""

    network: Network
    http: Http
    strangers: Http
    arcs: Arcs
    headers: Headers
    index: AddressIndex
    hosts: Mapping[str, HostClient]
    """Overlay hosts of the network's own presets, by URL."""
    resolver: Resolver
    faucet: Faucet | None

    @classmethod
    def at(
        cls,
        network: Network,
        endpoints: Endpoints,
        *,
        http: Http,
        strangers: Http,
        resolver: Resolver,
    ) -> Self:
        """The network at these endpoints."""
        return cls(
            network=network,
            http=http,
            strangers=strangers,
            arcs=Arcs([Arc(http, url) for url in endpoints.arcs]),
            headers=Headers(http, endpoints.headers),
            index=AddressIndex(http, endpoints.headers),
            hosts={url: HostClient(http, url) for url in endpoints.hosts},
            resolver=resolver,
            faucet=Faucet(http, endpoints.faucet) if endpoints.faucet else None,
        )

    @property
    def plain_http(self) -> bool:
        """Whether strangers may be of this machine, and without TLS."""
        return self.network.is_toy


def resolver_of(
    network: Network, endpoints: Endpoints, *, http: Http, strangers: Http, clock: Callable[[], float]
) -> Resolver:
    """Finds who serves what, by the network's hosts as trackers; these are asked about everything, too."""
    known = {url: HostClient(http, url) for url in endpoints.hosts}
    return Resolver(
        known,
        host=lambda url: HostClient(strangers, url),
        besides=known,
        reputations=Reputations(clock=clock, dice=random.random),
        clock=clock,
        verifier=Headers(http, endpoints.headers),
        plain_http=network.is_toy,
    )
