"""`overlay devnet`: the toy world, on TCP or embedded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Final

import typer

from reconciler.cli import errors, options
from reconciler.cli.arguments import seconds
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
from reconciler.clients.http import HttpClient
from reconciler.devnet.ports import BASE_PORT, local_endpoints, port_of
from reconciler.devnet.remote import Devnet
from reconciler.devnet.world import Pace
from reconciler.model.amounts import satoshis
from reconciler.model.errors import UsageError
from reconciler.model.ids import Network
from reconciler.model.json import Json
from reconciler.model.networks import ENDPOINTS, Endpoints
from reconciler.web.server import Door, serving

_HOST: Final = "localhost"
_PACE: Final = Pace(proofs=1.0, sweep=60.0)

_BasePort = Annotated[
    int,
    typer.Option("--base-port", metavar="N", help="Port of the public host; ARC is at N+10, storage hosts follow."),
]

app = typer.Typer(help="The toy world: chain, ARC, a public host, three storage hosts.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    root.add_typer(app, name="devnet")


@app.command("up", epilog="Example: overlay devnet up --block-time 500ms")
def up(
    context: typer.Context,
    *,
    block_time: Annotated[
        str, typer.Option("--block-time", metavar="D", help="From a transaction to its block; 0: by hand.")
    ] = "1s",
    storage_price: Annotated[
        int,
        typer.Option(
            "--storage-price",
            metavar="SAT",
            min=0,
            help="What storage hosts ask for a gigabyte (10^9 bytes) and month (30 days), in satoshis, and never less than 10 "
            "for one object; 0: nothing.",
        ),
    ] = 0,
    base_port: _BasePort = BASE_PORT,
    json: options.Json = False,
) -> None:
    """Run the local world on TCP, until Ctrl-C or SIGTERM."""
    invocation = Invocation.of(context)
    named = invocation.options.network
    if named not in {None, Network.LOCAL}:
        raise UsageError(f"devnet up runs the local network, not {named}")
    world = _up(invocation, _local(base_port), seconds(block_time), storage_price=storage_price, as_json=json)
    invocation.finish(world)


@app.command("status", epilog="Example: overlay devnet status --json")
def status(context: typer.Context, *, base_port: _BasePort = BASE_PORT, json: options.Json = False) -> None:
    """Show how the toy chain stands."""
    invocation = Invocation.of(context)
    network = _toy_network(invocation)

    async def ask(devnet: Devnet) -> tuple[dict[str, Json], str]:
        found = await devnet.status()
        return status_json(found, network), status_text(found, network)

    invocation.finish(_asked(invocation, network, base_port, ask, as_json=json))


@app.command("mine", epilog="Example: overlay devnet mine 6")
def mine(
    context: typer.Context,
    blocks: Annotated[int, typer.Argument(metavar="[N]", help="Blocks to mine.")] = 1,
    *,
    base_port: _BasePort = BASE_PORT,
    json: options.Json = False,
) -> None:
    """Mine now; the first block takes everything that waits."""
    invocation = Invocation.of(context)

    async def ask(devnet: Devnet) -> tuple[dict[str, Json], str]:
        mined = await devnet.mine(blocks)
        return mined_json(mined), mined_text(mined)

    invocation.finish(_asked(invocation, _toy_network(invocation), base_port, ask, as_json=json))


@app.command("fund", epilog="Example: overlay devnet fund mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8 50000 --json")
def fund(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Who gets the coins.")],
    amount: Annotated[int, typer.Argument(metavar="SAT", help="Satoshis.")],
    *,
    base_port: _BasePort = BASE_PORT,
    json: options.Json = False,
) -> None:
    """Pay coins that are worth nothing to an address, in a transaction that is mined at once."""
    invocation = Invocation.of(context)
    try:
        wanted = satoshis(amount)
    except ValueError as error:
        raise UsageError(str(error)) from error

    async def ask(devnet: Devnet) -> tuple[dict[str, Json], str]:
        gift = await devnet.fund(address, wanted)
        found: dict[str, Json] = {"txid": gift.txid, "vout": gift.vout, "beef": gift.beef.to_atomic(gift.txid).hex()}
        return found, f"Paid {wanted:,} satoshis: {gift.txid}.{gift.vout}"

    invocation.finish(_asked(invocation, _toy_network(invocation), base_port, ask, as_json=json))


@app.command("reorg", epilog="Example: overlay devnet reorg 2")
def reorg(
    context: typer.Context,
    depth: Annotated[int, typer.Argument(metavar="N", help="Blocks that are replaced.")],
    *,
    base_port: _BasePort = BASE_PORT,
    json: options.Json = False,
) -> None:
    """Replace the last blocks by one more; their transactions wait for a block again."""
    invocation = Invocation.of(context)

    async def ask(devnet: Devnet) -> tuple[dict[str, Json], str]:
        mined = await devnet.reorg(depth)
        return mined_json(mined), mined_text(mined)

    invocation.finish(_asked(invocation, _toy_network(invocation), base_port, ask, as_json=json))


async def _up(
    invocation: Invocation, endpoints: Endpoints, block_time: float, *, storage_price: int, as_json: bool
) -> int:
    home, console = invocation.home, invocation.console
    home.create()
    async with (
        HttpClient() as http,
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


async def _asked(
    invocation: Invocation,
    network: Network,
    base_port: int,
    ask: Callable[[Devnet], Awaitable[tuple[dict[str, Json], str]]],
    *,
    as_json: bool,
) -> int:
    """Ask the network's world something, and show the answer."""
    async with _devnet(invocation, network, base_port) as devnet:
        document, text = await ask(devnet)
    if as_json:
        invocation.console.document(document)
    else:
        invocation.console.result(text)
    return errors.DONE


@asynccontextmanager
async def _devnet(invocation: Invocation, network: Network, base_port: int) -> AsyncIterator[Devnet]:
    """The local world over TCP, or the embedded one in this process."""
    async with HttpClient() as http:
        if network is Network.LOCAL:
            yield Devnet(http, _local(base_port).arc)
            return
        invocation.home.create()
        endpoints = ENDPOINTS[network]
        async with open_toy(invocation.home.world(network), endpoints, http):
            yield Devnet(http, endpoints.arc)


def _toy_network(invocation: Invocation) -> Network:
    network = implied_network(invocation)
    if not network.is_toy:
        raise UsageError(f"{network} is nobody's toy", hint="--network embedded, or --network local")
    return network


def _local(base_port: int) -> Endpoints:
    try:
        return local_endpoints(base_port)
    except ValueError as error:
        raise UsageError(str(error)) from error
