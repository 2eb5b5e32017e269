"""What a look-up costs when there is a hundred times as much to look through; and the memory that a host takes meanwhile.

The rows are written as submissions leave them, by the package's own repositories, without the submissions: to verify a million
tokens would take an hour, and is measured elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from typing import Final

from benchmarks.hosts import CONNECTIONS, Side, alternate, lookup, ours
from benchmarks.load import Question
from benchmarks.material import Made, Material
from benchmarks.setting import Figures, Row, Setting
from reconciler.model.ids import AdProtocol
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.store.host_transactions import BlockProof, HostTransactions
from reconciler.store.listings import AdEntry, Ads
from reconciler.store.outputs import Outputs
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.advertisement import parse
from reconciler.wire.beef import parse_beef

_AT_ONCE: Final = 100
"""Outputs of one transaction, and transactions that are written together."""

_FLAT: Final = 1 / 1.5
"""Budget: what costs no more than half as much again is flat, on a machine that does other things as well."""

_MEGABYTE: Final = 1024 * 1024


def measure(setting: Setting) -> Iterator[Row]:
    """A host with 10,000 outputs and one with 1,000,000, asked in turns. What is looked for is among the first of either."""
    sizes = (setting.count(10_000, least=200), setting.count(1_000_000, least=400))
    material = Material("growth")
    shown = material.keys("shown")
    few = list(material.transactions(setting.count(100, least=3), 1, identities=[shown]))
    urls = {size: f"sqlite:///{setting.folder / f'growth-{size}.db'}" for size in sizes}
    for size, url in urls.items():
        asyncio.run(_fill(url, material, size - len(few), few))
        setting.tell(f"{size:,} outputs are written")
    queries = {
        "of one identity": {"identityKey": shown.identity, "limit": 100},
        "newest of all": {"limit": 100},
    }
    with ExitStack() as stack:
        sides = [Side(f"{size:,}", stack.enter_context(ours(setting, material, urls[size]))) for size in sizes]
        at_start = [side.server.memory() for side in sides]
        for name, query in queries.items():
            path = lookup(setting.folder / "query", query, aggregated=True)
            question = Question(
                url="", requests=str(path), connections=CONNECTIONS, seconds=setting.seconds, again=True
            )
            alternate(setting, sides, question)
            before, after = (Figures(tuple(side.cpu), "ms CPU") for side in sides)
            yield Row(
                work=f"lookup, 100 outputs {name}, of {sizes[1]:,}",
                ours=after,
                peer=before,
                ratio=before.middle / after.middle,
                budget=_FLAT,
                note=f"(ours, of {sizes[0]:,})",
            )
        for side, start in zip(sides, at_start, strict=True):
            yield Row(
                work=f"memory with {side.name} outputs, after the look-ups (at the start {start / _MEGABYTE:.0f} MB)",
                ours=Figures((side.server.memory("VmHWM") / _MEGABYTE,), "MB at most"),
            )


async def _fill(url: str, material: Material, count: int, few: Sequence[Made]) -> None:
    """Those few, then so many outputs of identities that do not matter."""
    database = Database.open(url)
    await schema.prepare(database)
    try:
        many = chain(few, material.plain(count // _AT_ONCE, _AT_ONCE))
        while batch := list(islice(many, _AT_ONCE)):
            async with database.begin() as connection:
                for made in batch:
                    await _write(connection, made)
    finally:
        await database.close()


async def _write(connection: Connection, made: Made) -> None:
    beef, subject = parse_beef(made.beef)
    subject = beef.subject_or_last(subject)
    arriving = [(entry.transaction, beef.proof(txid)) for txid, entry in beef.transactions.items()]
    await Transactions(connection).keep(arriving)
    proofs = [
        (transaction, None if path is None else BlockProof(height=path.height, root=path.block_root))
        for transaction, path in arriving
    ]
    await HostTransactions(connection).add(*proofs, shadowed=False)
    outputs = await Outputs(connection).admit("tm_ship", subject, range(made.outputs), at=0)
    await Outputs(connection).complete([output.id for output in outputs])
    locking = [output.locking for output in beef.transactions[subject].transaction.outputs]
    await Ads(connection).add(
        {output.id: _entry(made, number, locking[number]) for number, output in enumerate(outputs)}
    )


def _entry(made: Made, number: int, locking: bytes) -> AdEntry:
    token = parse(locking) if made.outputs == 1 else None
    if token is not None:
        return AdEntry(protocol=token.protocol, identity=token.identity, url=token.url, name=token.name)
    url = f"https://{number}.{made.txid}.example"
    return AdEntry(protocol=AdProtocol.SHIP, identity=made.identity, url=url, name="tm_bench")
