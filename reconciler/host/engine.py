"""The host itself: what it does with a submission, and how it answers a look-up.

A submission is verified first, against the chain's headers, and then written in one database transaction: the transaction
with the ancestry that is needed to show it to others, what the topics admit, and the documents that came with it. Only then
it is answered. The same submission again goes the same way and gets the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.host.answers import Answer, Linked
from reconciler.host.conflicts import Conflicts
from reconciler.host.history import linked
from reconciler.host.indexing import Indexing
from reconciler.host.opinions import Opinions, aside
from reconciler.host.ports import Chain, Outgoing
from reconciler.host.proofs import Proofs
from reconciler.host.services import Hit, Lookup, Resuming, Topic
from reconciler.host.shelf import Shelf
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.model.json import Json
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.evidence import evidence
from reconciler.store.host_transactions import BlockProof, HostTransactions
from reconciler.store.outputs import Outputs
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.beef import Beef, ancestry, parse_beef
from reconciler.wire.spv import Limits
from reconciler.wire.submission import Admittance, Submission, unpack_documents
from reconciler.wire.transaction import Transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Admitted:
    """What a transaction was to one topic; `has_new` where it brought outputs that were not here before."""

    topic: str
    admittance: Admittance
    has_new: bool


class Engine:
    """Topics, look-up services and what they share."""

    def __init__(
        self,
        *,
        database: Database,
        chain: Chain,
        proofs: Proofs,
        topics: Sequence[Topic],
        lookups: Sequence[Lookup],
        clock: Callable[[], float],
        limits: Limits | None = None,
        more_lookups: Callable[[str], Lookup | None] = lambda _: None,
        outgoing: Outgoing | None = None,
    ) -> None:
        self.topics = {topic.name: topic for topic in topics}
        self.lookups = {lookup.name: lookup for lookup in lookups}
        self._database = database
        self._chain = chain
        self._proofs = proofs
        self._clock = clock
        self._limits = limits
        self._indexing = Indexing(database=database, topics=self.topics, lookups=self.lookups)
        self._more_lookups = more_lookups
        self._outgoing = outgoing

    def lookup_named(self, service: str) -> Lookup | None:
        """A look-up service, listed or made as it is asked for."""
        return self.lookups.get(service) or self._more_lookups(service)

    async def submit(self, submission: Submission) -> dict[str, Admittance]:
        """Take a transaction in; the STEAK by topic (BRC-22).

        Raises RefusedError for a topic that is not kept here (and then nothing is taken), VerificationError for what does not
        hold, UnreachableError where the chain cannot be asked.
        """
        topics = [self._topic(name) for name in submission.topics]
        documents = () if submission.off_chain is None else unpack_documents(submission.off_chain)
        beef, subject = await aside(len(submission.beef), lambda: parse_beef(submission.beef))
        subject = beef.subject_or_last(subject)
        await self._verify(beef, subject)
        opinions = Opinions(beef.transactions[subject].transaction, submission.off_chain)
        await opinions.form(topics)
        await self._indexing.catch_up()
        await self._proofs.touch()

        async def take(connection: Connection) -> list[_Admitted]:
            ((transaction, is_new),) = await _keep(connection, beef, [subject])
            shelf = self._shelf(connection, documents)
            shelf.hold(transaction)
            admitted = [await self._admit(connection, topic, transaction, opinions, shelf) for topic in topics]
            await shelf.complete()
            if self._outgoing is not None:
                news = [each.topic for each in admitted if each.has_new or (is_new and each.admittance.removed)]
                await self._outgoing.add(connection, subject, news)
            return admitted

        admitted = await self._database.write(take)
        if self._outgoing is not None:
            self._outgoing.wake()
        return {each.topic: each.admittance for each in admitted}

    async def take(
        self,
        topic: str,
        beef: Beef,
        subjects: Sequence[Txid],
        *,
        wanted: Sequence[Outpoint],
        documents: Sequence[bytes],
    ) -> None:
        """Take several transactions in at once, for the sake of some of their outputs, which another host keeps; nobody is told.

        Raises as `submit` does, VerificationError also where the topic does not admit one of `wanted`; nothing is taken then.
        """
        kept = self._topic(topic)
        await self._verify(beef, *_tips(beef, subjects))
        await self._indexing.catch_up()

        async def take(connection: Connection) -> None:
            transactions = await _keep(connection, beef, subjects)
            shelf = self._shelf(connection, documents)
            for transaction, _ in transactions:
                shelf.hold(transaction)
                await self._admit(connection, kept, transaction, Opinions(transaction, None), shelf)
            await shelf.complete()
            strange = set(wanted) - (await Outputs(connection).admitted(topic, wanted)).keys()
            if strange:
                raise VerificationError(f"the topic {topic} does not admit {min(strange)}")

        await self._database.write(take)

    async def offer(self, documents: Sequence[bytes]) -> None:
        """Documents that were looked for elsewhere; those that no output needs are not kept."""
        await self._indexing.catch_up()
        await self._database.write(lambda connection: self._shelf(connection, documents).complete())

    async def lookup(
        self, service: str, query: Json, render: Callable[[Answer], T], *, after: Outpoint | None = None
    ) -> T:
        """Answer a look-up (BRC-24), as `render` has it; `after` is the last output of the page before, if that was said.

        Raises RefusedError for an unknown service, or a query it does not understand.
        """
        lookup = self.lookup_named(service)
        if lookup is None:
            raise RefusedError(f"This server does not support this lookup service: {service[:80]}")
        await self._indexing.catch_up()
        await self._proofs.touch()

        async def look(connection: Connection) -> T:
            now = int(self._clock())
            if after is not None and isinstance(lookup, Resuming):
                hits = await lookup.resume(connection, query, now, after)
            else:
                hits = await lookup.answer(connection, query, now)
            return render(await _answer(connection, hits))

        return await self._database.read(look)

    async def document(self, digest: Digest) -> bytes | None:
        """A document that an output of this host needs."""
        async with self._database.reading() as connection:
            return await Documents(connection).get(digest) if await Outputs(connection).needed(digest) else None

    async def _verify(self, beef: Beef, *subjects: Txid) -> None:
        try:
            await self._chain.all_verified(beef, subjects, now=int(self._clock()), limits=self._limits)
        except RefusedError as error:  # not of the submission: the source of headers refuses us
            raise UnreachableError(f"the chain's headers are not to be had: {error.message}") from error

    async def _admit(
        self, connection: Connection, topic: Topic, transaction: Transaction, opinions: Opinions, shelf: Shelf
    ) -> _Admitted:
        outputs = Outputs(connection)
        spends = {spent.outpoint: index for index, spent in enumerate(transaction.inputs)}
        known = await outputs.admitted(topic.name, spends)
        previous = {spends[outpoint]: await shelf.output(outpoint) for outpoint in known}
        admittance = opinions.of(topic, previous)
        if admittance is None:
            return _Admitted(topic.name, Admittance(), has_new=False)
        at = int(self._clock() * 1000)
        admitted = await outputs.admit(topic.name, transaction.txid, admittance.outputs, at=at)
        await shelf.look(admitted)
        return _Admitted(topic.name, admittance, has_new=any(output.is_new for output in admitted))

    def _shelf(self, connection: Connection, offered: Sequence[bytes]) -> Shelf:
        return Shelf(connection, topics=self.topics, lookups=self.lookups.values(), offered=offered)

    def _topic(self, name: str) -> Topic:
        topic = self.topics.get(name)
        if topic is None:
            raise RefusedError(f"This server does not support this topic: {name[:80]}")
        return topic


async def _keep(connection: Connection, beef: Beef, subjects: Sequence[Txid]) -> list[tuple[Transaction, bool]]:
    """Store the subjects with the ancestry that proves them; gives them, parents first, and whether each was not known yet."""
    needed = ancestry(beef, subjects)
    await Transactions(connection).keep(needed)
    new = await Conflicts(HostTransactions(connection)).take(
        *(
            (transaction, None if path is None else BlockProof(height=path.height, root=path.root(transaction.txid)))
            for transaction, path in needed
        )
    )
    wanted = frozenset(subjects)
    return [(transaction, transaction.txid in new) for transaction, _ in needed if transaction.txid in wanted]


def _tips(beef: Beef, subjects: Sequence[Txid]) -> tuple[Txid, ...]:
    """Those of the subjects that no other one needs for its proof: to verify these is to verify all."""
    unproven = [transaction for transaction, path in ancestry(beef, subjects) if path is None]
    spent = {each.outpoint.txid for transaction in unproven for each in transaction.inputs}
    return tuple(subject for subject in subjects if subject not in spent)


async def _answer(connection: Connection, hits: Sequence[Hit]) -> Answer:
    """The hits with what proves them; after a reorg, without those whose ancestry has to be proven again first."""
    found = await evidence(connection, (hit.outpoint.txid for hit in hits))
    provable = tuple(hit for hit in hits if found.proves(hit.outpoint.txid))
    lines = [(hit.outpoint.txid, *hit.history) for hit in provable if hit.history]
    if not lines:
        return Answer(provable, found)
    stored = Transactions(connection)
    beef = await stored.beef(dict.fromkeys(hit.outpoint.txid for hit in provable))
    return Answer(provable, Linked(await linked(stored, beef, lines)))
