"""`overlay consumer report`: what was bought and spent, and what may still be had for it."""

from __future__ import annotations

import asyncio

from reconciler.cli import errors
from reconciler.cli.commands.consumer.report import Form
from reconciler.cli.invocation import Invocation
from reconciler.cli.shopping import Buyer, open_buyer
from reconciler.cli.views.purchases import Left, report_csv, report_json, report_text
from reconciler.cli.wiring import clock
from reconciler.consumer.report import Held
from reconciler.model.errors import OverlayError


async def report(invocation: Invocation, lasting: float | None, form: Form, *, offline: bool) -> int:
    """Of so many seconds back, or of all the time."""
    since = 0 if lasting is None else int(clock() - lasting)
    async with open_buyer(invocation) as buyer:
        if not offline:
            await buyer.finish()
        found = await buyer.consumer.report(since=since)
        live = [held for held in found.receipts if not held.is_over]
        left = {} if offline else dict(await asyncio.gather(*(_left(buyer, held) for held in live)))
    if form.json:
        invocation.console.document(report_json(found, left))
    elif form.csv:
        invocation.console.result(report_csv(found))
    else:
        invocation.console.result(report_text(found, left, payments=form.payments))
    return errors.DONE


async def _left(buyer: Buyer, held: Held) -> tuple[str, Left]:
    """What a receipt still allows, as its gateway counts it."""
    try:
        standing = await buyer.consumer.standing(held.order)
    except OverlayError as error:
        return held.receipt.id, Left(doubt=error.message)
    return held.receipt.id, Left(state=standing.state, downloads=standing.downloads, bytes=standing.bytes)
