"""What must be so before a plan is carried out: approved, for this key and network, of this world, refused by no guard."""

from __future__ import annotations

from reconciler.control.planned import Agree, Planned
from reconciler.model.errors import GuardError, StalePlanError
from reconciler.model.ids import Digest, IdentityKey, Network
from reconciler.observe.snapshot import Observation
from reconciler.plan.document import plan_id
from reconciler.plan.plan import Plan
from reconciler.wallet.keys import Keys


def approving(approved: Digest | None, agree: Agree) -> Agree:
    """Instead of asking, hold the plan against the approved one. What it gives raises StalePlanError."""
    if approved is None:
        return agree

    async def is_approved(planned: Planned) -> bool:
        found = plan_id(planned.plan)
        if found != approved:
            raise StalePlanError(
                f"the plan is now {found}, approved was {approved}", hint="look at the new plan, and approve that one"
            )
        return True

    return is_approved


def check_owner(plan: Plan, identity: IdentityKey, network: Network) -> None:
    """Raises StalePlanError unless the plan was made with this key, for this network."""
    if plan.public_only:
        raise StalePlanError(
            "the plan was made without the key: sealed parts were not compared", hint="plan again with it"
        )
    if plan.identity != identity:
        raise StalePlanError(f"the plan was made for the identity {plan.identity}, this one is {identity}")
    if plan.network is not network:
        raise StalePlanError(f"the plan was made for the network {plan.network}, this one is {network}")


def check_heir(plan: Plan, successor: Keys | None) -> None:
    """Raises StalePlanError unless the plan rotates to the key at hand, or neither is there."""
    wanted, found = plan.rotation.to if plan.rotation else None, successor.identity if successor else None
    if wanted != found:
        raise StalePlanError(f"the plan hands over to {wanted or 'nobody'}, the key at hand is {found or 'nobody'}'s")


def check_seen(plan: Plan, observation: Observation) -> None:
    """Raises StalePlanError unless the world is the one that the plan was computed against."""
    snapshot = observation.snapshot
    live = snapshot.root.record.outpoint if snapshot.root else None
    if live != plan.root:
        raise StalePlanError(
            "what is live has changed since the plan was made",
            where=f"the live root is {live or 'none'}, the plan's {plan.root or 'none'}",
            hint="plan again",
        )


def check_guards(plan: Plan) -> None:
    """Raises GuardError, naming every guard that refuses and its override."""
    refused = plan.refused
    if not refused:
        return
    sentences = [f"{guard.name}: {guard.value} against {guard.limit}: {guard.detail}" for guard in refused]
    overrides = [guard.override for guard in refused if guard.override]
    raise GuardError(
        "; ".join(sentences),
        hint=f"if that is meant, add {' '.join(dict.fromkeys(overrides))}" if overrides else None,
        guards=[guard.name for guard in refused],
    )
