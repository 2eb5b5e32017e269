"""`overlay consumer report`: what was bought and spent, and what may still be had for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.arguments import seconds
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations import consumer as operations
from reconciler.model.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the report is handed over."""

    json: bool
    csv: bool
    payments: bool
    """Whether every purchase is in it."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", epilog="Example: overlay consumer report --time-range 24h --include-payments")(report)


def report(
    context: typer.Context,
    *,
    time_range: Annotated[
        str | None, typer.Option("--time-range", metavar="D", help="Only so long back, such as 24h or 30d.")
    ] = None,
    include_payments: Annotated[
        bool, typer.Option("--include-payments", help="Every purchase with its transaction, too.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask gateways what is left of receipts.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write every purchase as CSV.")] = False,
    json: options.Json = False,
) -> None:
    """Show what was spent, by day and by producer, and what receipts still allow. Gateways are asked how much is used."""
    if csv and json:
        raise UsageError("--csv and --json are two forms of one report", hint="choose one")
    invocation = Invocation.of(context)
    lasting = None if time_range is None else seconds(time_range)
    form = Form(json=json, csv=csv, payments=include_payments)
    invocation.finish(operations.report.report(invocation, lasting, form, offline=offline))
