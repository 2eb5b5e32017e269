"""`overlay watch`: keep it so."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from reconciler.cli import errors, options
from reconciler.cli.arguments import seconds
from reconciler.cli.commands.watch import Rhythm
from reconciler.cli.interrupt import STOPS, graceful
from reconciler.cli.invocation import Invocation
from reconciler.cli.logs import log_of
from reconciler.cli.manifests import beside_of, load_manifests
from reconciler.cli.notices import Mailbag
from reconciler.cli.planning import plan_options
from reconciler.cli.views.apply import last_line
from reconciler.cli.views.watch import Watching
from reconciler.cli.wiring import clock, keys_for, open_reconciler
from reconciler.control.desired import inputs_of
from reconciler.control.happenings import Happening, RoundFailed
from reconciler.control.loaded import Loaded
from reconciler.control.reconcile import Reconciler
from reconciler.control.waking import waking
from reconciler.control.watch import Wake, Watch
from reconciler.manifest.inputs import Inputs
from reconciler.model.errors import OverlayError


async def watch(
    invocation: Invocation,
    paths: tuple[Path, ...],
    rhythm: Rhythm,
    given: options.Given,
    standing: options.Standing,
) -> int:
    """Rounds until told to stop, or one."""
    console = invocation.console
    watching = Watching(console, log_of(console), rhythm.json)
    beside = beside_of(invocation, given)
    inputs = Inputs.of_paths(paths, beside.variable_files)
    chosen = plan_options(console, standing.overrides)

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
