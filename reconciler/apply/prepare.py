"""From a plan and what is recorded to a draft, ready to be built and signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from reconciler.apply.draft import Draft, RecordText, RootText, draft
from reconciler.model.errors import StalePlanError, StateError
from reconciler.model.ids import Address, Digest, IdentityKey, Kind, Outpoint, RecordId
from reconciler.model.json import JsonObject
from reconciler.model.keys import GATEWAY_KEY
from reconciler.model.observed import ObservedRecord
from reconciler.plan.action import Action
from reconciler.plan.plan import Plan
from reconciler.plan.transactions import Output, TxRole
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.published import Published
from reconciler.store.settings import Settings
from reconciler.wallet.keys import Keys
from reconciler.wallet.sealing import SEED_KEY, seal, unseal
from reconciler.wire.advertisement import AdToken
from reconciler.wire.documents import PreviousKey, PublishedContent, RootDocument, Source, parse_root_document
from reconciler.wire.record import RecordToken
from reconciler.wire.sealing import SealedState, recipients, seal_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The recorded state that the new root builds on. At genesis there are no records and no sealed document."""

    records: Mapping[RecordId, ObservedRecord]
    root: RootDocument | None
    sealed: bytes | None


async def before(database: Database) -> Before:
    """Read it. Raises StateError where documents of the live root are not in the database."""
    async with database.begin() as connection:
        published, documents = Published(connection), Documents(connection)
        root, records = await published.root(), await published.records()
        if root is None:
            return Before(records=records, root=None, sealed=None)
        document = await documents.get(root.record.document_hash)
        parsed = parse_root_document(document) if document else None
        sealed = await documents.get(parsed.sealed.sha256) if parsed else None
    if sealed is None:
        raise StateError("the database lacks documents of the live root", hint="run `overlay state rebuild`")
    return Before(records=records, root=parsed, sealed=sealed)


async def content_seed(database: Database, *, keys: Keys, randomness: Callable[[int], bytes]) -> bytes:
    """The producer's content seed: stored, encrypted to ourselves, before its first use (PROTOCOL §6)."""
    async with database.begin() as connection:
        settings = Settings(connection)
        kept = await settings.seed(keys.identity)
        if kept is not None:
            return keys.decrypt(SEED_KEY, kept)
        seed = randomness(32)
        await settings.put_seed(keys.identity, keys.encrypt(SEED_KEY, seed, iv=randomness(32)))
        return seed


async def hand_over_seed(database: Database, seed: bytes, *, heir: Keys, randomness: Callable[[int], bytes]) -> None:
    """Keep the seed for another identity too, beside the one that has it: which of them needs it, the network decides."""
    async with database.begin() as connection:
        await Settings(connection).put_seed(heir.identity, heir.encrypt(SEED_KEY, seed, iv=randomness(32)))


def prepare(
    plan: Plan,
    was: Before,
    *,
    seed: bytes,
    contents: Mapping[RecordId, PublishedContent],
    source: Source,
    network_id: Digest,
    keys: Keys,
    by: JsonObject,
    randomness: Callable[[int], bytes],
    now: int,
) -> Draft:
    """The draft of every record that the plan writes, the root's included. `by` says who applies, and since when.

    `keys` are those of the identity that everything belongs to afterwards.
    """
    root = root_text(plan, source=source, network_id=network_id, keys=keys, previous=_previous(plan, was, now))
    written = {change.record for change in plan.changes if change.record and change.action is not Action.ADOPT}
    spent = written | {change.before_id for change in plan.changes}
    readers = {keys.identity, root.gateway_key}
    state = SealedState(
        settings=plan.settings,
        producer=root.sealed,
        source=plan.source,
        content_seed=seed,
        coins=tuple({"swept": str(outpoint)} for outpoint in plan.swept),
    )
    made = draft(
        identity=keys.identity,
        root=root,
        records=record_texts(plan, contents),
        unchanged={record: observed.document_hash for record, observed in was.records.items() if record not in spent},
        seed=seed,
        sealed=_sealed(state, was.sealed, readers=readers, keys=keys, randomness=randomness),
        randomness=randomness,
    )
    batches = plan.count(TxRole.BATCH)
    if not batches:
        return made
    nothing = SealedState(settings={}, producer={}, source=plan.source, content_seed=seed)
    first = was.sealed or seal(nothing, readers=readers, keys=keys, randomness=randomness)
    return made.locked(was.root, first, batches, seal_record(seed, root.id, by, randomness(12)))


def _previous(plan: Plan, was: Before, now: int) -> tuple[PreviousKey, ...]:
    """The keys that were rotated away and have not run out, oldest first; the one that this plan rotates away is the last."""
    kept = tuple(key for key in (was.root.keys.previous if was.root else ()) if key.until > now)
    if plan.rotation is None:
        return kept
    return (*kept, PreviousKey(plan.identity, now + plan.rotation.transition))


def ad_tokens(plan: Plan, identity: IdentityKey) -> dict[Address, AdToken]:
    """The advertisements that the plan makes tokens for, by their address."""
    listed = {Address.of_ad(ad.protocol, ad.name): ad for ad in plan.ads}
    ads = plan.transaction(TxRole.ADS)
    made = [output.object for output in ads.outputs if output.object is not None] if ads else []
    return {
        address: AdToken(listed[address].protocol, identity, listed[address].url, listed[address].name)
        for address in made
    }


@dataclass(frozen=True, slots=True)
class PlannedTokens:
    """What the tokens of a plan say (build.Tokens): those of records by their draft, which is None where there are none."""

    draft: Draft | None
    ads: Mapping[Address, AdToken]

    def token(self, output: Output, spends: Outpoint, role: TxRole) -> RecordToken | AdToken:
        """See build.Tokens. Raises StalePlanError where nothing was drafted for the output."""
        if role is TxRole.ADS and output.object is not None:
            return self.ads[output.object]
        if self.draft is None or output.record is None:
            raise StalePlanError(f"the plan makes a token for {output.object}, but nothing that it says")
        return self.draft.token(output.record, spends, is_pending=role is TxRole.LOCK)


def root_text(
    plan: Plan, *, source: Source, network_id: Digest, keys: Keys, previous: tuple[PreviousKey, ...]
) -> RootText:
    """The new root; its gateway's key is the plan's, at genesis our own child for it (PROTOCOL §3)."""
    return RootText(
        id=RecordId(Kind.PRODUCER, plan.producer_name),
        public=plan.producer_public,
        sealed=plan.producer_sealed,
        generation=plan.generation + plan.destroys,  # the last root, before the end, has a number of its own
        network_id=network_id,
        gateway_key=plan.gateway_key or keys.public(GATEWAY_KEY),
        gateway_url=plan.gateway_url,
        previous=previous,
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
