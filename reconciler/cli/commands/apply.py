"""`overlay apply`: make it so, from manifests or from a plan in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from reconciler.cli import options
from reconciler.cli.applying import Question, Undertaking, check_askable
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.interrupt import Interrupt
from reconciler.cli.invocation import Invocation
from reconciler.cli.planfile import KeptPlan, kept_plan
from reconciler.cli.spread import spread
from reconciler.cli.views import diagnostics
from reconciler.cli.wiring import keys_for, load_manifests
from reconciler.control.planned import Finished
from reconciler.control.reconcile import Reconciler
from reconciler.model.errors import StalePlanError, UsageError
from reconciler.model.ids import Digest, digest
from reconciler.plan.document import plan_id

_EPILOG = "Example: overlay apply examples/producer.yaml --yes"

_QUESTION: Final = Question(text="Apply this plan?")

Targets = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH]...|PLANFILE", help="Manifests as for plan, or the file of `plan --out`, done as it is."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What manifests are to be turned into."""

    approved: Digest | None
    scope: options.Scope
    given: options.Given
    overrides: options.Overrides


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("apply", epilog=_EPILOG)(spread(apply))


def apply(
    context: typer.Context,
    *,
    paths: Targets = None,
    approved: Annotated[
        str | None, typer.Option("--approved", metavar="ID", help="Go on without asking, if the plan is this one.")
    ] = None,
    doing: options.Doing,
    scope: options.Scope,
    given: options.Given,
    overrides: options.Overrides,
) -> None:
    """Make the overlay match the manifests: all or nothing, safe to repeat, safe to kill."""
    invocation = Invocation.of(context)
    wanted = Wanted(approved=_plan_id(approved), scope=scope, given=given, overrides=overrides)
    undertaking = Undertaking(invocation=invocation, doing=doing)
    named = manifest_paths(paths or (), invocation.directory)
    kept = kept_plan(named)
    if kept is None:
        check_askable(invocation.console, yes=doing.yes or approved is not None)
        invocation.finish(_apply(undertaking, named, wanted))
    else:
        _check_bare(wanted)
        invocation.finish(_execute(undertaking, kept, wanted.approved))


async def _apply(undertaking: Undertaking, paths: tuple[Path, ...], wanted: Wanted) -> int:
    invocation, patience = undertaking.invocation, undertaking.doing.patience
    chosen = options.plan_options(invocation.console, wanted.overrides, wanted.scope)
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


def _check_bare(wanted: Wanted) -> None:
    """A plan in a file was approved as it is: nothing that would make it another one goes along. Raises UsageError."""
    if (wanted.scope, wanted.given, wanted.overrides) != (options.Scope(), options.Given(), options.Overrides()):
        raise UsageError(
            "a plan in a file is carried out as it is",
            hint="give variables, --target, --reason, overrides and their kind to `overlay plan --out`",
        )


def _plan_id(text: str | None) -> Digest | None:
    try:
        return None if text is None else digest(text)
    except ValueError as error:
        raise UsageError(
            "--approved takes the whole id of a plan, not a part of it",
            hint="64 hex digits, the last line but one of plan",
        ) from error
