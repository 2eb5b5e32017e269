"""`overlay devnet`: the toy world, on TCP or embedded."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli import operations, options
from reconciler.cli.arguments import seconds
from reconciler.cli.invocation import Invocation
from reconciler.devnet.ports import BASE_PORT
from reconciler.model.amounts import satoshis
from reconciler.model.errors import UsageError
from reconciler.model.ids import Network

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
    world = operations.devnet.up(invocation, base_port, seconds(block_time), storage_price=storage_price, as_json=json)
    invocation.finish(world)


@app.command("status", epilog="Example: overlay devnet status --json")
def status(context: typer.Context, *, base_port: _BasePort = BASE_PORT, json: options.Json = False) -> None:
    """Show how the toy chain stands."""
    invocation = Invocation.of(context)
    invocation.finish(operations.devnet.status(invocation, base_port, as_json=json))


@app.command("mine", epilog="Example: overlay devnet mine 6")
def mine(
    context: typer.Context,
    blocks: Annotated[int, typer.Argument(metavar="N", help="Blocks to mine.")] = 1,
    *,
    base_port: _BasePort = BASE_PORT,
    json: options.Json = False,
) -> None:
    """Mine now; the first block takes everything that waits."""
    invocation = Invocation.of(context)
    invocation.finish(operations.devnet.mine(invocation, base_port, blocks, as_json=json))


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
    invocation.finish(operations.devnet.fund(invocation, base_port, address, wanted, as_json=json))


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
    invocation.finish(operations.devnet.reorg(invocation, base_port, depth, as_json=json))
