"""What every command that changes the overlay does: open, carry out, wait, say how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconciler.cli import errors
from reconciler.cli.asking import confirmed
from reconciler.cli.console import Console
from reconciler.cli.databases import Otherwise
from reconciler.cli.interrupt import Interrupt, graceful
from reconciler.cli.invocation import Invocation
from reconciler.cli.notices import notify
from reconciler.cli.options import Doing
from reconciler.cli.views.apply import (
    Telling,
    failed_json,
    finished_json,
    render_finished,
    render_steps,
)
from reconciler.cli.views.plan import render
from reconciler.cli.views.world import render_planned
from reconciler.cli.wiring import Site, Subject, clock, open_reconciler
from reconciler.control.happenings import Happening, RoundFailed, done_by, drift_of
from reconciler.control.planned import Finished, Planned
from reconciler.control.reconcile import Reconciler
from reconciler.control.settling import wait_until_mined
from reconciler.model.errors import OverlayError
from reconciler.plan.document import to_json
from reconciler.plan.plan import Plan
from reconciler.wallet.keys import Keys

WAIT_SECONDS: Final = 7200.0
"""How long --wait waits for a block, in the worst case."""

Work = Callable[[Reconciler, Interrupt], Awaitable[Finished]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked before anything is done, and the only word that agrees."""

    text: str
    word: str = "yes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undertaking:
    """One run of a command that changes the overlay."""

    invocation: Invocation
    doing: Doing

    @property
    def console(self) -> Console:
        """Where it speaks."""
        return self.invocation.console

    async def carry_out(self, subject: Subject, keys: Keys, work: Work, *, replaces_identity: bool) -> int:
        """Do the work on the subject's network; the exit code. Raises what the work raises, once it has said how far it got."""
        telling = Telling(self.console, self.doing.json)
        try:
            otherwise = Otherwise.for_apply(replaces_identity=replaces_identity)
            async with open_reconciler(self.invocation, subject, keys, telling, otherwise=otherwise) as (
                site,
                reconciler,
            ):
                with graceful(lambda said: self.console.complain(f"\n{said}")) as halted:  # after ^C, or a question
                    finished = await work(replace(reconciler, parallel=self.doing.parallelism), halted)
                    await self._notify(subject, [*drift_of(finished.planned.plan), *done_by(finished)])
                    is_mined = await self._waited(finished, site, reconciler, halted)
        except OverlayError as error:
            self._tell_failure(telling, error)
            await self._notify(subject, [RoundFailed(error=error)])
            raise
        if not finished.agreed:
            self.console.complain("Nothing was applied.")
            return errors.ERROR
        return self._tell_end(telling, finished, subject, is_mined=is_mined)

    async def agreed(self, planned: Planned, halted: Interrupt, question: Question) -> bool:
        """Show the plan, and ask unless --yes was given."""
        for line in render_planned(planned):
            self.console.note(line)
        self.show(planned.plan)
        return self.doing.yes or await halted.or_else(confirmed(question.text, question.word))

    def show(self, plan: Plan) -> None:
        """The plan that is to be carried out."""
        document = to_json(plan)
        if self.doing.json:
            self.console.document({"event": "plan", **document})
        else:
            self.console.styled(render(document, width=self.console.width, colour=self.console.colour) + "\n")

    async def _notify(self, subject: Subject, happenings: Sequence[Happening]) -> None:
        """A webhook that cannot be told is no failure of what was done."""
        for error in await notify(self.invocation, subject, happenings):
            self.console.complain(f"Warning: {error.message}{f' ({error.where})' if error.where else ''}.")

    async def _waited(self, finished: Finished, site: Site, reconciler: Reconciler, halted: Interrupt) -> bool | None:
        """Whether a block has the transactions; None where that was not to be waited for."""
        applied = finished.applied
        if not self.doing.wait or applied is None or applied.txid is None:
            return None
        self.console.note("Published; waiting for a block.")
        waiting = wait_until_mined(applied.txid, site.database, reconciler.world, clock=clock, patience=WAIT_SECONDS)
        return await halted.or_else(waiting)

    def _tell_failure(self, telling: Telling, error: OverlayError) -> None:
        for line in render_steps(telling.tally, ended=False):
            self.console.note(line)
        if self.doing.json:
            self.console.document(failed_json(telling.tally, errors.as_json(error)))

    def _tell_end(self, telling: Telling, finished: Finished, subject: Subject, *, is_mined: bool | None) -> int:
        notes, last = render_finished(finished, gateway=subject.gateway_url)
        for line in (*render_steps(telling.tally, ended=True), *notes):
            self.console.note(line)
        if is_mined is False:
            self.console.complain("No block has it yet; it is on its way, and `overlay status` follows it.")
        if self.doing.json:
            self.console.document(finished_json(finished, telling.tally, is_mined=is_mined))
        else:
            self.console.result(last)
        return errors.PARTIAL if finished.is_partial or is_mined is False else errors.DONE
