"""Where the local world listens: the public host first, everything else at a fixed distance above it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from reconciler.model.ids import Network
from reconciler.model.networks import ENDPOINTS, Endpoints

LOCAL: Final = ENDPOINTS[Network.LOCAL]
BASE_PORT: Final = 8080
"""Of the public host."""

SPAN: Final = 13
"""From the public host's port to the last one."""


def local_endpoints(base: int = BASE_PORT) -> Endpoints:
    """The local network with its public host on port `base`. Raises ValueError where there is no room for all of it."""
    if not 1 <= base <= 0xFFFF - SPAN:
        raise ValueError(f"a base port is from 1 to {0xFFFF - SPAN}, not {base}")

    def moved(url: str) -> str:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{port_of(url) - BASE_PORT + base}"

    return replace(
        LOCAL,
        arc=moved(LOCAL.arc),
        headers=moved(LOCAL.headers),
        hosts=tuple(map(moved, LOCAL.hosts)),
        storage=tuple(replace(host, url=moved(host.url)) for host in LOCAL.storage),
        faucet=moved(LOCAL.faucet) if LOCAL.faucet else None,
    )


def port_of(url: str) -> int:
    """The port that a URL names. Raises ValueError where it names none."""
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"{url} names no port")
    return port
