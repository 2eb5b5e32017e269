"""What a record was before: the token of the same record that its transaction spends (BRC-64)."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import or_, select

from reconciler.model.ids import Kind, Outpoint, Txid
from reconciler.store.batches import batches
from reconciler.store.host_tables import host_outputs, host_records, host_spends
from reconciler.store.outpoints import among
from reconciler.store.works import Connection


class Renditions:
    """The former renditions of records; a producer's root goes on under another name and key (PROTOCOL §10)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def before(self, records: Collection[Outpoint], depth: int) -> dict[Outpoint, tuple[Txid, ...]]:
        """The transactions of at most `depth` former renditions of each, newest first."""
        lines: dict[Outpoint, tuple[Txid, ...]] = dict.fromkeys(records, ())
        heads = {record: record for record in records}
        for _ in range(depth):
            found = await self._spent_by(set(heads.values()))
            heads = {record: found[head] for record, head in heads.items() if head in found}
            if not heads:
                break
            lines |= {record: (*lines[record], head.txid) for record, head in heads.items()}
        return lines

    async def _spent_by(self, records: Collection[Outpoint]) -> dict[Outpoint, Outpoint]:
        """Of each record the token that its transaction replaces by it, where there is one."""
        former, token = host_outputs.alias("former"), host_records.alias("token")
        same = or_(token.c.name == host_records.c.name, token.c.kind == Kind.PRODUCER.value)
        joined = (
            select(host_outputs.c.txid, host_outputs.c.vout, former.c.txid, former.c.vout)
            .join(host_records, host_records.c.output_id == host_outputs.c.id)
            .join(host_spends, host_spends.c.txid == host_outputs.c.txid)
            .join(former, (former.c.txid == host_spends.c.spent_txid) & (former.c.vout == host_spends.c.spent_vout))
            .join(token, (token.c.output_id == former.c.id) & (token.c.kind == host_records.c.kind) & same)
        )
        found = {}
        for some in batches(records):
            rows = await self._connection.execute(joined.where(among(host_outputs.c.txid, host_outputs.c.vout, some)))
            found.update({Outpoint(row[0], row[1]): Outpoint(row[2], row[3]) for row in rows})
        return found
