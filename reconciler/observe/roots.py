"""Which root of this identity is live: every host that is not ours is asked, and what it says is checked before believed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.clients.host import FoundOutput
from reconciler.model.errors import RefusedError, TransientError, VerificationError
from reconciler.model.ids import IdentityKey, Kind, Outpoint, Txid
from reconciler.model.json import JsonObject
from reconciler.model.observed import Answer, Reading
from reconciler.observe.lineage import lineages
from reconciler.wire.beef import Beef, subset
from reconciler.wire.canonical import parse_cbor, sha256_hex
from reconciler.wire.documents import RootDocument, parse_root_document
from reconciler.wire.record import RecordToken, check
from reconciler.wire.spv import Verifier
from reconciler.wire.transaction import Transaction

SERVICE: Final = "ls_data_catalog"


class CatalogHost(Protocol):
    """A BRC-24 host, as far as observing needs it."""

    async def services(self) -> frozenset[str]:
        """The look-up services it lists."""
        ...

    async def lookup(self, service: str, query: JsonObject) -> Sequence[FoundOutput]:
        """All outputs that it finds, all pages."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRoot:
    """A root that a host showed, checked."""

    token: RecordToken
    outpoint: Outpoint
    transaction: Transaction
    beef: Beef
    """Of the transaction, and nothing else that the host showed with it."""
    document: RootDocument
    raw_document: bytes
    sealed: bytes
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RootReadings:
    """What all hosts said. `newest` is the last root of the spend chain among the valid ones."""

    newest: LiveRoot | None
    readings: tuple[Reading, ...]
    faults: tuple[str, ...]
    """What hosts showed that does not hold, one sentence each."""
    void: frozenset[Txid] = frozenset()
    """Transactions that are known never to be mined, whoever still shows what they made."""
    rivals: tuple[LiveRoot, ...] = ()
    """Live roots that come from a later genesis than `newest` does."""
    lineage: frozenset[Txid] = frozenset()
    """Where there are rivals: `newest` and the roots before it."""


async def read_roots(
    identity: IdentityKey,
    *,
    hosts: Mapping[str, CatalogHost],
    verifier: Verifier,
    now: int,
    void: Collection[Txid] = (),
) -> RootReadings:
    """Ask every host that lists the catalog service, all at once. A host that does not answer is a reading too.

    Transactions that are known to be `void` are not believed in, even where a host has not heard of that yet, unless it shows
    them proven: then a block has them after all.
    """
    question = _Question(identity, verifier, now, frozenset(void))
    answers = await asyncio.gather(*(_ask(question, name, host) for name, host in hosts.items()))
    roots = [root for answer in answers for root in answer.roots]
    descent = await _descent(question, hosts, answers)
    own = [root for root in roots if root.outpoint not in descent.rivals]
    return RootReadings(
        newest=max(own, key=_age, default=None),
        readings=tuple(answer.reading for answer in answers if answer.reading is not None),
        faults=(*(fault for answer in answers for fault in answer.faults), *descent.faults),
        void=question.void,
        rivals=tuple({root.outpoint: root for root in roots if root.outpoint in descent.rivals}.values()),
        lineage=descent.lineage,
    )


@dataclass(frozen=True, slots=True)
class _Descent:
    """Which of the roots that are live count, where there are several."""

    rivals: frozenset[Outpoint] = frozenset()
    lineage: frozenset[Txid] = frozenset()
    faults: tuple[str, ...] = ()


async def _descent(question: _Question, hosts: Mapping[str, CatalogHost], answers: Sequence[_HostAnswer]) -> _Descent:
    """Ask a host that shows two roots for their past: the one with the earlier genesis counts (PROTOCOL §4).

    Two may also be there because the host has not heard of what spends one of them: then they are of one lineage.
    """
    for answer in answers:
        if len(answer.roots) < 2:
            continue
        host = hosts[answer.roots[0].host]
        past = await host.lookup(SERVICE, {"producer": question.identity, "kind": Kind.PRODUCER.value, "history": True})
        oldest, *others = lineages(answer.roots, past)
        others = [other for other in others if oldest.first[0] != other.first[0]]
        try:
            for txid, beef in (oldest.first, *(other.first for other in others)):
                await question.verifier.verified(beef, txid, now=question.now)
        except VerificationError as error:
            return _Descent(
                faults=(f"{answer.roots[0].host} shows a past of the root that does not hold: {error.message}",)
            )
        if others:
            return _Descent(frozenset(other.head for other in others), oldest.txids)
    return _Descent()


