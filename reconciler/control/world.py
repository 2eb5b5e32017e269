"""Everything that is not ours, as far as it can be reached: chain, ARC, other hosts; and, beside them, our own host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from reconciler.chain.arc import Arc
from reconciler.chain.arcs import Arcs
from reconciler.chain.faucet import Faucet
from reconciler.chain.headers import Headers
from reconciler.chain.index import AddressIndex
from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.host import HostClient
from reconciler.clients.storage import StorageClient
from reconciler.clients.survey import Answers, survey
from reconciler.content.locating import locate
from reconciler.model.desired import StorageHost
from reconciler.model.ids import Digest, Network
from reconciler.model.json import JsonObject
from reconciler.model.networks import Endpoints
from reconciler.wallet.keys import Keys
from reconciler.wire.arc import Callback
from reconciler.wire.http import Http
from reconciler.wire.uhrp import UhrpToken

OWN: Final = "own"
"""The name of our own host in outbox and reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One network, reached through one door."""

    network: Network
    http: Http
    strangers: Http
    """The door to what others name: on real networks it leads to public addresses alone."""
    arc: Arcs
    headers: Headers
    index: AddressIndex
    outside: Mapping[str, HostClient]
    """Hosts that are not ours, by URL."""
    own: HostClient
    faucet: Faucet | None

    @classmethod
    def at(
        cls,
        network: Network,
        endpoints: Endpoints,
        *,
        http: Http,
        strangers: Http,
        own: str,
        callback: Callback | None = None,
    ) -> World:
        """The world at these endpoints; `own` is the URL of our own host, `callback` where ARC may report to."""
        return cls(
            network=network,
            http=http,
            strangers=strangers,
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
        return {
            host.name: StorageClient(self.http, host.url, signed=signed, strangers=self.strangers) for host in hosts
        }

    def shop(self, url: str, *, keys: Keys) -> StorageClient:
        """The client of the storage host at a URL."""
        return StorageClient(self.http, url, signed=self._signed(keys), strangers=self.strangers)

    def locate(self, now: int) -> Callable[[Digest], Awaitable[Sequence[UhrpToken]]]:
        """Finds the promises of storage hosts to keep some bytes beyond `now` (unix seconds)."""
        lookups = _Lookups(self.outside, self.headers, now)
        return partial(locate, lookups=lookups, now=now, plain_http=self.network.is_toy)

    def _signed(self, keys: Keys | None) -> AuthenticatedHttp | None:
        return None if keys is None else AuthenticatedHttp(self.http, keys)


@dataclass(frozen=True, slots=True)
class _Lookups:
    """Satisfies content.locating.Lookups: the hosts that are not ours, what they show verified."""

    hosts: Mapping[str, HostClient]
    headers: Headers
    now: int

    async def lookup(self, service: str, query: JsonObject) -> Answers:
        return await survey(self.hosts, service, query, now=self.now, verifier=self.headers)
