"""Which host is to be told of which transaction, with which documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from reconciler.apply.build import Built
from reconciler.apply.deliver import AD_TOPICS, CATALOG_TOPIC
from reconciler.apply.draft import Draft
from reconciler.model.ids import AdProtocol, Digest, Txid
from reconciler.plan.transactions import TxRole
from reconciler.store.journal import JournalEntry
from reconciler.store.outbox import Delivery
from reconciler.wire.canonical import sha256_hex

_TOPICS: Final = {
    **dict.fromkeys((TxRole.LOCK, TxRole.BATCH, TxRole.ROOT, TxRole.SWEEP, TxRole.END), (CATALOG_TOPIC,)),
    TxRole.ADS: tuple(AD_TOPICS[protocol] for protocol in AdProtocol),
}
"""A splitter is nobody's business."""


def deliveries(
    draft: Draft | None,
    entries: Sequence[JournalEntry],
    built: Mapping[str, Built],
    hosts: Iterable[str],
    trackers: Iterable[str],
) -> list[Delivery]:
    """In the order of the chain. What makes or spends record tokens is for all `hosts`, advertisements are for `trackers`."""
    entry_of = {txid: entry.id for entry in entries for txid in entry.txids}
    hosts, trackers = tuple(hosts), tuple(trackers)
    found = []
    for each in built.values():
        topics = _TOPICS.get(each.role, ())
        told = () if not topics else trackers if each.role is TxRole.ADS else hosts
        documents = tuple(_documents(draft, each)) if draft is not None else ()
        found += [
            Delivery(entry=entry_of[each.txid], host=host, txid=each.txid, topics=topics, documents=documents)
            for host in told
        ]
    return found


def untold(txids: Iterable[Txid], entry: JournalEntry, hosts: Iterable[str]) -> list[Delivery]:
    """Transactions that an entry builds on and that hosts have not been told of; nobody has their documents."""
    told = tuple(hosts)
    return [Delivery(entry=entry.id, host=host, txid=txid, topics=(CATALOG_TOPIC,)) for txid in txids for host in told]


def _documents(draft: Draft, built: Built) -> Iterator[Digest]:
    """Those of the records that the transaction makes; of a root also its sealed document."""
    lock = draft.lock if built.role is TxRole.LOCK else None
    for record in built.layout.records:
        yield lock.pending.document_hash if lock else draft.records[record].document_hash
    if draft.root in built.layout.records:
        yield sha256_hex(lock.sealed if lock else draft.sealed)
