"""Everything that is not ours, as far as it can be reached: chain, ARC, other hosts; and, beside them, our own host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.chain.arc import Arc
from reconciler.chain.arcs import Arcs
from reconciler.chain.faucet import Faucet
from reconciler.chain.headers import Headers
from reconciler.chain.index import AddressIndex
from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.host import HostClient
from reconciler.clients.storage import StorageClient
from reconciler.model.desired import StorageHost
from reconciler.model.ids import Network
from reconciler.model.networks import Endpoints
from reconciler.wallet.keys import Keys
from reconciler.wire.arc import Callback
from reconciler.wire.http import Http

OWN: Final = "own"
"""The name of our own host in outbox and reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One network, reached through one door."""

    network: Network
    http: Http
    arc: Arcs
    headers: Headers
    index: AddressIndex
    outside: Mapping[str, HostClient]
    """Hosts that are not ours, by URL."""
    own: HostClient
    faucet: Faucet | None

    @classmethod
    def at(
        cls, network: Network, endpoints: Endpoints, *, http: Http, own: str, callback: Callback | None = None
    ) -> World:
        """The world at these endpoints; `own` is the URL of our own host, `callback` where ARC may report to."""
        return cls(
            network=network,
            http=http,
            arc=Arcs([Arc(http, url, callback=callback) for url in endpoints.arcs]),
            headers=Headers(http, endpoints.headers),
            index=AddressIndex(http, endpoints.headers),
            outside={url: HostClient(http, url) for url in endpoints.hosts},
            own=HostClient(http, own),
            faucet=Faucet(http, endpoints.faucet) if endpoints.faucet else None,
        )

    @property
    def hosts(self) -> dict[str, HostClient]:
        """Every host that records are submitted to."""
        return {OWN: self.own, **self.outside}

    def storage(self, hosts: Iterable[StorageHost], keys: Keys | None) -> dict[str, StorageClient]:
        """Clients of storage hosts, by name. The hosts know us by these keys; without, they only say what they ask."""
        signed = self._signed(keys)
        return {host.name: StorageClient(self.http, host.url, signed=signed) for host in hosts}

    def shop(self, url: str, *, keys: Keys) -> StorageClient:
        """The client of the storage host at a URL."""
        return StorageClient(self.http, url, signed=self._signed(keys))

    def _signed(self, keys: Keys | None) -> Http:
        return self.http if keys is None else AuthenticatedHttp(self.http, keys)
