"""From a plan and what is recorded to a draft, ready to be built and signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from reconciler.apply.draft import Draft, RecordText, RootText, draft
from reconciler.apply.upload import forgotten_of
from reconciler.model.errors import StalePlanError, StateError
from reconciler.model.ids import Digest, IdentityKey, Kind, RecordId, digest
from reconciler.model.json import JsonObject
from reconciler.model.keys import GATEWAY_KEY
from reconciler.model.observed import ObservedRecord, ObservedReplica, ObservedRoot
from reconciler.plan.action import Action
from reconciler.plan.plan import Plan
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.outcome import Outcome
from reconciler.store.published import Published
from reconciler.store.settings import Settings
from reconciler.wallet.keys import Keys
from reconciler.wallet.sealing import SEED_KEY, seal, unseal
from reconciler.wire.documents import PublishedContent, Source, StoredPart, parse_root_document
from reconciler.wire.sealing import SealedState, recipients
from reconciler.wire.transaction import Transaction
from reconciler.wire.uhrp import url_of

SEED_SETTING = "content_seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The recorded state that the new root builds on. At genesis there are no records and no sealed document."""

    records: Mapping[RecordId, ObservedRecord]
    sealed: bytes | None


async def before(database: Database) -> Before:
    """Read it. Raises StateError where documents of the live root are not in the database."""
    async with database.begin() as connection:
        published, documents = Published(connection), Documents(connection)
        root, records = await published.root(), await published.records()
        if root is None:
            return Before(records=records, sealed=None)
        document = await documents.get(root.record.document_hash)
        sealed = await documents.get(parse_root_document(document).sealed.sha256) if document else None
    if sealed is None:
        raise StateError("the database lacks documents of the live root", hint="run `overlay state rebuild`")
    return Before(records=records, sealed=sealed)


async def content_seed(database: Database, *, keys: Keys, randomness: Callable[[int], bytes]) -> bytes:
    """The producer's content seed: stored, encrypted to ourselves, before its first use (PROTOCOL §6)."""
    async with database.begin() as connection:
        settings = Settings(connection)
        kept = await settings.get(SEED_SETTING)
        if kept is not None:
            return keys.decrypt(SEED_KEY, kept)
        seed = randomness(32)
        await settings.put(SEED_SETTING, keys.encrypt(SEED_KEY, seed, iv=randomness(32)))
        return seed


def prepare(
    plan: Plan,
    was: Before,
    *,
    seed: bytes,
    source: Source,
    network_id: Digest,
    keys: Keys,
    randomness: Callable[[int], bytes],
) -> Draft:
    """The draft of everything that the plan writes. Raises StalePlanError for a plan that signs nothing."""
    if plan.anchor is None:
        raise StalePlanError("the plan has no coin to sign with", hint="fund the wallet and plan again")
    root = root_text(plan, source=source, network_id=network_id, keys=keys)
    touched = {change.record for change in plan.changes}
    state = SealedState(settings={}, producer=root.sealed, source=plan.source, content_seed=seed)
    return draft(
        identity=keys.identity,
        anchor=plan.anchor,
        root=root,
        records=record_texts(plan),
        unchanged={record: was.records[record].document_hash for record in was.records if record not in touched},
        seed=seed,
        sealed_state=_sealed(
            state, was.sealed, readers={keys.identity, root.gateway_key}, keys=keys, randomness=randomness
        ),
        randomness=randomness,
    )


def outcome(
    plan: Plan,
    draft: Draft,
    transaction: Transaction,
    replicas: Sequence[ObservedReplica],
    *,
    commit: str | None,
    keys: Keys,
    at: int,
) -> Outcome:
    """What becomes live when the network has seen the transaction."""
    texts = {text.id: text for text in record_texts(plan)}
    root, *others = (
        ObservedRecord(
            id=token.id,
            outpoint=transaction.outpoint(vout),
            document_hash=token.anchor.document_hash,
            public=texts[token.id].public if vout else plan.producer_public,
            sealed=texts[token.id].sealed if vout else plan.producer_sealed,
        )
        for vout, token in enumerate(draft.tokens)
    )
    document = parse_root_document(draft.documents[0])
    return Outcome(
        identity=keys.identity,
        root=ObservedRoot(
            record=root,
            generation=plan.generation,
            state_root=draft.state_root,
            leaf_count=draft.leaf_count,
            gateway_key=document.keys.gateway_key,
            source=plan.source,
            network_id=document.network_id,
        ),
        upserts=tuple(others),
        deletes=tuple(change.record for change in plan.changes if change.record and change.action is Action.DELETE),
        replicas=tuple(replicas),
        forgotten=forgotten_of(plan),
        commit=commit,
        at=at,
    )


def root_text(plan: Plan, *, source: Source, network_id: Digest, keys: Keys) -> RootText:
    """The new root; its gateway's key is the plan's, at genesis our own child for it (PROTOCOL §3)."""
    return RootText(
        id=RecordId(Kind.PRODUCER, plan.producer_name),
        public=plan.producer_public,
        sealed=plan.producer_sealed,
        generation=plan.generation,
        network_id=network_id,
        gateway_key=plan.gateway_key or keys.public(GATEWAY_KEY),
        gateway_url=plan.gateway_url,
        source=source,
    )


def record_texts(plan: Plan) -> tuple[RecordText, ...]:
    """The records that the plan creates and updates, in output order, without the producer's own."""
    after = {change.record: change.after for change in plan.changes if change.record and change.after is not None}
    return tuple(_text(record, after[record]) for record in plan.outputs if record.kind is not Kind.PRODUCER)


def _text(record: RecordId, after: JsonObject) -> RecordText:
    public, sealed = cast("JsonObject", after["public"]), cast("JsonObject", after["sealed"])
    parents = cast("Sequence[str]", after.get("parents", ()))
    return RecordText(
        id=record,
        public=public,
        sealed=sealed,
        content=_content(sealed, after.get("media_type")),
        parents=tuple(parents),
    )


def _content(sealed: JsonObject, media_type: object) -> PublishedContent | None:
    """Free content is stored as it is: one object, under its plain hash (PROTOCOL §6)."""
    match sealed.get("content"), media_type:
        case {"sha256": str(text), "size": int(size)}, str(kind):
            sha256 = digest(text)
            part = StoredPart(uhrp=url_of(sha256), sha256=sha256, size=size)
            return PublishedContent(digest=sha256, size=size, media_type=kind, parts=(part,))
        case _:
            return None


def _sealed(
    state: SealedState,
    previous: bytes | None,
    *,
    readers: set[IdentityKey],
    keys: Keys,
    randomness: Callable[[int], bytes],
) -> bytes:
    """The previous sealed document where it says the same to the same readers: ciphertext is random, so it is kept."""
    if previous is not None and set(recipients(previous)) == readers:
        is_same = unseal(previous, producer=keys.identity, keys=keys) == state
        if is_same:
            return previous
    return seal(state, readers=readers, keys=keys, randomness=randomness)
