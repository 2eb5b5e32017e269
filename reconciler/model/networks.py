"""Where each network is reached unless the manifest says otherwise. Embedded origins exist inside this process only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.model.desired import StorageHost
from reconciler.model.ids import Network
from reconciler.model.json import JsonObject

DEEP: Final = 100
"""Confirmations above which a block is final; as many as coinbases need to mature."""

FAUCET_SATOSHIS: Final = Satoshis(100_000)
"""What is taken from a toy network's faucet where nobody says how much, and what plan and apply take when the wallet is too empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """One network's addresses, all origins or base URLs without a trailing slash."""

    arc: str
    """The first that is given transactions."""
    headers: str
    """Base URL of the block-header service."""
    hosts: tuple[str, ...]
    """Overlay hosts that are not ours."""
    storage: tuple[StorageHost, ...]
    faucet: str | None = None
    """Who gives coins away; toy networks only."""
    spare_arcs: tuple[str, ...] = ()
    """Who is given a transaction that the one before did not take."""

    @property
    def arcs(self) -> tuple[str, ...]:
        """All ARCs, in the order in which they are tried."""
        return (self.arc, *self.spare_arcs)


def _storage(*hosts: tuple[str, str, str]) -> tuple[StorageHost, ...]:
    return tuple(StorageHost(name=name, url=url, region=region) for name, url, region in hosts)


ENDPOINTS: Final = {
    Network.EMBEDDED: Endpoints(
        arc="http://arc.embedded",
        headers="http://arc.embedded",
        hosts=("http://public.embedded",),
        storage=_storage(
            ("storage-us", "http://storage-us.embedded", "US"),
            ("storage-eu", "http://storage-eu.embedded", "EU"),
            ("storage-apac", "http://storage-apac.embedded", "APAC"),
        ),
        faucet="http://arc.embedded",
    ),
    Network.LOCAL: Endpoints(
        arc="http://localhost:8090",
        headers="http://localhost:8090",
        hosts=("http://localhost:8080",),
        storage=_storage(
            ("storage-us", "http://localhost:8091", "US"),
            ("storage-eu", "http://localhost:8092", "EU"),
            ("storage-apac", "http://localhost:8093", "APAC"),
        ),
        faucet="http://localhost:8090",
    ),
    Network.TEST: Endpoints(
        arc="https://testnet.arc.gorillapool.io",
        spare_arcs=("https://arc-test.taal.com",),
        headers="https://api.whatsonchain.com/v1/bsv/test",
        hosts=("https://testnet-users.bapp.dev",),
        storage=(),
    ),
    Network.MAIN: Endpoints(
        arc="https://arc.gorillapool.io",
        spare_arcs=("https://arc.taal.com",),
        headers="https://api.whatsonchain.com/v1/bsv/main",
        hosts=(
            "https://overlay-us-1.bsvb.tech",
            "https://overlay-eu-1.bsvb.tech",
            "https://overlay-ap-1.bsvb.tech",
            "https://users.bapp.dev",
        ),
        storage=(),
    ),
}
"""As in the reference SDK's presets for test and main."""


ARC_PRESETS: Final = {
    "gorillapool": {Network.TEST: ENDPOINTS[Network.TEST].arcs[0], Network.MAIN: ENDPOINTS[Network.MAIN].arcs[0]},
    "taal": {Network.TEST: ENDPOINTS[Network.TEST].arcs[1], Network.MAIN: ENDPOINTS[Network.MAIN].arcs[1]},
}
"""Transaction processors that manifests may name without an address. Toy networks have one of their own instead."""


def endpoints_of(network: Network, producer: JsonObject) -> Endpoints:
    """The network's endpoints, with what the Producer's sealed fields put in their place (MANIFESTS §2, `network`)."""
    preset = ENDPOINTS[network]
    settings = producer.get("network")
    if not isinstance(settings, Mapping):
        return preset
    hosts = settings.get("hosts")
    arc = str(settings.get("arc", preset.arc))
    return replace(
        preset,
        arc=arc,
        spare_arcs=() if "arc" in settings else preset.spare_arcs,  # whoever names one wants no other
        headers=str(settings.get("chainTracker", preset.headers)),
        hosts=_texts(hosts) if hosts is not None else preset.hosts,
        faucet=None if preset.faucet is None else arc,  # a toy network's is where its ARC is
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, Sequence) else ()
