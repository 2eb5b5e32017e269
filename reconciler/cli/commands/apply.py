"""`overlay apply`: make it so, from manifests or from a plan in a file."""

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
from reconciler.model.ids import Digest, digest

_EPILOG = "Example: overlay apply examples/producer.yaml --yes"


Targets = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH|PLANFILE", help="Manifests as for plan, or the file of `plan --out`, done as it is."),
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
    """Make the overlay match the manifests: all or nothing. Safe to repeat, safe to kill."""
    invocation = Invocation.of(context)
    wanted = Wanted(approved=_plan_id(approved), scope=scope, given=given, overrides=overrides)
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(operations.apply.apply(invocation, named, wanted, doing))


def _plan_id(text: str | None) -> Digest | None:
    try:
        return None if text is None else digest(text)
    except ValueError as error:
        raise UsageError(
            "--approved takes the whole id of a plan, not a part of it",
            hint="64 hex digits, the last line but one of plan",
        ) from error
