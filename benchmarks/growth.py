"""What a look-up costs when there is a hundred times as much to look through; and the memory that a host takes meanwhile.

The rows are written as submissions leave them, by the package's own repositories, without the submissions: to verify a million
tokens would take an hour, and is measured elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.hosts import CONNECTIONS, Side, lookup, ours
from benchmarks.load import Question
from benchmarks.material import Made, Material
from benchmarks.setting import Figures, Row, Setting
from reconciler.model.ids import AdProtocol
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.store.listings import AdEntry, Ads
from reconciler.store.outputs import BlockProof, Connection, HostTransactions, Outputs
from reconciler.store.transactions import Transactions
from reconciler.wire.advertisement import parse
from reconciler.wire.beef import parse_beef

_AT_ONCE: Final = 100
"""Outputs of one transaction, and transactions that are written together."""

_FLAT: Final = 1 / 1.5
"""Budget: what costs no more than half as much again is flat, on a machine that does other things as well."""

_MEGABYTE: Final = 1024 * 1024


def measure(setting: Setting) -> Iterator[Row]:
    """10,000 outputs, then 1,000,000. What is looked for is among the first."""
    sizes = (setting.count(10_000, least=200), setting.count(1_000_000, least=400))
    material = Material("growth")
    shown = material.keys("shown")
    few = list(material.transactions(setting.count(100, least=3), 1, identities=[shown]))
    url = f"sqlite:///{setting.folder / 'growth.db'}"
    queries = {
        "of one identity": {"identityKey": shown.identity, "limit": 100},
        "newest of all": {"limit": 100},
    }
    costs: dict[str, list[Side]] = {name: [] for name in queries}
    held = 0
    for size in sizes:
        new = [] if held else few
        asyncio.run(_fill(url, material, size - held - len(new), new))
        held = size
        setting.tell(f"{held:,} outputs are written")
        with ours(setting, material, url) as server:
            at_start = server.memory()
            for name, query in queries.items():
                side = Side(name, server)
                costs[name].append(side)
                path = lookup(setting.folder / "query", query, aggregated=True)
                for number in range(setting.rounds + 1):
                    if number <= 1:
                        side.forget()
                    side.measure(
                        Question(
                            url=server.url,
                            requests=str(path),
                            connections=CONNECTIONS,
                            seconds=setting.seconds,
                            again=True,
                        )
                    )
            yield Row(
                work=f"memory with {size:,} outputs, after the look-ups (at the start {at_start / _MEGABYTE:.0f} MB)",
                ours=Figures((server.memory("VmHWM") / _MEGABYTE,), "MB at most"),
            )
    for name, (small, large) in costs.items():
        before, after = Figures(tuple(small.cpu), "ms CPU"), Figures(tuple(large.cpu), "ms CPU")
        yield Row(
            work=f"lookup, 100 outputs {name}, of {sizes[1]:,}",
            ours=after,
            peer=before,
            ratio=before.middle / after.middle,
            budget=_FLAT,
            note=f"(ours, of {sizes[0]:,})",
        )


async def _fill(url: str, material: Material, count: int, few: Sequence[Made]) -> None:
    """So many outputs of identities that do not matter, then those few."""
    database = Database.open(url)
    await schema.prepare(database)
    try:
        many = material.plain(count // _AT_ONCE, _AT_ONCE)
        while batch := [made for made, _ in zip(many, range(_AT_ONCE), strict=False)]:
            async with database.begin() as connection:
                for made in batch:
                    await _write(connection, made)
        async with database.begin() as connection:
            for made in few:
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
