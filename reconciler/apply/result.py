"""What becomes live when the network has seen an apply's transactions: the outcome that goes into its journal entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.apply.build import Built
from reconciler.apply.draft import Draft
from reconciler.apply.prepare import record_texts
from reconciler.apply.upload import forgotten_of
from reconciler.model.ids import Address, IdentityKey, ObjectType, Outpoint, RecordId
from reconciler.model.observed import ObservedAd, ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.plan.action import Action
from reconciler.plan.change import Change
from reconciler.plan.plan import Plan
from reconciler.plan.transactions import TxRole
from reconciler.store.outcome import Outcome


def outcome(
    plan: Plan,
    draft: Draft,
    built: Mapping[str, Built],
    replicas: Sequence[ObservedReplica],
    *,
    live_ads: Sequence[ObservedAd],
    identity: IdentityKey,
    commit: str | None,
    at: int,
) -> Outcome:
    """`built` by name; `live_ads` are those there were; `replicas` the copies that were made or renewed for this plan."""
    records = _records(plan, draft, built.values())
    root, document = records.pop(draft.root), draft.root_document
    return Outcome(
        identity=identity,
        replaces=None if plan.rotation is None else plan.identity,
        root=ObservedRoot(
            record=root,
            generation=plan.generation,
            state_root=document.state_root,
            leaf_count=document.leaf_count,
            gateway_key=document.keys.gateway_key,
            source=plan.source,
            network_id=document.network_id,
            ads=plan.ads,
            settings=plan.settings,
        ),
        upserts=tuple(records.values()),
        deletes=tuple(change.before_id for change in plan.changes if _goes(change) and change.before_id),
        replicas=tuple(replicas),
        forgotten=forgotten_of(plan),
        ads=ads_after(plan, built.get(TxRole.ADS), live_ads),
        commit=commit,
        at=at,
    )


def destroyed(plan: Plan, *, identity: IdentityKey, commit: str | None, at: int) -> Outcome:
    """Nothing is live any more."""
    return Outcome(identity=identity, root=None, forgotten=forgotten_of(plan), commit=commit, at=at)


def ads_after(plan: Plan, built: Built | None, live: Sequence[ObservedAd]) -> tuple[ObservedAd, ...]:
    """The advertisements that the new root lists, each with its token: a new one, or the one that was there."""
    transaction = plan.transaction(TxRole.ADS)
    made: dict[Address, Outpoint] = {}
    if transaction is not None and built is not None:
        for vout, output in enumerate(transaction.outputs):
            if output.object is not None:
                made[output.object] = built.transaction.outpoint(vout)
    made |= adopted_ads(plan)
    there = {(ad.protocol, ad.name, ad.url): ad.outpoint for ad in live}
    found = []
    for ad in plan.ads:
        outpoint = made.get(Address.of_ad(ad.protocol, ad.name)) or there.get((ad.protocol, ad.name, ad.url))
        if outpoint is not None:
            found.append(
                ObservedAd(protocol=ad.protocol, name=ad.name, url=ad.url, outpoint=outpoint, is_recorded=True)
            )
    return tuple(found)


def adopted_ads(plan: Plan) -> dict[Address, Outpoint]:
    """The tokens of advertisements that were found and are taken over as they are."""
    adopted = (
        (change.object, change.after)
        for change in plan.changes
        if change.action is Action.ADOPT and change.object.type in {ObjectType.SHIP, ObjectType.SLAP} and change.after
    )
    return {address: Outpoint.parse(str(after["outpoint"])) for address, after in adopted}


def moved_copies(plan: Plan, live: Sequence[ObservedReplica]) -> tuple[ObservedReplica, ...]:
    """The stored copies that only change the dataset they are of, or are taken over as they were found."""
    there = {str(Address.of_replica(copy.dataset, copy.host)): copy for copy in live}
    return tuple(
        replace(there[str(change.moved_from or change.object)], dataset=change.object.path.rpartition("@")[0])
        for change in plan.changes
        if change.object.type is ObjectType.REPLICA
        and change.action in {Action.MOVE, Action.ADOPT}
        and str(change.moved_from or change.object) in there
    )


def _goes(change: Change) -> bool:
    """Whether the record that a change starts from is live no more afterwards."""
    return change.record is not None and change.action in {Action.DELETE, Action.MOVE}


def _records(plan: Plan, draft: Draft, built: Iterable[Built]) -> dict[RecordId, ObservedRecord]:
    """What was written, with the tokens that stay: a lock's root is spent again."""
    texts = {text.id: text for text in record_texts(plan, {})}
    found = {}
    for each in built:
        if each.role not in {TxRole.BATCH, TxRole.ROOT}:
            continue
        for vout, record in enumerate(each.layout.records):
            text = texts.get(record)
            found[record] = ObservedRecord(
                id=record,
                outpoint=each.transaction.outpoint(vout),
                document_hash=draft.records[record].document_hash,
                public=text.public if text else plan.producer_public,
                sealed=text.sealed if text else plan.producer_sealed,
            )
    return found
