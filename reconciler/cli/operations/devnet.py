"""`overlay devnet`: the toy world, on TCP or embedded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from reconciler.cli import errors
from reconciler.cli.doors import door
from reconciler.cli.implied import implied_network
from reconciler.cli.interrupt import stoppable
from reconciler.cli.invocation import Invocation
from reconciler.cli.views.devnet import (
    mined_json,
    mined_text,
    ready_json,
    ready_text,
    status_json,
    status_text,
)
from reconciler.cli.wiring import open_toy
from reconciler.devnet.ports import local_endpoints, port_of
from reconciler.devnet.remote import Devnet
from reconciler.devnet.world import Pace
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import UsageError
from reconciler.model.ids import Network
from reconciler.model.json import Json
from reconciler.model.networks import ENDPOINTS, Endpoints
from reconciler.web.server import Door, serving

_HOST: Final = "localhost"


_PACE: Final = Pace(proofs=1.0, sweep=60.0)


async def up(invocation: Invocation, base_port: int, block_time: float, *, storage_price: int, as_json: bool) -> int:
    """Run the local world until told to stop."""
    home, console, endpoints = invocation.home, invocation.console, _local(base_port)
    home.create()
    async with (
        door(invocation.environment) as http,
        open_toy(
            home.world(Network.LOCAL),
            endpoints,
            http,
            block_time=block_time,
            storage_price=storage_price,
            pace=_PACE,
        ) as toy,
    ):
        doors = [Door(app=server, host=_HOST, port=port_of(origin)) for origin, server in toy.apps.items()]
        with stoppable() as stop:
            async with serving(doors):
                if as_json:
                    console.document(ready_json(endpoints))
                else:
                    console.result(ready_text(endpoints))
                await stop.wait()
    return errors.DONE


async def status(invocation: Invocation, base_port: int, *, as_json: bool) -> int:
    """How the chain stands."""
    network = await _toy_network(invocation)
    async with _devnet(invocation, network, base_port) as devnet:
        found = await devnet.status()
    return _shown(invocation, status_json(found, network), status_text(found, network), as_json=as_json)


async def mine(invocation: Invocation, base_port: int, blocks: int, *, as_json: bool) -> int:
    """So many blocks."""
    async with _devnet(invocation, await _toy_network(invocation), base_port) as devnet:
        mined = await devnet.mine(blocks)
    return _shown(invocation, mined_json(mined), mined_text(mined), as_json=as_json)


async def fund(invocation: Invocation, base_port: int, address: str, wanted: Satoshis, *, as_json: bool) -> int:
    """Coins of the faucet for an address."""
    async with _devnet(invocation, await _toy_network(invocation), base_port) as devnet:
        gift = await devnet.fund(address, wanted)
    found: dict[str, Json] = {"txid": gift.txid, "vout": gift.vout, "beef": gift.beef.to_atomic(gift.txid).hex()}
    return _shown(invocation, found, f"Paid {wanted:,} satoshis: {gift.txid}.{gift.vout}", as_json=as_json)


async def reorg(invocation: Invocation, base_port: int, depth: int, *, as_json: bool) -> int:
    """Other blocks in place of the last ones."""
    async with _devnet(invocation, await _toy_network(invocation), base_port) as devnet:
        mined = await devnet.reorg(depth)
    return _shown(invocation, mined_json(mined), mined_text(mined), as_json=as_json)


def _shown(invocation: Invocation, document: dict[str, Json], text: str, *, as_json: bool) -> int:
    if as_json:
        invocation.console.document(document)
    else:
        invocation.console.result(text)
    return errors.DONE


@asynccontextmanager
async def _devnet(invocation: Invocation, network: Network, base_port: int) -> AsyncIterator[Devnet]:
    """The local world over TCP, or the embedded one in this process."""
    async with door(invocation.environment) as http:
        if network is Network.LOCAL:
            yield Devnet(http, _local(base_port).arc)
            return
        invocation.home.create()
        endpoints = ENDPOINTS[network]
        async with open_toy(invocation.home.world(network), endpoints, http):
            yield Devnet(http, endpoints.arc)


async def _toy_network(invocation: Invocation) -> Network:
    network = await implied_network(invocation)
    if not network.is_toy:
        raise UsageError(f"{network} is nobody's toy", hint="--network embedded, or --network local")
    return network


def _local(base_port: int) -> Endpoints:
    try:
        return local_endpoints(base_port)
    except ValueError as error:
        raise UsageError(str(error)) from error
