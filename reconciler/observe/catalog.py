"""The whole published state, read back from hosts that are not ours: what is left when the database is lost (PROTOCOL §5)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from reconciler.clients.host import FoundOutput
from reconciler.model.errors import StalePlanError, VerificationError
from reconciler.model.ids import IdentityKey, Kind, Outpoint, Txid
from reconciler.model.json import JsonObject
from reconciler.model.keys import KeyRef, change_key
from reconciler.model.observed import ListedAd, ObservedRecord, ObservedRoot
from reconciler.observe.pages import Pages
from reconciler.observe.roots import SERVICE, CatalogHost, LiveRoot, is_announced
from reconciler.wallet.keys import Keys
from reconciler.wallet.sealing import unseal
from reconciler.wire.beef import Beef
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import PublishedContent, RecordDocument, parse_record_document
from reconciler.wire.record import RecordToken, check
from reconciler.wire.script import p2pkh
from reconciler.wire.sealing import SealedState, open_record
from reconciler.wire.spv import Verifier
from reconciler.wire.state_root import Leaf, state_root
from reconciler.wire.transaction import Transaction, TxOutput

Opened: TypeAlias = Callable[[RecordDocument], JsonObject]
"""What is known of the sealed fields of a record, given its document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRecord:
    """A record as found on a host, checked and opened. Its BEEF is what was verified of the page that it came with."""

    observed: ObservedRecord
    token: RecordToken
    output: TxOutput
    beef: Beef
    document: bytes
    content: PublishedContent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A token of this identity that no root covers."""

    outpoint: Outpoint
    token: RecordToken
    output: TxOutput
    beef: Beef


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Money that the live root's transaction leaves, or a batch that it is pending for: ours, by its key (PROTOCOL §5)."""

    outpoint: Outpoint
    output: TxOutput
    key: KeyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything of a producer that the overlay and the key give back."""

    live: LiveRoot
    """As a host showed it."""
    root: ObservedRoot
    token: Stray
    """The root's token that is unspent: that of `live`, or of one that nobody has told hosts of."""
    records: tuple[LiveRecord, ...]
    state: SealedState
    change: tuple[Change, ...]
    strays: tuple[Stray, ...] = ()
    """Tokens that are unspent though the root does not cover them: not swept yet, or made for a root that is pending."""

    @property
    def beefs(self) -> tuple[Beef, ...]:
        """All that was shown and verified, each once."""
        records, strays = (record.beef for record in self.records), (stray.beef for stray in self.strays)
        return tuple({id(beef): beef for beef in (self.live.beef, self.token.beef, *records, *strays)}.values())

    @property
    def spent(self) -> frozenset[Outpoint]:
        """The outputs that the transactions shown spend: no longer anybody's coins."""
        spenders = {txid: entry.transaction for beef in self.beefs for txid, entry in beef.transactions.items()}
        return frozenset(spent.outpoint for spender in spenders.values() for spent in spender.inputs)


async def read_catalog(
    live: LiveRoot,
    *,
    host: CatalogHost,
    keys: Keys,
    verifier: Verifier,
    now: int,
    void: Collection[Txid] = (),
    rivals: Sequence[LiveRoot] = (),
    lineage: Collection[Txid] = (),
) -> Catalog:
    """Read, check and open every record that the root covers; `keys` are the producer's or its gateway's.

    `void`, `rivals` and `lineage` as in RootReadings: what comes from rivals is stray. Raises as `read_records` does, and
    StateError where the key at hand is not a recipient of the sealed document.
    """
    state = unseal(live.sealed, producer=live.document.producer, keys=keys)
    records, strays = await read_records(
        live,
        host=host,
        opened=lambda document: _opened(document, state),
        swept=frozenset(_swept(state)),
        void=void,
        lineage=lineage,
        verifier=verifier,
        now=now,
    )
    roots = (live.transaction, *(rival.transaction for rival in rivals))
    return Catalog(
        live=live,
        root=observed_root(live, state),
        token=Stray(
            outpoint=live.outpoint,
            token=live.token,
            output=live.transaction.outputs[live.outpoint.vout],
            beef=live.beef,
        ),
        records=records,
        state=state,
        change=tuple(change for root in roots for change in ours(root, (change_key,), keys)),
        strays=strays,
    )


async def read_records(
    live: LiveRoot,
    *,
    host: CatalogHost,
    opened: Opened,
    swept: Collection[Outpoint] = (),
    void: Collection[Txid] = (),
    lineage: Collection[Txid] = (),
    verifier: Verifier,
    now: int,
) -> tuple[tuple[LiveRecord, ...], tuple[Stray, ...]]:
    """Read and check every record that the root covers, and what is live beside them.

    `opened` says what is known of a record's sealed fields, `swept` which tokens the root covers no longer; `lineage`, where
    it is not empty, are the root and those before it, and what does not come from them is stray. What `void` transactions
    made is passed over: a host may list it until it learns that they lost. Raises VerificationError where the listing does
    not add up to the root's Merkle root and count: a host cannot hide a record, nor show one more. Raises StalePlanError where
    it has another root: somebody applied while it was read.
    """
    identity, pages = live.document.producer, Pages(verifier, now)
    shown = await host.lookup(SERVICE, {"producer": identity})
    found = [await _found(output, identity, pages) for output in shown if output.outpoint.txid not in void]
    records: list[LiveRecord] = []
    strays: list[Stray] = []
    roots: set[Outpoint] = set()
    for output, token, made in found:
        beef = pages.kept(output.outpoint.txid)
        is_other = lineage and not {output.outpoint.txid, token.anchor.spends.txid}.intersection(lineage)
        if output.outpoint in swept or is_announced(token, live) or is_other:
            strays.append(Stray(outpoint=output.outpoint, token=token, output=made, beef=beef))
        elif token.id.kind is Kind.PRODUCER:
            roots.add(output.outpoint)
        else:
            records.append(_record(output, token, made, beef, opened))
    records.sort(key=lambda record: record.observed.id)
    _complete(live, records, roots)
    return tuple(records), tuple(strays)


