"""Giving hosts again what they should list and do not: the transactions are on chain, only a host lost or evicted them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.apply.deliver import AD_TOPICS, CATALOG_TOPIC, OverlayHost
from reconciler.apply.events import Ending, Event, Step, Tell
from reconciler.model.errors import OverlayError
from reconciler.model.ids import Address, Digest, Txid
from reconciler.model.observed import Drifted, DriftPlace, ObservedRecord
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.published import Published
from reconciler.store.transactions import Transactions
from reconciler.wire.documents import parse_root_document
from reconciler.wire.submission import Submission, pack_documents


async def submit_again(
    drifted: Iterable[Drifted], *, database: Database, hosts: Mapping[str, OverlayHost], tell: Tell
) -> None:
    """Submit the records and advertisements that some host did not list, with their documents, to every host that keeps such.

    A host that fails is told of; the next look finds the same drift.
    """
    wanted = {each.object for each in drifted if each.place is DriftPlace.OVERLAY}
    submissions = await _submissions(wanted, database) if wanted else {}
    for name, host in hosts.items():
        for txid, submission in submissions.items():
            try:
                listed = await host.topics()
                topics = tuple(topic for topic in submission.topics if topic in listed)
                if not topics:
                    continue
                await host.submit(replace(submission, topics=topics))
            except OverlayError as error:
                tell(Event(step=Step.DELIVER, subject=name, ending=Ending.FAILED, detail=error.message))
            else:
                tell(Event(step=Step.DELIVER, subject=name, ending=Ending.DONE, detail=f"{txid[:12]} again"))


async def _submissions(wanted: set[Address], database: Database) -> dict[Txid, Submission]:
    async with database.begin() as connection:
        published, documents = Published(connection), Documents(connection)
        root, records = await published.root(), await published.records()
        live = [*records.values(), *((root.record,) if root else ())]
        found: dict[Txid, Submission] = {}
        for txid in sorted({record.outpoint.txid for record in live if Address.of_record(record.id) in wanted}):
            digests = await _digests([record for record in live if record.outpoint.txid == txid], documents)
            stored = await documents.find(digests)
            beef = await Transactions(connection).beef([txid])
            found[txid] = Submission(beef.to_bytes(), (CATALOG_TOPIC,), pack_documents(list(stored.values())))
        ads = [ad for ad in await published.ads() if Address.of_ad(ad.protocol, ad.name) in wanted]
        for txid in sorted({ad.outpoint.txid for ad in ads}):
            beef = await Transactions(connection).beef([txid])
            found[txid] = Submission(beef.to_bytes(), tuple(AD_TOPICS.values()), None)
    return found


async def _digests(records: Iterable[ObservedRecord], documents: Documents) -> list[Digest]:
    """The documents of these records, and the sealed one of a root."""
    digests = []
    for record in records:
        digests.append(record.document_hash)
        raw = await documents.get(record.document_hash) if record.id.kind == "producer" else None
        if raw is not None:
            digests.append(parse_root_document(raw).sealed.sha256)
    return digests
