"""`overlay destroy`: take everything back."""

from __future__ import annotations

from pathlib import Path

import typer

from reconciler.cli import options
from reconciler.cli.applying import Question, Undertaking, check_askable
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.interrupt import Interrupt
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.cli.wiring import keys_for, load_manifests
from reconciler.control.planned import Finished
from reconciler.control.reconcile import Reconciler

_EPILOG = "Example: overlay destroy examples/producer.yaml --reason 'moved elsewhere'"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("destroy", epilog=_EPILOG)(spread(destroy))


def destroy(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    doing: options.Doing,
    given: options.Given,
    overrides: options.Overrides,
) -> None:
    """Delete every record, advertisement and copy, and the producer itself; the coins return to the wallet."""
    invocation = Invocation.of(context)
    check_askable(invocation.console, yes=doing.yes)
    undertaking = Undertaking(invocation=invocation, doing=doing)
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(_destroy(undertaking, named, given, overrides))


async def _destroy(
    undertaking: Undertaking, paths: tuple[Path, ...], given: options.Given, overrides: options.Overrides
) -> int:
    invocation, patience = undertaking.invocation, undertaking.doing.patience
    chosen = options.plan_options(invocation.console, overrides)
    loaded = await load_manifests(invocation, paths, given, parallel=undertaking.doing.parallelism)
    name = loaded.state.producer.id.name
    question = Question(text="This cannot be undone. To delete everything, type the producer's name.", word=name)

    async def work(reconciler: Reconciler, halted: Interrupt) -> Finished:
        return await reconciler.destroy(
            loaded.state,
            chosen,
            agree=lambda planned: undertaking.agreed(planned, halted, question),
            halted=halted,
            patience=patience,
        )

    keys = keys_for(invocation, loaded, create=False)
    return await undertaking.carry_out(loaded, keys, work, replaces_identity=chosen.replace_identity)