@dataclass(frozen=True, slots=True)
class _HostAnswer:
    reading: Reading | None
    roots: tuple[LiveRoot, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Question:
    """What every host is asked."""

    identity: IdentityKey
    verifier: Verifier
    now: int
    void: frozenset[Txid]


async def _ask(question: _Question, name: str, host: CatalogHost) -> _HostAnswer:
    identity, now = question.identity, question.now
    try:
        if SERVICE not in await host.services():
            return _HostAnswer(None)
        found = await host.lookup(SERVICE, {"producer": identity, "kind": Kind.PRODUCER.value})
    except TransientError:
        return _HostAnswer(Reading(host=name, answer=Answer.UNREACHABLE, at=now))
    except (RefusedError, VerificationError) as error:  # one host that is no use must not stand for all
        return _HostAnswer(Reading(host=name, answer=Answer.UNREACHABLE, at=now), faults=(f"{name}: {error.message}",))
    roots, faults = [], []
    for output in found:
        if output.outpoint.txid in question.void and output.beef.proof(output.outpoint.txid) is None:
            continue
        try:
            roots.append(await check_root(output, identity=identity, host=name, verifier=question.verifier, now=now))
        except VerificationError as error:
            faults.append(f"{name} shows {output.outpoint} as a root of this identity, but {error.message}")
    if roots:
        newest = max(roots, key=_age)
        return _HostAnswer(
            Reading(host=name, answer=Answer.ROOT, root=newest.outpoint, at=now), tuple(roots), tuple(faults)
        )
    answer = Answer.UNREACHABLE if faults else Answer.NONE  # a host that lies has not said "none"
    return _HostAnswer(Reading(host=name, answer=answer, at=now), (), tuple(faults))


def _age(root: LiveRoot) -> tuple[int, bool, Outpoint]:
    """Grows along the spend chain: a pending root says the generation before it once more."""
    return root.document.generation, root.document.pending is not None, root.outpoint


def is_announced(token: RecordToken, root: LiveRoot) -> bool:
    """Whether a token belongs to what a pending root announces, and is not yet covered by anything."""
    return root.document.pending is not None and token.anchor.spends.txid == root.outpoint.txid


async def check_root(
    output: FoundOutput, *, identity: IdentityKey, host: str, verifier: Verifier, now: int
) -> LiveRoot:
    """Everything that makes an output a root of `identity`. Raises VerificationError."""
    transaction = (await verifier.verified(output.beef, output.outpoint.txid, now=now)).transaction
    token = check(transaction, output.outpoint.vout)
    if token.identity != identity or token.id.kind is not Kind.PRODUCER:
        raise VerificationError(f"it is {token.id} of {token.identity}")
    raw_document, sealed = _root_context(output.context)
    if sha256_hex(raw_document) != token.anchor.document_hash:
        raise VerificationError("the document does not hash to its anchor")
    document = parse_root_document(raw_document)
    if document.producer != identity or document.name != token.id.name:
        raise VerificationError("the document is another producer's")
    if sha256_hex(sealed) != document.sealed.sha256:
        raise VerificationError("the sealed document does not hash to what the root says")
    return LiveRoot(
        token=token,
        outpoint=output.outpoint,
        transaction=transaction,
        beef=subset(output.beef, [output.outpoint.txid]),
        document=document,
        raw_document=raw_document,
        sealed=sealed,
        host=host,
    )


def _root_context(context: bytes | None) -> tuple[bytes, bytes]:
    if context is None:
        raise VerificationError("it comes without its documents")
    match parse_cbor(context):
        case [bytes() as document, bytes() as sealed]:
            return document, sealed
        case _:
            raise VerificationError("its context is not the two documents of a root")
