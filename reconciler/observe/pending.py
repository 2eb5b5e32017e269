"""A root that is pending: somebody applies a large set, here or on another machine (PROTOCOL §4)."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.errors import LockedError
from reconciler.observe.roots import LiveRoot
from reconciler.wallet.keys import Keys
from reconciler.wallet.sealing import unseal
from reconciler.wire.sealing import open_record

_HINT = "let that machine finish it; where it is gone for good, `overlay state unlock --pending` gives the lock back"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who applies."""

    machine: str
    since: int
    """Unix seconds."""


def holder_of(root: LiveRoot, keys: Keys) -> Holder | None:
    """Who made a root pending; None where the root does not say. Raises StateError where the key is not ours."""
    pending = root.document.pending
    if pending is None or pending.by is None:
        return None
    state = unseal(root.sealed, producer=root.document.producer, keys=keys)
    match open_record(state.content_seed, root.document.id, pending.by):
        case {"machine": str(machine), "at": int(since)}:
            return Holder(machine, since)
        case _:
            return None


def locked(root: LiveRoot, keys: Keys, *, now: int) -> LockedError:
    """What to say to those who have to wait."""
    holder = holder_of(root, keys)
    who = f"{holder.machine} for {_age(now - holder.since)}" if holder else "another machine"
    batches = root.document.pending.batches if root.document.pending else 0
    return LockedError(
        f"the root is held by {who}: an apply of {batches} batches is under way there",
        where=str(root.outpoint),
        hint=_HINT,
    )


def _age(seconds: int) -> str:
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{max(0, seconds)} seconds"
