"""`overlay plan`: what would change, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reconciler.apply.events import tell_nobody
from reconciler.apply.upload import PARALLEL
from reconciler.cli import errors, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation
from reconciler.cli.planfile import keep
from reconciler.cli.spread import spread
from reconciler.cli.views import diagnostics
from reconciler.cli.views.markdown import render_markdown
from reconciler.cli.views.plan import render
from reconciler.cli.views.world import render_planned
from reconciler.cli.wiring import keys_for, load_manifests, open_reconciler
from reconciler.model.errors import UsageError
from reconciler.plan.document import to_json
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Plan

_EPILOG = "Example: overlay plan examples/producer.yaml --detailed-exitcode"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the plan is handed over."""

    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Keep the plan in a file, for `overlay apply FILE`.")
    ] = None
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when changes are pending, 3 when a guard refuses them.")
    ] = False
    parallelism: options.Parallelism = PARALLEL
    json: options.Json = False
    markdown: Annotated[bool, typer.Option("--markdown", help="Write Markdown for a pull request.")] = False


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", epilog=_EPILOG)(spread(plan))


def plan(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    form: Form,
    scope: options.Scope,
    given: options.Given,
    overrides: options.Overrides,
) -> None:
    """Show what would change, and what it costs in satoshis. Changes nothing."""
    if form.json and form.markdown:
        raise UsageError("--json and --markdown are two forms of one plan", hint="give one of them")
    invocation = Invocation.of(context)
    chosen = options.plan_options(invocation.console, overrides, scope)
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(_plan(invocation, named, given, chosen, form, refresh=scope.refresh))


async def _plan(
    invocation: Invocation,
    paths: tuple[Path, ...],
    given: options.Given,
    chosen: PlanOptions,
    form: Form,
    *,
    refresh: bool,
) -> int:
    console = invocation.console
    loaded = await load_manifests(invocation, paths, given, parallel=form.parallelism)
    for line in diagnostics.lines(loaded.warnings):
        console.note(line)
    keys = keys_for(invocation, loaded, create=True)
    async with open_reconciler(invocation, loaded, keys, tell_nobody) as (_, reconciler):
        planned = await reconciler.plan(loaded.state, chosen, refresh=refresh)
    for line in render_planned(planned):
        console.note(line)
    found = planned.plan
    if form.out is not None:
        found = keep(found, invocation.directory / form.out, loaded.folder)
    _show(found, form, console)
    return _exit_code(found) if form.detailed_exitcode else errors.DONE


def _show(plan: Plan, form: Form, console: Console) -> None:
    document = to_json(plan)
    if form.json:
        console.document(document)
    elif form.markdown:
        console.result(render_markdown(document))
    else:
        console.result(render(document, width=console.width, colour=console.colour))


def _exit_code(plan: Plan) -> int:
    if plan.is_empty:
        return errors.DONE
    return errors.GUARD if plan.refused else errors.CHANGES
