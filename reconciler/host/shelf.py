"""The documents of one submission, and the outputs that they may complete."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.host.services import Complete, Lookup, Topic
from reconciler.model.errors import StateError, VerificationError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.store.documents import Documents
from reconciler.store.outputs import HostOutput, Outputs
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.transaction import Transaction, TxOutput


@dataclass(slots=True)
class _Waiting:
    """An output that is not complete yet, as far as it is looked into."""

    admitted: HostOutput
    topic: Topic
    output: TxOutput
    needs: tuple[Digest, ...] = ()


class Shelf:
    """Lives as long as the database transaction in which a submission is written."""

    def __init__(
        self,
        connection: Connection,
        *,
        topics: Mapping[str, Topic],
        lookups: Iterable[Lookup],
        offered: Sequence[bytes],
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._lookups = tuple(lookups)
        self._offered = {sha256_hex(document): document for document in offered}
        self._read: dict[Txid, Transaction] = {}

    def hold(self, transaction: Transaction) -> None:
        """A transaction that need not be read: it is the one that was just stored."""
        self._read[transaction.txid] = transaction

    async def output(self, outpoint: Outpoint) -> TxOutput:
        """An output that was admitted, from its stored transaction."""
        transaction = self._read.get(outpoint.txid)
        if transaction is None:
            stored = await Transactions(self._connection).get(outpoint.txid)
            if stored is None:
                raise StateError(f"the transaction of the admitted output {outpoint} is gone")
            transaction = self._read[outpoint.txid] = stored.transaction
        return transaction.outputs[outpoint.vout]

    async def complete(self) -> None:
        """Give the offered documents to every output that waits for one of them; what nobody needs is not kept."""
        await self.look(await Outputs(self._connection).waiting_for(self._offered))

    async def look(self, admitted: Iterable[HostOutput]) -> None:
        """See which of these outputs have everything they need by now; those are listed from here on."""
        waiting, here = await self._gather(each for each in admitted if not each.complete)
        outputs = Outputs(self._connection)
        await outputs.need((each.admitted.id, digest) for each in waiting for digest in each.needs)
        needed = {digest for each in waiting for digest in each.needs}
        await Documents(self._connection).put(*(self._offered[digest] for digest in needed & self._offered.keys()))
        done = _complete(waiting, here)
        for lookup in self._lookups:
            if concerned := [each for each in done if each.admitted.topic in lookup.topics]:
                await lookup.index(self._connection, concerned, here)
        await outputs.complete([each.admitted.id for each in done])

    async def show(self, complete: Iterable[HostOutput], lookup: Lookup) -> None:
        """Let a service index outputs that were complete before it was there."""
        waiting, here = await self._gather(complete)
        if done := _complete(waiting, here):
            await lookup.index(self._connection, done, here)

    async def _gather(self, admitted: Iterable[HostOutput]) -> tuple[list[_Waiting], Mapping[Digest, bytes]]:
        """What the outputs need, and what of it is here; each document that is found may name further ones."""
        sound = [
            _Waiting(each, self._topics[each.topic], await self.output(each.outpoint))
            for each in admitted
            if each.topic in self._topics
        ]
        here: dict[Digest, bytes] = {}
        asked: set[Digest] = set()
        while True:
            sound = [each for each in sound if _read_needs(each, here)]
            wanted = {digest for each in sound for digest in each.needs} - asked
            if not wanted:
                return sound, here
            asked |= wanted
            here.update(await self._find(wanted))

    async def _find(self, wanted: Collection[Digest]) -> dict[Digest, bytes]:
        offered = {digest: self._offered[digest] for digest in wanted if digest in self._offered}
        stored = await Documents(self._connection).find(digest for digest in wanted if digest not in offered)
        return {**stored, **offered}


def _complete(waiting: Iterable[_Waiting], here: Mapping[Digest, bytes]) -> list[Complete]:
    return [Complete(each.admitted, each.output) for each in waiting if here.keys() >= set(each.needs)]


def _read_needs(waiting: _Waiting, here: Mapping[Digest, bytes]) -> bool:
    """Whether the output can be completed at all; there is no other document with the hash of a wrong one, ever."""
    try:
        waiting.needs = waiting.topic.needs(waiting.output, here)
    except VerificationError:
        return False
    return True
