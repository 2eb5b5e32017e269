"""`overlay state unlock`: give back what an apply that does not come back holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.applying import Question, Undertaking, check_askable
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.interrupt import Interrupt
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.cli.wiring import keys_for, load_manifests
from reconciler.control.reconcile import Finished, Reconciler
from reconciler.model.errors import UsageError

_EPILOG = "Example: overlay state unlock --pending examples/producer.yaml"
_QUESTION = Question(text="If that apply is still running, it will lose. Give the lock back?")

Pending = Annotated[
    bool, typer.Option("--pending", help="The root that another machine's large apply made pending, and left so.")
]


def register(state: typer.Typer) -> None:
    """Add the command."""
    state.command("unlock", epilog=_EPILOG)(spread(unlock))


def unlock(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    pending: Pending = False,
    doing: options.Doing,
    given: options.Given,
    overrides: options.Overrides,
) -> None:
    """Give back the lock of an apply that does not come back. What is live stays as it is, and the coins return."""
    invocation = Invocation.of(context)
    if not pending:
        raise UsageError("nothing is named that shall be unlocked", hint="--pending, for a root that is pending")
    check_askable(invocation.console, yes=doing.yes)
    undertaking = Undertaking(invocation=invocation, doing=doing)
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(_give_back(undertaking, named, given, overrides))


async def _give_back(
    undertaking: Undertaking, paths: tuple[Path, ...], given: options.Given, overrides: options.Overrides
) -> int:
    invocation, patience = undertaking.invocation, undertaking.doing.patience
    chosen = options.plan_options(invocation.console, overrides)
    loaded = await load_manifests(invocation, paths, given, parallel=undertaking.doing.parallelism)

    async def work(reconciler: Reconciler, halted: Interrupt) -> Finished:
        return await reconciler.unlock(
            loaded.state,
            chosen,
            agree=lambda planned: undertaking.agreed(planned, halted, _QUESTION),
            halted=halted,
            patience=patience,
        )

    return await undertaking.carry_out(loaded, keys_for(invocation, loaded, create=False), work)
