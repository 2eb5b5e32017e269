"""What a page of the catalog costs far in, found by counting (`skip`) and by the last output of the page before.

As in `growth`, the rows are written by the package's own repositories, without submissions. Asked is the query alone, without
what proves its answer, which is the same for every page.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from benchmarks.material import Made, Material
from benchmarks.setting import Figures, Row, Setting
from reconciler.model.ids import Digest, IdentityKey, Kind, RecordId
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.store.host_transactions import HostTransactions
from reconciler.store.listings import ListedRecord, Page, RecordEntry, RecordQuery, Records
from reconciler.store.outputs import Outputs
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.beef import parse_beef

_RECORDS: Final = 100_000
_EACH: Final = 100
"""Records of one transaction, as in an apply."""
_PAGE: Final = 50


def measure(setting: Setting) -> Iterator[Row]:
    """The first page and the last, by either way."""
    records = setting.count(_RECORDS, least=400)
    material = Material("depth")
    producer = material.keys("shown").identity
    yield from asyncio.run(_measured(setting, material, producer, records))


async def _measured(setting: Setting, material: Material, producer: IdentityKey, records: int) -> list[Row]:
    database = Database.open(f"sqlite:///{setting.folder / 'depth.db'}")
    await schema.prepare(database)
    try:
        many = material.plain(records // _EACH, _EACH)
        while batch := list(islice(many, 100)):
            async with database.begin() as connection:
                for made in batch:
                    await _write(connection, made, producer)
        setting.tell(f"{records:,} records are written")
        query = RecordQuery(producer=producer, page=Page(_PAGE))
        deep = Page(_PAGE, records - _PAGE)
        (*_, before) = await _page(database, replace(query, page=Page(_PAGE, records - 2 * _PAGE)))
        pages = {
            "the first page": query.page,
            f"the last page, {deep.skip:,} counted": deep,
            "the last page, after the one before": replace(deep, after=before.outpoint),
        }
        return [
            Row(work=f"{name} of {records:,} records", ours=await _cost(database, replace(query, page=page), setting))
            for name, page in pages.items()
        ]
    finally:
        await database.close()


async def _cost(database: Database, query: RecordQuery, setting: Setting) -> Figures:
    await _page(database, query)
    spent = []
    for _ in range(setting.rounds):
        begun = time.process_time()
        found = await _page(database, query)
        spent.append((time.process_time() - begun) * 1000)
        assert len(found) == _PAGE
    return Figures(tuple(spent), "ms CPU")


async def _page(database: Database, query: RecordQuery) -> tuple[ListedRecord, ...]:
    return await database.read(lambda connection: Records(connection).find(query))


async def _write(connection: Connection, made: Made, producer: IdentityKey) -> None:
    beef, subject = parse_beef(made.beef)
    subject = beef.subject_or_last(subject)
    arriving = [(entry.transaction, beef.proof(txid)) for txid, entry in beef.transactions.items()]
    await Transactions(connection).keep(arriving)
    await HostTransactions(connection).add(*((transaction, None) for transaction, _ in arriving), shadowed=False)
    outputs = await Outputs(connection).admit("tm_data_catalog", subject, range(made.outputs), at=0)
    await Outputs(connection).complete([output.id for output in outputs])
    await Records(connection).add(
        {output.id: _entry(producer, f"{subject}/{number}") for number, output in enumerate(outputs)}
    )


def _entry(producer: IdentityKey, name: str) -> RecordEntry:
    return RecordEntry(
        producer=producer,
        id=RecordId(Kind.DATASET, name),
        document=Digest("ab" * 32),
        sealed=None,
        tags=(),
        capabilities=(),
        regions=(),
        license=None,
        price=None,
        text=name,
    )
