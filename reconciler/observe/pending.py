"""A root that is pending: somebody applies a large set, here or on another machine (PROTOCOL §4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.model.errors import LockedError
from reconciler.model.ids import Outpoint, Txid
from reconciler.model.keys import batch_key
from reconciler.observe.catalog import Catalog, Stray, ours
from reconciler.observe.roots import LiveRoot, Verifier
from reconciler.wallet.keys import Keys
from reconciler.wallet.sealing import unseal
from reconciler.wire.beef import Beef
from reconciler.wire.record import parse
from reconciler.wire.sealing import open_record

_HINT = "let that machine finish it; where it is gone for good, `overlay state unlock --pending` gives the lock back"


class SpendIndex(Protocol):
    """Whoever knows what spends an output, in pool or chain."""

    async def spender(self, outpoint: Outpoint) -> Txid | None:
        """None where nothing does."""
        ...

    async def beef(self, named: Txid) -> Beef:
        """A transaction with its proof, or its ancestry back to proofs."""
        ...


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


async def with_lock(catalog: Catalog, *, index: SpendIndex, keys: Keys, verifier: Verifier, now: int) -> Catalog:
    """The catalog under a pending root, with what its lock funds: money where a batch is not out, else what the batch made.

    Hosts need not know of a batch that is out; the chain's index does. Raises UnreachableError, RefusedError, VerificationError.
    """
    live = catalog.live
    change, strays = list(catalog.change), {stray.outpoint: stray for stray in catalog.strays}
    for funding in ours(live.transaction, (batch_key,), keys):
        spender = await index.spender(funding.outpoint)
        if spender is None:
            change.append(funding)
            continue
        beef = await index.beef(spender)
        batch = (await verifier.verified(beef, spender, now=now)).transaction
        change += ours(batch, (batch_key,), keys)
        for vout, output in enumerate(batch.outputs):
            token = parse(output.locking)
            if token is not None and token.identity == keys.identity:
                outpoint = batch.outpoint(vout)
                strays[outpoint] = Stray(outpoint=outpoint, token=token, output=output, beef=beef)
    return replace(catalog, change=tuple(change), strays=tuple(strays.values()))


def _age(seconds: int) -> str:
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{max(0, seconds)} seconds"
