"""`overlay identity verify`: the producer as strangers see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from reconciler.cli import operations, options
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What is looked at besides root and records."""

    check_reputation: Annotated[
        bool,
        typer.Option("--check-reputation", help="Show what chain and books tell of the past. Counted, not scored."),
    ] = False
    validate_advertisements: Annotated[
        bool,
        typer.Option(
            "--validate-advertisements",
            help="Ask every tracker for each advertisement, and whether it leads to a gateway.",
        ),
    ] = False
    test_payment_endpoints: Annotated[
        bool,
        typer.Option("--test-payment-endpoints", help="Ask the gateway for a price as a stranger. Nothing is paid."),
    ] = False
    pay: Annotated[
        bool,
        typer.Option(
            "--pay", help="On a toy network: buy the first dataset with coins of the faucet, and download it."
        ),
    ] = False


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "verify",
        epilog="Example: overlay identity verify --check-reputation --validate-advertisements --test-payment-endpoints",
    )(spread(verify))


def verify(context: typer.Context, *, looks: Looks, json: options.Json = False) -> None:
    """Look at the producer from outside: its live root and records on every host, held against what is recorded here.

    Exit 1 where something is wrong, with what to do about it.
    """
    invocation = Invocation.of(context)
    invocation.finish(operations.verify.verify(invocation, looks, as_json=json))
