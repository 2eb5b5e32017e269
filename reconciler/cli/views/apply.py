"""An apply as it goes on, line by line for stderr or as NDJSON, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from reconciler.apply.events import Ending, Event, Moved, Progress, Step
from reconciler.cli.console import Console
from reconciler.cli.views.plan_document import last_line as planned_line
from reconciler.cli.views.plan_document import object_
from reconciler.cli.views.wallet import paid_json, paid_text
from reconciler.control.planned import Finished
from reconciler.control.world import OWN
from reconciler.model.json import Json
from reconciler.plan.document import plan_id, to_json
from reconciler.plan.plan import Plan

_GLYPHS = {Ending.DONE: "✓", Ending.FAILED: "✗", Ending.BLOCKED: "·", Ending.NOT_STARTED: "·"}
_WORDS = {
    Step.RECOVER: "recovered",
    Step.PAY: "paid",
    Step.UPLOAD: "stored",
    Step.BUILD: "built and signed",
    Step.BROADCAST: "broadcast",
    Step.DELIVER: "submitted to",
    Step.VERIFY: "found on",
}
_NAMES: Final = {OWN: "the host in this database"}
_EACH: Final = 20
"""So many of a step are told one by one; of more, how many there are so far, in ever larger strides."""
_COUNTED: Final = (Step.RECOVER, Step.PAY, Step.UPLOAD, Step.BUILD, Step.BROADCAST, Step.DELIVER, Step.VERIFY)
"""The steps that do something that can be counted, in order."""

Tally: TypeAlias = Counter[tuple[Step, Ending]]
"""How often each step ended in each way."""


@dataclass(frozen=True, slots=True)
class Telling:
    """A listener for apply events, which also counts them."""

    console: Console
    as_json: bool
    tally: Tally = field(default_factory=Counter)

    def __call__(self, event: Event | Moved | Progress, /) -> None:
        """Show one event."""
        if isinstance(event, Event):
            self.tally[event.step, event.ending] += 1
        if self.as_json:
            self.console.document(event_json(event))
        elif isinstance(event, Event):
            for line in _told(event, self.tally[event.step, event.ending]):
                self.console.note(line)
        elif isinstance(event, Moved):
            self.console.detail(f"    journal: {event.entry[:12]} is {event.state}")


def render_steps(tally: Tally, *, ended: bool) -> Iterator[str]:
    """How far each step got, a line each. Where the run has `ended` well, what was not needed is left out."""
    if not tally:
        return
    for step, counts in _steps(tally, ended=ended).items():
        yield f"  {step.value:9}  {', '.join(f'{count} {ending}' for ending, count in counts.items()) or 'not started'}"


def render_finished(finished: Finished, *, gateway: str | None) -> tuple[list[str], str]:
    """Notes for stderr, and the fixed last line for stdout (DESIGN §8)."""
    notes = [
        f"✗ still owed to {delivery.host}: {delivery.topics[0]}; repeating the command delivers it"
        for delivery in finished.undelivered
    ]
    applied = finished.applied
    if applied is not None:
        failed = [
            f"✗ {address}: {error.message}; repeating the command makes it" for address, error in applied.failed.items()
        ]
        notes += failed[:_EACH]
        if len(failed) > _EACH:
            notes.append(f"✗ and {len(failed) - _EACH:,} more; repeating the command makes them, --json lists them")
        notes += [
            f"✗ {host} does not list {len(missing)} of the records yet"
            for host, missing in applied.missing.items()
            if missing
        ]
        notes += [f"· {paid_text(bought)}" for bought in applied.unused]
        if finished.planned.plan.rotation is not None:
            notes.append("The new key has taken over: let identity.key name it now, and drop identity.rotation.")
        if not finished.planned.plan.destroys:
            notes.append(_next_step(gateway))
    return notes, last_line(finished)


def last_line(finished: Finished) -> str:
    """`Apply complete: ...`, in the same words as the plan."""
    plan, applied = finished.planned.plan, finished.applied
    if applied is None or plan.is_empty:
        return "No changes. Nothing is live." if plan.destroys else planned_line(object_(to_json(plan)["body"]))
    summary = plan.summary
    parts = [f"{summary.create} created", f"{summary.update} updated", f"{summary.delete} deleted"]
    more = (
        ("replaced", summary.replace),
        ("renewed", summary.renew),
        ("moved", summary.move),
        ("adopted", summary.adopt),
    )
    parts += [f"{count} {word}" for word, count in more if count]
    end = " was the last." if plan.destroys else ". PARTIAL." if plan.partial else "."
    return f"Apply complete: {', '.join(parts)}. Generation {applied.generation}{end}"


def finished_json(finished: Finished, tally: Tally, *, is_mined: bool | None) -> dict[str, Json]:
    """The last NDJSON event. `mined` is null where that was not waited for."""
    applied, plan = finished.applied, finished.planned.plan
    missing = {host: len(outpoints) for host, outpoints in applied.missing.items() if outpoints} if applied else {}
    return {
        "event": "finished",
        "message": last_line(finished),
        "planId": plan_id(plan),
        "generation": plan.generation if applied is None else applied.generation,
        "txid": None if applied is None else applied.txid,
        "mined": is_mined,
        "summary": _summary(plan),
        "partial": plan.partial,
        "steps": steps_json(tally, ended=True),
        "failed": {address: error.message for address, error in applied.failed.items()} if applied else {},
        "undelivered": [delivery.host for delivery in finished.undelivered],
        "undiscoverable": missing,
        "paidStorage": paid_json(applied.unused) if applied else [],
    }


def failed_json(tally: Tally, error: Mapping[str, object]) -> dict[str, object]:
    """The last NDJSON event of a run that ended with an error."""
    return {"event": "failed", **error, "steps": steps_json(tally, ended=False)}


def steps_json(tally: Tally, *, ended: bool) -> dict[str, Json]:
    """How often each step ended in each way; a step that was not reached says nothing."""
    return {
        step.value: {ending.value: count for ending, count in counts.items()}
        for step, counts in _steps(tally, ended=ended).items()
    }


def _steps(tally: Tally, *, ended: bool) -> dict[Step, dict[Ending, int]]:
    """The steps with how they ended; of those without, where the run broke off, only what comes after it."""
    counts = {step: {ending: tally[step, ending] for ending in Ending if tally[step, ending]} for step in _COUNTED}
    reached = max((index for index, step in enumerate(_COUNTED) if counts[step]), default=-1)
    return {
        step: counts[step] for index, step in enumerate(_COUNTED) if counts[step] or (not ended and index > reached)
    }


def _next_step(gateway: str | None) -> str:
    served = f", then look at {gateway}/v1/catalog" if gateway else ""
    return f"\nNext: `overlay status`; edit a title and apply again; `overlay serve`{served}.\n"


def _summary(plan: Plan) -> Mapping[str, int]:
    return {name: getattr(plan.summary, name) for name in plan.summary.__slots__}


def _told(event: Event, count: int) -> Iterator[str]:
    """What is said of the `count`th of its kind: of ten thousand copies some fifty lines."""
    if count <= _EACH:
        yield _line(event)
    elif count % 10 ** (len(str(count)) - 1) == 0:
        yield f"  {_GLYPHS[event.ending]} {_WORDS.get(event.step, event.step.value)} {count:,} so far"


def _line(event: Event) -> str:
    subject = _NAMES.get(event.subject) or (event.subject if len(event.subject) < 64 else f"{event.subject[:12]}…")
    detail = f" ({event.detail})" if event.detail else ""
    return f"  {_GLYPHS[event.ending]} {_WORDS.get(event.step, event.step.value)} {subject}{detail}"


def event_json(event: Event | Moved | Progress) -> dict[str, Json]:
    """One thing that happened, for programs."""
    match event:
        case Event():
            return {
                "event": event.step.value,
                "subject": event.subject,
                "ending": event.ending.value,
                "detail": event.detail,
            }
        case Moved():
            return {"event": "journal", "entry": event.entry, "state": event.state.value}
        case Progress():
            return {"event": "progress", "subject": event.subject, "sent": event.sent, "total": event.total}
