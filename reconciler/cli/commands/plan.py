"""`overlay plan`: what would change, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.apply.events import tell_nobody
from reconciler.cli import errors, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.invocation import Invocation
from reconciler.cli.views import diagnostics
from reconciler.cli.views.plan import render
from reconciler.cli.views.world import render_planned
from reconciler.cli.wiring import keys_of, load_manifests, open_site, reconciler_of
from reconciler.model.networks import endpoints_of
from reconciler.plan.document import to_bytes, to_json
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Plan

_EPILOG = "Example: overlay plan examples/producer.yaml --detailed-exitcode"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", epilog=_EPILOG)(plan)


def plan(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Keep the plan in a file.")] = None,
    detailed_exitcode: options.DetailedExitCode = False,
    json: options.Json = False,
    max_delete: options.MaxDelete = None,
    allow_empty: options.AllowEmpty = False,
    max_cost: options.MaxCost = None,
    allow_price_change: options.AllowPriceChange = False,
    replace_identity: options.ReplaceIdentity = False,
    take_over: options.TakeOver = False,
    genesis: options.Genesis = False,
) -> None:
    """Show what would change, and what it costs in satoshis. Changes nothing."""
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
    invocation.finish(_plan(invocation, named, overrides, out=out, detailed=detailed_exitcode, json=json))


async def _plan(
    invocation: Invocation,
    paths: tuple[Path, ...],
    overrides: PlanOptions,
    *,
    out: Path | None,
    detailed: bool,
    json: bool,
) -> int:
    console = invocation.console
    loaded = await load_manifests(invocation, paths)
    for line in diagnostics.lines(loaded.warnings):
        console.note(line)
    state = loaded.state
    keys = keys_of(invocation, state.network, file=state.key_file, create=True)
    async with open_site(
        invocation, state.network, endpoints=endpoints_of(state.network, state.producer.sealed)
    ) as site:
        reconciler = await reconciler_of(site, loaded, keys, tell_nobody)
        planned = await reconciler.plan(state, overrides)
    for line in render_planned(planned):
        console.note(line)
    document = to_json(planned.plan)
    if out is not None:
        (invocation.directory / out).write_bytes(to_bytes(planned.plan))
    if json:
        console.document(document)
    else:
        console.result(render(document, width=console.width, colour=console.colour))
    return _exit_code(planned.plan) if detailed else errors.DONE


def _exit_code(plan: Plan) -> int:
    if plan.is_empty:
        return errors.DONE
    return errors.GUARD if plan.refused else errors.CHANGES
