"""`overlay apply`: make it so, from manifests or from a plan in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reconciler.cli import options
from reconciler.cli.applying import Question, Undertaking
from reconciler.cli.commands.apply import Wanted
from reconciler.cli.interrupt import Interrupt
from reconciler.cli.invocation import Invocation
from reconciler.cli.manifests import load_manifests
from reconciler.cli.planfile import KeptPlan, kept_plan
from reconciler.cli.planning import plan_options
from reconciler.cli.views import diagnostics
from reconciler.cli.wiring import keys_for
from reconciler.control.planned import Finished
from reconciler.control.reconcile import Reconciler
from reconciler.model.errors import StalePlanError, UsageError
from reconciler.model.ids import Digest
from reconciler.plan.document import plan_id

_QUESTION: Final = Question(text="Apply this plan?")


async def apply(invocation: Invocation, paths: tuple[Path, ...], wanted: Wanted, doing: options.Doing) -> int:
    """Manifests, or the plan in the only file that is named."""
    undertaking = Undertaking(invocation=invocation, doing=doing)
    kept = kept_plan(paths)
    if kept is None:
        _check_present(paths)
        invocation.console.check_askable(yes=doing.yes or wanted.approved is not None)
        return await _apply(undertaking, paths, wanted)
    _check_bare(wanted)
    return await _execute(undertaking, kept, wanted.approved)


async def _apply(undertaking: Undertaking, paths: tuple[Path, ...], wanted: Wanted) -> int:
    invocation, patience = undertaking.invocation, undertaking.doing.patience
    chosen = plan_options(invocation.console, wanted.overrides, wanted.scope)
    loaded = await load_manifests(invocation, paths, wanted.given, parallel=undertaking.doing.parallelism)
    for line in diagnostics.lines(loaded.warnings):
        invocation.console.note(line)

    async def work(reconciler: Reconciler, halted: Interrupt) -> Finished:
        return await reconciler.apply(
            loaded.state,
            chosen,
            agree=lambda planned: undertaking.agreed(planned, halted, _QUESTION),
            halted=halted,
            patience=patience,
            refresh=wanted.scope.refresh,
            approved=wanted.approved,
        )

    keys = keys_for(invocation, loaded, create=True)
    return await undertaking.carry_out(loaded, keys, work, replaces_identity=chosen.replace_identity)


async def _execute(undertaking: Undertaking, kept: KeptPlan, approved: Digest | None) -> int:
    invocation, patience = undertaking.invocation, undertaking.doing.patience
    kept.check_network(invocation.named_network())
    found = plan_id(kept.plan)
    if approved not in {None, found}:
        raise StalePlanError(f"the file holds the plan {found}, approved was {approved}")
    keys = keys_for(invocation, kept, create=False)
    undertaking.show(kept.plan)

    async def work(reconciler: Reconciler, halted: Interrupt) -> Finished:
        return await reconciler.execute_plan(kept.plan, halted=halted, patience=patience)

    return await undertaking.carry_out(kept, keys, work, replaces_identity=kept.plan.replaces_identity)


def _check_present(paths: Sequence[Path]) -> None:
    """What is to be applied is there: to be told so comes before any question. Raises UsageError."""
    for path in paths:
        if not path.exists():
            raise UsageError(
                "there is neither a manifest nor a plan",
                where=str(path),
                hint="name manifests, or a file that `overlay plan --out FILE` has written",
            )


def _check_bare(wanted: Wanted) -> None:
    """A plan in a file was approved as it is: nothing that would make it another one goes along. Raises UsageError."""
    if (wanted.scope, wanted.given, wanted.overrides) != (options.Scope(), options.Given(), options.Overrides()):
        raise UsageError(
            "a plan in a file is carried out as it is",
            hint="give variables, --target, --reason, overrides and their kind to `overlay plan --out`",
        )
