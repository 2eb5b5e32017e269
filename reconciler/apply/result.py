"""What becomes live when the network has seen an apply's transactions: the outcome that goes into its journal entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.apply.build import Built
from reconciler.apply.draft import Draft
from reconciler.apply.prepare import record_texts
from reconciler.apply.upload import forgotten_of
from reconciler.model.ids import Address, IdentityKey, ObjectType, Outpoint
from reconciler.model.observed import ObservedAd, ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.plan.action import Action
from reconciler.plan.change import Change
from reconciler.plan.plan import Plan
from reconciler.plan.transactions import TxRole
from reconciler.store.outcome import Outcome
from reconciler.wire.documents import parse_root_document
from reconciler.wire.transaction import Transaction


def outcome(
    plan: Plan,
    draft: Draft,
    built: Mapping[TxRole, Built],
    replicas: Sequence[ObservedReplica],
    *,
    live_ads: Sequence[ObservedAd],
    identity: IdentityKey,
    commit: str | None,
    at: int,
) -> Outcome:
    """`live_ads` are those there were; `replicas` the copies that were made or renewed for this plan."""
    root, *others = _records(plan, draft, built[TxRole.ROOT].transaction)
    document = parse_root_document(draft.documents[0])
    return Outcome(
        identity=identity,
        root=ObservedRoot(
            record=root,
            generation=plan.generation,
            state_root=draft.state_root,
            leaf_count=draft.leaf_count,
            gateway_key=document.keys.gateway_key,
            source=plan.source,
            network_id=document.network_id,
            ads=plan.ads,
            settings=plan.settings,
        ),
        upserts=tuple(others),
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


def _records(plan: Plan, draft: Draft, transaction: Transaction) -> list[ObservedRecord]:
    texts = {text.id: text for text in record_texts(plan, {})}
    return [
        ObservedRecord(
            id=token.id,
            outpoint=transaction.outpoint(vout),
            document_hash=token.anchor.document_hash,
            public=texts[token.id].public if vout else plan.producer_public,
            sealed=texts[token.id].sealed if vout else plan.producer_sealed,
        )
        for vout, token in enumerate(draft.tokens)
    ]
