"""`overlay watch`: keep it so."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from reconciler.apply.upload import PARALLEL
from reconciler.cli import errors, options
from reconciler.cli.arguments import manifest_paths, seconds
from reconciler.cli.interrupt import STOPS, graceful
from reconciler.cli.invocation import Invocation
from reconciler.cli.logs import log_of
from reconciler.cli.notices import Mailbag
from reconciler.cli.spread import spread
from reconciler.cli.views.apply import last_line
from reconciler.cli.views.watch import Watching
from reconciler.cli.wiring import beside_of, clock, keys_for, load_manifests, open_reconciler
from reconciler.control.desired import Loaded, inputs_of
from reconciler.control.happenings import Happening, RoundFailed
from reconciler.control.reconcile import Reconciler
from reconciler.control.waking import waking
from reconciler.control.watch import Wake, Watch
from reconciler.manifest.inputs import Inputs
from reconciler.model.amounts import Satoshis, satoshis
from reconciler.model.errors import OverlayError, UsageError

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
    """Keep the overlay as the manifests say: apply on every change of files, and mend and renew on schedule.

    Asks nobody: whoever starts it has agreed to whatever the guards let pass. Ends with Ctrl-C or SIGTERM.
    """
    invocation = Invocation.of(context)
    named = manifest_paths(paths or (), invocation.directory)
    invocation.finish(_watch(invocation, named, rhythm, given, standing))


async def _watch(
    invocation: Invocation,
    paths: tuple[Path, ...],
    rhythm: Rhythm,
    given: options.Given,
    standing: options.Standing,
) -> int:
    console = invocation.console
    watching = Watching(console, log_of(console), rhythm.json)
    beside = beside_of(invocation, given)
    inputs = Inputs.of_paths(paths, beside.variable_files)
    chosen = options.plan_options(console, standing.overrides)

    async def load() -> Loaded:
        return await load_manifests(invocation, paths, given, parallel=rhythm.parallelism)

    @asynccontextmanager
    async def opened(loaded: Loaded) -> AsyncIterator[Reconciler]:
        keys = keys_for(invocation, loaded, create=True)
        async with open_reconciler(invocation, loaded, keys, watching.step) as (_, reconciler):
            yield replace(reconciler, parallel=rhythm.parallelism)

    mail = Mailbag(invocation, watching.unheard)

    def tell(happening: Happening) -> None:
        watching.happened(happening)
        mail.put(happening)

    with graceful(watching.log.warning, STOPS) as halted:
        async with waking(inputs.folders, inputs.side_folders, stopped=halted.wait, blind=watching.blind) as bell:

            async def pause(length: float, concerns: Callable[[Path], bool]) -> Wake:
                await mail.send(kept.last)
                return await bell(length, concerns)

            kept = Watch(
                load=load,
                open=opened,
                options=replace(chosen, interactive=False),
                inputs=inputs,
                survey=lambda: inputs_of(paths, beside),
                alarm=pause,
                clock=clock,
                dice=random.random,
                halted=halted,
                tell=tell,
                interval=rhythm.seconds,
                most_per_day=rhythm.cap,
                patience=seconds(rhythm.lock_timeout),
            )

            if not rhythm.once:
                await kept.run()
                return errors.DONE
            try:
                return await _once(kept, watching, mail)
            finally:
                await mail.send(kept.last)


async def _once(kept: Watch, watching: Watching, mail: Mailbag) -> int:
    try:
        finished = await kept.once()
    except OverlayError as error:
        failure = RoundFailed(error=error)
        mail.put(failure)
        if watching.as_json:
            watching.happened(failure)
        raise
    if not watching.as_json:
        watching.console.result(last_line(finished))
    return errors.PARTIAL if finished.is_partial else errors.DONE
