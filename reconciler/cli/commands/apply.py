"""`overlay apply`: make it so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import errors, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.interrupt import graceful
from reconciler.cli.invocation import Invocation
from reconciler.cli.views import diagnostics
from reconciler.cli.views.apply import Telling, finished_json, is_partial, render_finished
from reconciler.cli.views.plan import render
from reconciler.cli.views.world import render_planned
from reconciler.cli.wiring import keys_of, load_manifests, open_site, reconciler_of
from reconciler.control.reconcile import LOCK_SECONDS, Planned
from reconciler.model.errors import UsageError
from reconciler.model.networks import endpoints_of
from reconciler.plan.document import to_json
from reconciler.plan.options import PlanOptions

_EPILOG = "Example: overlay apply examples/producer.yaml --yes"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("apply", epilog=_EPILOG)(apply)


def apply(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    yes: options.Yes = False,
    lock_timeout: Annotated[
        float, typer.Option("--lock-timeout", metavar="SECONDS", help="Wait so long for another apply to end.")
    ] = LOCK_SECONDS,
    json: options.Json = False,
    max_delete: options.MaxDelete = None,
    allow_empty: options.AllowEmpty = False,
    max_cost: options.MaxCost = None,
    allow_price_change: options.AllowPriceChange = False,
    replace_identity: options.ReplaceIdentity = False,
    take_over: options.TakeOver = False,
    genesis: options.Genesis = False,
) -> None:
    """Make the overlay match the manifests: all or nothing, safe to repeat, safe to kill."""
    invocation = Invocation.of(context)
    overrides = options.plan_options(
        invocation.console,
        max_delete=max_delete,
        allow_empty=allow_empty,
        max_cost=max_cost,
        allow_price_change=allow_price_change,
        replace_identity=replace_identity,
        take_over=take_over,
        genesis=genesis,
    )
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(_apply(invocation, named, overrides, yes=yes, patience=lock_timeout, as_json=json))


async def _apply(
    invocation: Invocation,
    paths: tuple[Path, ...],
    overrides: PlanOptions,
    *,
    yes: bool,
    patience: float,
    as_json: bool,
) -> int:
    console = invocation.console
    loaded = await load_manifests(invocation, paths)
    for line in diagnostics.lines(loaded.warnings):
        console.note(line)
    state = loaded.state
    keys = keys_of(invocation, state.network, file=state.key_file, create=True)
    endpoints = endpoints_of(state.network, state.producer.sealed)

    async with open_site(invocation, state.network, endpoints=endpoints) as site:
        reconciler = await reconciler_of(site, loaded, keys, Telling(console, as_json))
        with graceful(console) as halted:

            async def agree(planned: Planned) -> bool:
                _show(invocation, planned, as_json=as_json)
                return yes or await halted.or_else(_asked(invocation))

            finished = await reconciler.apply(state, overrides, agree=agree, halted=halted, patience=patience)
    if not finished.agreed:
        console.complain("Nothing was applied.")
        return errors.ERROR
    notes, last = render_finished(finished, next_step=_next_step(loaded.state.gateway_url))
    for note in notes:
        console.note(note)
    if as_json:
        console.document(finished_json(finished))
    else:
        console.result(last)
    return errors.PARTIAL if is_partial(finished) else errors.DONE


def _show(invocation: Invocation, planned: Planned, *, as_json: bool) -> None:
    console = invocation.console
    for line in render_planned(planned):
        console.note(line)
    document = to_json(planned.plan)
    if as_json:
        console.document({"event": "plan", **document})
    else:
        console.result(render(document, width=console.width, colour=console.colour) + "\n")


async def _asked(invocation: Invocation) -> bool:
    if not invocation.console.interactive:
        raise UsageError("nobody can be asked here", hint="add --yes to apply without asking")
    return await invocation.console.confirmed("Apply this plan?")


def _next_step(gateway: str | None) -> str:
    served = f", then look at {gateway}/v1/catalog" if gateway else ""
    return f"\nNext: `overlay status`; edit a title and apply again; `overlay serve`{served}.\n"