async def _found(output: FoundOutput, identity: IdentityKey, pages: Pages) -> tuple[FoundOutput, RecordToken, TxOutput]:
    """An output with its token and itself, verified. Raises VerificationError, also for another identity's."""
    transaction = await pages.verified(output.beef, output.outpoint.txid)
    token = check(transaction, output.outpoint.vout)
    if token.identity != identity:
        raise VerificationError(f"asked for records of {identity}, the host shows {token.id} of {token.identity}")
    return output, token, transaction.outputs[output.outpoint.vout]


def _swept(state: SealedState) -> Iterator[Outpoint]:
    """The tokens that the root covers no longer and that its sweeps were to spend. Raises VerificationError."""
    for coin in state.coins:
        match coin:
            case {"swept": str(outpoint)}:
                yield _outpoint(outpoint)
            case _:
                raise VerificationError("the sealed document names a coin that this program does not know")


def _outpoint(text: str) -> Outpoint:
    try:
        return Outpoint.parse(text)
    except ValueError as error:
        raise VerificationError(f"the sealed document names a coin that is none: {error}") from error


def observed_root(live: LiveRoot, state: SealedState) -> ObservedRoot:
    """The root as plans see it."""
    root = sealed_root(live)
    return replace(
        root,
        record=replace(root.record, sealed=state.producer),
        source=state.source,
        settings=_settings(state),
    )


def sealed_root(live: LiveRoot) -> ObservedRoot:
    """The root as somebody sees it who cannot open what is sealed: without those fields, settings and source."""
    document = live.document
    return ObservedRoot(
        record=ObservedRecord(
            id=live.token.id,
            outpoint=live.outpoint,
            document_hash=live.token.anchor.document_hash,
            public=document.public,
            sealed={},
        ),
        generation=document.generation,
        state_root=document.state_root,
        leaf_count=document.leaf_count,
        gateway_key=document.keys.gateway_key,
        source="",
        network_id=document.network_id,
        ads=tuple(ListedAd(protocol=ad.protocol, name=ad.name, url=ad.url) for ad in document.ads),
    )


def _settings(state: SealedState) -> dict[str, JsonObject]:
    return {name: value for name, value in state.settings.items() if isinstance(value, Mapping)}


def _record(output: FoundOutput, token: RecordToken, made: TxOutput, beef: Beef, opened: Opened) -> LiveRecord:
    raw = _matching(output, token)
    document = parse_record_document(raw)
    _same(document, token)
    return LiveRecord(
        observed=ObservedRecord(
            id=token.id,
            outpoint=output.outpoint,
            document_hash=token.anchor.document_hash,
            public=document.public,
            sealed=opened(document),
        ),
        token=token,
        output=made,
        beef=beef,
        document=raw,
        content=document.content,
    )


def _matching(output: FoundOutput, token: RecordToken) -> bytes:
    if output.context is None or sha256_hex(output.context) != token.anchor.document_hash:
        raise VerificationError(f"{token.id} comes without the document that its token commits to")
    return output.context


def _same(document: RecordDocument, token: RecordToken) -> None:
    if (document.producer, document.id) != (token.identity, token.id):
        raise VerificationError(f"the document of {token.id} is that of {document.id} of {document.producer}")


def _opened(document: RecordDocument, state: SealedState) -> JsonObject:
    return {} if document.sealed is None else open_record(state.content_seed, document.id, document.sealed)


def _complete(live: LiveRoot, records: Sequence[LiveRecord], roots: Collection[Outpoint]) -> None:
    leaves = {record.observed.id: Leaf(record.observed.id, record.observed.document_hash) for record in records}
    is_whole = len(leaves) == len(records) == live.document.leaf_count
    if is_whole and state_root(leaves.values()) == live.document.state_root:
        return
    if any(root != live.outpoint for root in roots):
        raise StalePlanError("another generation was published while this one was read", hint="try again")
    if len(leaves) != len(records):
        raise VerificationError(f"{live.host} shows two live records of one name")
    raise VerificationError(
        f"{live.host} lists {len(leaves)} records, the root commits to {live.document.leaf_count} or to others",
        where=live.host,
        hint="the host hides or lacks records; ask another one",
    )


def ours(transaction: Transaction, namings: Sequence[Callable[[str, int], KeyRef]], keys: Keys) -> Iterator[Change]:
    """The money of a transaction whose keys are named in one of these ways."""
    first = str(transaction.inputs[0].outpoint)
    for vout, output in enumerate(transaction.outputs):
        for key in (naming(first, vout) for naming in namings):
            if output.locking == p2pkh(keys.public(key)):
                yield Change(outpoint=transaction.outpoint(vout), output=output, key=key)
