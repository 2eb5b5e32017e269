"""An apply as it goes on, line by line for stderr or as NDJSON, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.apply.events import Ending, Event, Moved, Progress, Step
from reconciler.cli.console import Console
from reconciler.control.reconcile import Finished
from reconciler.model.json import Json
from reconciler.plan.plan import Plan
from reconciler.store.outbox import Delivery

_GLYPHS = {Ending.DONE: "✓", Ending.FAILED: "✗", Ending.BLOCKED: "·", Ending.NOT_STARTED: "·"}
_WORDS = {
    Step.RECOVER: "recovered",
    Step.UPLOAD: "stored",
    Step.BUILD: "built and signed",
    Step.BROADCAST: "broadcast",
    Step.DELIVER: "submitted to",
    Step.VERIFY: "found on",
}


@dataclass(frozen=True, slots=True)
class Telling:
    """A listener for apply events."""

    console: Console
    as_json: bool

    def __call__(self, event: Event | Moved | Progress, /) -> None:
        """Show one event."""
        if self.as_json:
            self.console.document(_event_json(event))
        elif isinstance(event, Event):
            self.console.note(_line(event))
        elif isinstance(event, Moved):
            self.console.detail(f"    journal: {event.entry[:12]} is {event.state}")


def render_finished(finished: Finished, *, next_step: str) -> tuple[list[str], str]:
    """Notes for stderr, and the fixed last line for stdout (DESIGN §8)."""
    notes = [
        f"✗ still owed to {delivery.host}: {delivery.topics[0]}; repeating the command delivers it"
        for delivery in _undelivered(finished)
    ]
    applied = finished.applied
    if applied is not None:
        notes += [
            f"✗ {host} does not list {len(missing)} of the records yet"
            for host, missing in applied.missing.items()
            if missing
        ]
        notes.append(next_step)
    return notes, last_line(finished)


def last_line(finished: Finished) -> str:
    """`Apply complete: ...`, in the same words as the plan."""
    if finished.applied is None:
        return "No changes. The overlay matches the manifests."
    summary = finished.planned.plan.summary
    parts = [f"{summary.create} created", f"{summary.update} updated", f"{summary.delete} deleted"]
    more = (
        ("replaced", summary.replace),
        ("renewed", summary.renew),
        ("moved", summary.move),
        ("adopted", summary.adopt),
    )
    parts += [f"{count} {word}" for word, count in more if count]
    return f"Apply complete: {', '.join(parts)}. Generation {finished.applied.generation}."


def finished_json(finished: Finished) -> dict[str, Json]:
    """The last NDJSON event."""
    applied = finished.applied
    missing = {host: len(outpoints) for host, outpoints in applied.missing.items() if outpoints} if applied else {}
    return {
        "event": "finished",
        "message": last_line(finished),
        "generation": finished.planned.plan.generation if applied is None else applied.generation,
        "txid": None if applied is None else applied.txid,
        "summary": _summary(finished.planned.plan),
        "undelivered": [delivery.host for delivery in _undelivered(finished)],
        "undiscoverable": missing,
    }


def is_partial(finished: Finished) -> bool:
    """Whether the plan is committed, but some host has not got or does not list everything."""
    applied = finished.applied
    return bool(_undelivered(finished)) or (applied is not None and any(applied.missing.values()))


def _undelivered(finished: Finished) -> tuple[Delivery, ...]:
    return finished.recovered.failed if finished.applied is None else finished.applied.undelivered


def _summary(plan: Plan) -> Mapping[str, int]:
    return {name: getattr(plan.summary, name) for name in plan.summary.__slots__}


def _line(event: Event) -> str:
    subject = event.subject if len(event.subject) < 64 else f"{event.subject[:12]}…"
    detail = f" ({event.detail})" if event.detail else ""
    return f"  {_GLYPHS[event.ending]} {_WORDS.get(event.step, event.step.value)} {subject}{detail}"


def _event_json(event: Event | Moved | Progress) -> dict[str, Json]:
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
