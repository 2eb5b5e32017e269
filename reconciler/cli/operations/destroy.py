"""`overlay destroy`: take everything back."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli import options
from reconciler.cli.applying import Question, Undertaking
from reconciler.cli.interrupt import Interrupt
from reconciler.cli.invocation import Invocation
from reconciler.cli.manifests import load_manifests
from reconciler.cli.planning import plan_options
from reconciler.cli.wiring import keys_for
from reconciler.control.planned import Finished
from reconciler.control.reconcile import Reconciler


async def destroy(
    invocation: Invocation,
    paths: tuple[Path, ...],
    given: options.Given,
    overrides: options.Overrides,
    doing: options.Doing,
) -> int:
    """Of the producer in the manifests, everything."""
    undertaking, patience = Undertaking(invocation=invocation, doing=doing), doing.patience
    chosen = plan_options(invocation.console, overrides)
    loaded = await load_manifests(invocation, paths, given, parallel=doing.parallelism)
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
