"""`overlay watch`: keep it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from reconciler.cli import operations, options
from reconciler.cli.arguments import manifest_paths, seconds
from reconciler.cli.invocation import Invocation
from reconciler.cli.spread import spread
from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import UsageError
from reconciler.model.parallel import PARALLEL

_EPILOG = "Example: overlay watch examples/producer.yaml --interval 10m --max-cost-per-day 20000"


_SHORTEST = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """When a watch looks, and how much it may spend."""

    interval: Annotated[
        str, typer.Option("--interval", metavar="D", help="Look at everything that is published so often.")
    ] = "5m"
    once: Annotated[bool, typer.Option("--once", help="One round; its exit code is apply's.")] = False
    max_cost_per_day: Annotated[
        int | None,
        typer.Option("--max-cost-per-day", metavar="SAT", help="Spend no more in a day (UTC), other applies included."),
    ] = None
    lock_timeout: Annotated[
        str, typer.Option("--lock-timeout", metavar="D", help="Wait so long in a round for another apply to end.")
    ] = "30s"
    parallelism: options.Parallelism = PARALLEL
    json: options.Json = False

    @property
    def seconds(self) -> float:
        """--interval. Raises UsageError."""
        found = seconds(self.interval)
        if found < _SHORTEST:
            raise UsageError("--interval is too short", hint="at least 1s")
        return found

    @property
    def cap(self) -> Satoshis | None:
        """--max-cost-per-day. Raises UsageError."""
        try:
            return None if self.max_cost_per_day is None else satoshis(self.max_cost_per_day)
        except ValueError as error:
            raise UsageError(str(error)) from error


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch", epilog=_EPILOG)(spread(watch))


def watch(
    context: typer.Context,
    *,
    paths: options.Paths = None,
    rhythm: Rhythm,
    given: options.Given,
    standing: options.Standing,
) -> None:
    """Keep the overlay as the manifests say, from now on.

    Applies on every change of files, and mends and renews on schedule.
    Asks nobody: whoever starts it has agreed to whatever the guards let pass. Ends with Ctrl-C or SIGTERM.
    """
    invocation = Invocation.of(context)
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(operations.watch.watch(invocation, named, rhythm, given, standing))
