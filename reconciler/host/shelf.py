"""The documents of one submission, and the outputs that they may complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.host.services import Lookup, Topic
from reconciler.model.errors import StateError, VerificationError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.store.documents import Documents
from reconciler.store.outputs import Connection, HostOutput, Outputs
from reconciler.store.transactions import Transactions
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.transaction import Transaction, TxOutput


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
        for waiting in await Outputs(self._connection).waiting_for(self._offered):
            await self.look(waiting)

    async def look(self, admitted: HostOutput) -> None:
        """See whether everything that an output needs is here now; if so, it is listed from here on."""
        topic = self._topics.get(admitted.topic)
        if admitted.complete or topic is None:
            return
        output = await self.output(admitted.outpoint)
        try:
            needs, here = await self._gather(topic, output)
        except VerificationError:  # the document is not what the token says: there is no other with its hash, ever
            return
        outputs = Outputs(self._connection)
        await outputs.need(admitted.id, needs)
        await Documents(self._connection).put(*(self._offered[digest] for digest in needs if digest in self._offered))
        if all(digest in here for digest in needs):
            await self._index(admitted, output, here)
            await outputs.complete(admitted.id)

    async def _gather(self, topic: Topic, output: TxOutput) -> tuple[tuple[Digest, ...], Mapping[Digest, bytes]]:
        """What the output needs, and what of it is here; each document that is found may name further ones."""
        here: dict[Digest, bytes] = {}
        needs = topic.needs(output, here)
        while found := await self._find(set(needs) - here.keys()):
            here.update(found)
            needs = topic.needs(output, here)
        return needs, here

    async def _find(self, wanted: set[Digest]) -> dict[Digest, bytes]:
        offered = {digest: self._offered[digest] for digest in wanted & self._offered.keys()}
        return {**await Documents(self._connection).find(wanted - offered.keys()), **offered}

    async def _index(self, admitted: HostOutput, output: TxOutput, documents: Mapping[Digest, bytes]) -> None:
        for lookup in self._lookups:
            if admitted.topic in lookup.topics:
                await lookup.index(self._connection, admitted, output, documents)
