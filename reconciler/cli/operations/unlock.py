"""`overlay state unlock`: give back what an apply that does not come back holds."""

from __future__ import annotations

import secrets
from pathlib import Path

from reconciler.apply.lease import held_by, release, this_process
from reconciler.cli import errors, options
from reconciler.cli.applying import Question, Undertaking
from reconciler.cli.asking import confirmed
from reconciler.cli.console import Console
from reconciler.cli.implied import open_recorded
from reconciler.cli.interrupt import Interrupt
from reconciler.cli.invocation import Invocation
from reconciler.cli.manifests import load_manifests
from reconciler.cli.planning import plan_options
from reconciler.cli.views.state import held_text, unlocked_json, unlocked_text
from reconciler.cli.wiring import clock, keys_for
from reconciler.control.planned import Finished
from reconciler.control.reconcile import Reconciler

_QUESTION = Question(text="If that apply is still running, it will lose. Give the lock back?")


async def give_back(
    invocation: Invocation,
    paths: tuple[Path, ...],
    given: options.Given,
    overrides: options.Overrides,
    doing: options.Doing,
) -> int:
    """The root that another machine holds."""
    undertaking, patience = Undertaking(invocation=invocation, doing=doing), doing.patience
    chosen = plan_options(invocation.console, overrides)
    loaded = await load_manifests(invocation, paths, given, parallel=doing.parallelism)

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


async def release_lease(invocation: Invocation, *, yes: bool, as_json: bool) -> int:
    """This database's."""
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
    console.check_askable(yes=False)
    console.note("If it lives after all, whatever it still writes is refused, and its apply ends with an error.")
    return await confirmed("Release the lease?")
