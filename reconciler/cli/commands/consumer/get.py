"""`overlay consumer get`: bought where that is needed, downloaded, opened, verified."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.commands.consumer.ordering import Goods, Named, Paying
from reconciler.cli.invocation import Invocation
from reconciler.cli.operations import consumer as operations
from reconciler.cli.spread import spread
from reconciler.model.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("get", epilog="Example: overlay consumer get 'crypto-history/*' --output ./downloads --max-price 5000")(
        spread(get)
    )


def get(
    context: typer.Context,
    goods: Goods = None,
    *,
    content_id: Annotated[
        list[str] | None, typer.Option("--content-id", metavar="GOOD", help="The same as GOOD; repeatable.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="The file; for several goods, and where it is a folder, the folder."
        ),
    ] = None,
    named: Named,
    paying: Paying,
    json: options.Json = False,
) -> None:
    """Download goods, and buy them first where that is needed. Each file appears whole and verified, or not at all.

    Parts come from all storage hosts that keep them; a download that was cut off goes on where it was. Repeating the command
    pays nothing again as long as the receipt allows more downloads.
    """
    words = [*(goods or []), *(content_id or [])]
    if not words:
        raise UsageError("which good is not said", hint="`overlay consumer search` shows what there is")
    invocation = Invocation.of(context)
    invocation.finish(operations.get.get(invocation, words, output, named, paying, as_json=json))
