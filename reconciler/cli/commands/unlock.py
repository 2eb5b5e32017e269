"""`overlay state unlock`: give back what an apply that does not come back holds."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from reconciler.apply.lease import held_by, release, this_process
from reconciler.cli import errors, options
from reconciler.cli.applying import Question, Undertaking, check_askable
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.console import Console
from reconciler.cli.implied import open_recorded
from reconciler.cli.interrupt import Interrupt
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.cli.views.state import held_text, unlocked_json, unlocked_text
from reconciler.cli.wiring import clock, keys_for, load_manifests
from reconciler.control.planned import Finished
from reconciler.control.reconcile import Reconciler
from reconciler.model.errors import UsageError

_EPILOG = "Example: overlay state unlock; overlay state unlock --pending examples/producer.yaml"
_QUESTION = Question(text="If that apply is still running, it will lose. Give the lock back?")

Pending = Annotated[
    bool, typer.Option("--pending", help="The root that an apply on another machine holds and does not give back.")
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
    """Give back what an apply holds that does not come back.

    Without an option that is this database's lease: whose it is, is shown, and where that process is certain to be gone, nobody
    is asked. With --pending it is the root, which a lost machine left pending or told no host of: the coins return.
    """
    invocation = Invocation.of(context)
    if not pending:
        if paths or (given, overrides) != (options.Given(), options.Overrides()):
            raise UsageError("manifests are needed only to unlock a root", hint="--pending, for a root that is pending")
        invocation.finish(_release(invocation, yes=doing.yes, as_json=doing.json))
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

    keys = keys_for(invocation, loaded, create=False)
    return await undertaking.carry_out(loaded, keys, work, replaces_identity=chosen.replace_identity)


async def _release(invocation: Invocation, *, yes: bool, as_json: bool) -> int:
    console, here = invocation.console, this_process(secrets.token_hex(8))
    async with open_recorded(invocation) as site:
        held = await held_by(site.database, here)
        if held is not None and not as_json:
            console.result(held_text(held, now=int(clock())))
        is_released = held is not None and (held.is_dead or yes or await _agreed(console))
        if held is not None and is_released:
            await release(site.database, held, here, now=int(clock()))
    if as_json:
        console.document(unlocked_json(held, released=is_released))
    else:
        console.result(unlocked_text(held, released=is_released))
    return errors.DONE if is_released or held is None else errors.ERROR


async def _agreed(console: Console) -> bool:
    check_askable(console, yes=False)
    console.note("If it lives after all, whatever it still writes is refused, and its apply ends with an error.")
    return await console.confirmed("Release the lease?")
