"""`overlay consumer report`: what was bought and spent, and what may still be had for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.arguments import seconds
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import Buyer, open_buyer
from reconciler.cli.views.purchases import Left, report_csv, report_json, report_text
from reconciler.cli.wiring import clock
from reconciler.consumer.report import Held, Report
from reconciler.model.errors import OverlayError, UsageError


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
    since = 0 if time_range is None else int(clock() - seconds(time_range))

    def shown(found: Report, left: Mapping[str, Left]) -> str:
        if csv:
            return report_csv(found)
        return report_text(found, left, payments=include_payments)

    invocation.finish(_report(invocation, since, shown, offline=offline, as_json=json))


async def _report(
    invocation: Invocation,
    since: int,
    shown: Callable[[Report, Mapping[str, Left]], str],
    *,
    offline: bool,
    as_json: bool,
) -> int:
    async with open_buyer(invocation) as buyer:
        if not offline:
            await buyer.finish()
        found = await buyer.consumer.report(since=since)
        live = [held for held in found.receipts if not held.is_over]
        left = {} if offline else dict(await asyncio.gather(*(_left(buyer, held) for held in live)))
    if as_json:
        invocation.console.document(report_json(found, left))
    else:
        invocation.console.result(shown(found, left))
    return errors.DONE


async def _left(buyer: Buyer, held: Held) -> tuple[str, Left]:
    """What a receipt still allows, as its gateway counts it."""
    try:
        standing = await buyer.consumer.standing(held.order)
    except OverlayError as error:
        return held.receipt.id, Left(doubt=error.message)
    return held.receipt.id, Left(state=standing.state, downloads=standing.downloads, bytes=standing.bytes)
