"""From a plan and what is recorded to a draft, ready to be built and signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from reconciler.apply.draft import Draft, RecordText, RootText, draft
from reconciler.model.errors import StateError
from reconciler.model.ids import Address, Digest, IdentityKey, Kind, Outpoint, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.keys import GATEWAY_KEY
from reconciler.model.observed import ObservedRecord
from reconciler.plan.action import Action
from reconciler.plan.plan import Plan
from reconciler.plan.transactions import TxRole
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.published import Published
from reconciler.store.settings import Settings
from reconciler.wallet.keys import Keys
from reconciler.wallet.sealing import SEED_KEY, seal, unseal
from reconciler.wire.advertisement import AdToken
from reconciler.wire.documents import PublishedContent, Source, parse_root_document
from reconciler.wire.sealing import SealedState, recipients

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
    anchor: Outpoint,
    seed: bytes,
    contents: Mapping[RecordId, PublishedContent],
    source: Source,
    network_id: Digest,
    keys: Keys,
    randomness: Callable[[int], bytes],
) -> Draft:
    """The draft of every record that the plan writes, the root's included; their tokens name `anchor` as `i`."""
    root = root_text(plan, source=source, network_id=network_id, keys=keys)
    written = {change.record for change in plan.changes if change.record and change.action is not Action.ADOPT}
    spent = written | {change.before_id for change in plan.changes}
    state = SealedState(settings=plan.settings, producer=root.sealed, source=plan.source, content_seed=seed)
    return draft(
        identity=keys.identity,
        anchor=anchor,
        root=root,
        records=record_texts(plan, contents),
        unchanged={record: observed.document_hash for record, observed in was.records.items() if record not in spent},
        seed=seed,
        sealed_state=_sealed(
            state, was.sealed, readers={keys.identity, root.gateway_key}, keys=keys, randomness=randomness
        ),
        randomness=randomness,
    )


def ad_tokens(plan: Plan, identity: IdentityKey) -> dict[Address, AdToken]:
    """The advertisements that the plan makes tokens for, by their address."""
    listed = {Address.of_ad(ad.protocol, ad.name): ad for ad in plan.ads}
    ads = plan.transaction(TxRole.ADS)
    made = [output.object for output in ads.outputs if output.object is not None] if ads else []
    return {
        address: AdToken(listed[address].protocol, identity, listed[address].url, listed[address].name)
        for address in made
    }


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
        ads=plan.ads,
        source=source,
    )


def record_texts(plan: Plan, contents: Mapping[RecordId, PublishedContent]) -> tuple[RecordText, ...]:
    """The records that the plan creates and updates, in output order, without the producer's own."""
    after = {change.record: change.after for change in plan.changes if change.record and change.after is not None}
    return tuple(
        _text(record, after[record], contents.get(record))
        for record in plan.outputs
        if record.kind is not Kind.PRODUCER
    )


def _text(record: RecordId, after: JsonObject, content: PublishedContent | None) -> RecordText:
    public, sealed = cast("JsonObject", after["public"]), cast("JsonObject", after["sealed"])
    parents = cast("Sequence[str]", after.get("parents", ()))
    return RecordText(
        id=record,
        public=public,
        sealed=sealed,
        content=content,
        parents=tuple(parents),
    )


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
