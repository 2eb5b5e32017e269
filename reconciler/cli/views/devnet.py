"""The toy world, as text and JSON."""

from __future__ import annotations

from reconciler.devnet.remote import ChainStatus, Mined
from reconciler.model.ids import Network
from reconciler.model.json import Json
from reconciler.model.networks import Endpoints


def ready_json(endpoints: Endpoints) -> dict[str, Json]:
    """Where everything is, in the words of the manifest's `network` and `storageHosts`."""
    return {
        "event": "ready",
        "network": Network.LOCAL.value,
        "arc": endpoints.arc,
        "chainTracker": endpoints.headers,
        "faucet": endpoints.faucet,
        "hosts": list(endpoints.hosts),
        "storageHosts": [{"name": host.name, "url": host.url, "region": host.region} for host in endpoints.storage],
    }


def ready_text(endpoints: Endpoints) -> str:
    """A line for each server."""
    rows = [
        *(("public host", url) for url in endpoints.hosts),
        ("ARC, headers, faucet", endpoints.arc),
        *((f"{host.name} ({host.region})", host.url) for host in endpoints.storage),
    ]
    lines = [f"  {name:22} {url}" for name, url in rows]
    return "\n".join(["The local world is up; nothing leaves this machine.", *lines, "Ctrl-C stops it."])


def status_json(status: ChainStatus, network: Network) -> dict[str, Json]:
    """How the chain stands."""
    return {
        "network": network.value,
        "networkId": status.network_id,
        "height": status.height,
        "tip": status.tip,
        "mempool": status.mempool,
        "blockTime": status.block_time,
    }


def status_text(status: ChainStatus, network: Network) -> str:
    """The same for people."""
    pace = f"{status.block_time:g} s after a transaction" if status.block_time else "by hand: overlay devnet mine"
    rows = {
        "network": f"{network} ({status.network_id[:16]}…)",
        "height": f"{status.height:,}",
        "tip": status.tip,
        "mempool": f"{status.mempool:,} waiting",
        "mines": pace,
    }
    return "\n".join(f"{name:10} {value}" for name, value in rows.items())


def mined_json(mined: Mined) -> dict[str, Json]:
    """The new blocks."""
    return {"height": mined.height, "blocks": list(mined.blocks)}


def mined_text(mined: Mined) -> str:
    """The same for people."""
    count = len(mined.blocks)
    return f"{count} new block{'' if count == 1 else 's'}. Height {mined.height:,}."
