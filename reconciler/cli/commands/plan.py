"""`overlay plan`: what would change, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import operations, options
from reconciler.cli.arguments import manifest_paths
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.model.errors import UsageError
from reconciler.model.ids import IdentityKey, identity_key
from reconciler.model.parallel import PARALLEL

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
    all: Annotated[bool, typer.Option("--all", help="Show every change, however many there are.")] = False


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", epilog=_EPILOG)(spread(plan))


def plan(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    identity: Annotated[
        str | None,
        typer.Option(
            "--identity",
            metavar="KEY",
            help="The producer's public key: plan without the secret one, public fields only.",
        ),
    ] = None,
    form: Form,
    scope: options.Scope,
    given: options.Given,
    overrides: options.Overrides,
) -> None:
    """Show what would change, and what it costs in satoshis. Changes nothing."""
    if form.json and form.markdown:
        raise UsageError("--json and --markdown are two forms of one plan", hint="give one of them")
    invocation = Invocation.of(context)
    named = manifest_paths(paths or (), invocation.directory)
    whose = None if identity is None else _identity(identity)
    invocation.finish(operations.plan.plan(invocation, named, given, scope, overrides, form=form, whose=whose))


def _identity(text: str) -> IdentityKey:
    try:
        return identity_key(text)
    except ValueError as error:
        raise UsageError(f"--identity takes a public key: {error}", hint="`overlay identity show` says it") from error
