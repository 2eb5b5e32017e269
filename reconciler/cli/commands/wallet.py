"""`overlay wallet`: the coins that pay for applies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import operations, options
from reconciler.cli.invocation import Invocation
from reconciler.model.networks import FAUCET_SATOSHIS

app = typer.Typer(help="The coins that pay for applies.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the command group."""
    root.add_typer(app, name="wallet")


@app.command("address", epilog="Example: overlay wallet address")
def address(context: typer.Context, *, json: options.Json = False) -> None:
    """Show where to send coins."""
    invocation = Invocation.of(context)
    invocation.finish(operations.wallet.address(invocation, as_json=json))


@app.command("balance", epilog="Example: overlay wallet balance --json")
def balance(context: typer.Context, *, json: options.Json = False) -> None:
    """Show what the wallet holds, in satoshis."""
    invocation = Invocation.of(context)
    invocation.finish(operations.wallet.balance(invocation, as_json=json))


@app.command("fund", epilog="Example: overlay wallet fund 50000")
def fund(
    context: typer.Context,
    amount: Annotated[int, typer.Argument(metavar="SAT", help="Satoshis to take from the faucet.")] = FAUCET_SATOSHIS,
    *,
    json: options.Json = False,
) -> None:
    """Take coins from the faucet of an embedded or local network; elsewhere, say where to send them."""
    invocation = Invocation.of(context)
    invocation.finish(operations.wallet.fund(invocation, amount, as_json=json))


@app.command("import", epilog="Example: overlay wallet import payment.beef")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE|-", help="A payment with its proof (BEEF), as bytes or hex.")],
    *,
    json: options.Json = False,
) -> None:
    """Take in a payment to this wallet's address that somebody hands over with its proof, and nobody has spent since."""
    invocation = Invocation.of(context)
    data = sys.stdin.buffer.read() if str(file) == "-" else (invocation.directory / file).read_bytes()
    invocation.finish(operations.wallet.import_(invocation, data, as_json=json))


@app.command("audit", epilog="Example: overlay wallet audit")
def audit(context: typer.Context, *, json: options.Json = False) -> None:
    """Hold the books against the coins and the coins against the chain. Exit 1 only where they differ."""
    invocation = Invocation.of(context)
    invocation.finish(operations.wallet.audit(invocation, as_json=json))
