"""Options that several commands share, and the guards' overrides as one value."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.console import Console
from reconciler.model.amounts import satoshis
from reconciler.model.errors import UsageError
from reconciler.plan.options import DeleteLimit, PlanOptions

Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[PATH]...", help="Manifest files or folders; ./producer.yaml or ./overlay/ by default."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON for programs.")]
Port = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port to listen on; 0 leaves it to the system.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DetailedExitCode = Annotated[
    bool, typer.Option("--detailed-exitcode", help="Exit 2 when changes are pending, 3 when a guard refuses them.")
]
MaxDelete = Annotated[
    str | None, typer.Option("--max-delete", metavar="N|N%", help="Let so many records of one kind be deleted.")
]
AllowEmpty = Annotated[bool, typer.Option("--allow-empty", help="Let everything be deleted.")]
MaxCost = Annotated[int | None, typer.Option("--max-cost", metavar="SAT", help="Let the plan cost so much.")]
AllowPriceChange = Annotated[
    bool, typer.Option("--allow-price-change", help="Let prices change by more than maxPriceFactor.")
]
ReplaceIdentity = Annotated[
    bool, typer.Option("--replace-identity", help="Let this machine's records pass to another identity.")
]
TakeOver = Annotated[bool, typer.Option("--take-over", help="Let another source of truth apply to this producer.")]
Genesis = Annotated[bool, typer.Option("--genesis", help="Publish for the first time where no host could say 'none'.")]


def plan_options(
    console: Console,
    *,
    max_delete: str | None,
    allow_empty: bool,
    max_cost: int | None,
    allow_price_change: bool,
    replace_identity: bool,
    take_over: bool,
    genesis: bool,
) -> PlanOptions:
    """The overrides as the planner takes them. Raises UsageError for amounts that are none."""
    try:
        return PlanOptions(
            max_delete=None if max_delete is None else DeleteLimit.parse(max_delete),
            allow_empty=allow_empty,
            max_cost=None if max_cost is None else satoshis(max_cost),
            allow_price_change=allow_price_change,
            replace_identity=replace_identity,
            take_over=take_over,
            genesis=genesis,
            interactive=console.interactive,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
