"""That a plan had nothing to do, remembered until anything it was made from is another.

A plan is a pure function of what is desired, what was seen, and how it was asked for. Where all three are as they were, by their
digests, and no copy has come into its renewal window since, it is the same plan: nothing is compared again, and not even read. Only
plans without a change are remembered, so that believing what lies here can at worst leave something undone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Final

from reconciler.control.keeping import Shelf, program
from reconciler.model.desired import DesiredState
from reconciler.model.errors import OverlayError
from reconciler.model.ids import Digest, IdentityKey
from reconciler.model.observed import Snapshot
from reconciler.observe.snapshot import Observation
from reconciler.plan.document import from_json, to_bytes
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Meta, Plan
from reconciler.plan.replicas import next_renewal

_CODE: Final = ("model", "observe", "plan", "store")
"""The packages that decide what is compared, and what a row means."""


class ForgottenError(Exception):
    """What was remembered is not what is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A plan without changes."""

    fingerprint: Digest
    """Of the rows of what was live."""
    seen: str
    """Digest of all else that it was made from, but what is desired."""
    until: int | None
    """Unix seconds at which a copy is to be renewed; None where there is none."""
    plan: Plan

    def recall(self, snapshot: Snapshot, options: PlanOptions, *, meta: Meta) -> Plan:
        """The plan for this snapshot, whose rows have the fingerprint. Raises ForgottenError where anything else differs."""
        if _seen(snapshot, options) != self.seen or not self.holds(snapshot.now):
            raise ForgottenError
        return replace(self.plan, meta=meta)

    def holds(self, now: int) -> bool:
        """Whether time has changed nothing."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Memory:
    """The last plan without changes, for each desired state."""

    shelf: Shelf

    def find(self, desired: DesiredState, identity: IdentityKey, now: int) -> Remembered | None:
        """The one for `desired`."""
        lines = self.shelf.get(_name(desired, identity))
        if lines is None:
            return None
        try:
            facts, document = map(json.loads, lines)
            plan = from_json(document)
            found = Remembered(
                fingerprint=Digest(facts["fingerprint"]), seen=facts["seen"], until=facts["until"], plan=plan
            )
        except (ValueError, TypeError, KeyError, OverlayError):  # of another format
            return None
        return found if plan.is_empty and found.holds(now) else None

    def keep(
        self, desired: DesiredState, observation: Observation, snapshot: Snapshot, options: PlanOptions, plan: Plan
    ) -> bool:
        """Remember a plan, if it says that all is as it should be. Returns whether.

        `snapshot` is the observation's with what was asked for after it. Raises StateError where nothing can be written.
        """
        is_settled = not (plan.changes or plan.drift or plan.warnings or plan.transactions or plan.partial)
        is_own = observation.rebuilt is None and observation.ads is None and snapshot.root is not None
        if not (is_settled and is_own) or observation.warnings or options.replaces:
            return False
        facts = {
            "fingerprint": observation.fingerprint,
            "seen": _seen(snapshot, options),
            "until": next_renewal(desired, snapshot),
        }
        name = _name(desired, snapshot.identity)
        self.shelf.put(name, (json.dumps(facts).encode("ascii"), to_bytes(plan)))
        return True


def _name(desired: DesiredState, identity: IdentityKey) -> str:
    text = json.dumps([desired.manifest_digest, identity, program(_CODE)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _seen(snapshot: Snapshot, options: PlanOptions) -> str:
    """Digest of a snapshot, but for what the rows say and when, and of the options."""
    small = replace(snapshot, records={}, replicas=(), paid=frozenset(), readings=(), now=0)
    return hashlib.sha256(repr((small, sorted(snapshot.paid), options)).encode()).hexdigest()
