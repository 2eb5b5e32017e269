"""One round of catching up, as a process of its own: `python -m tests.integration.catching_up DATABASE PEER CHAIN`.

Says in JSON how many transactions came, in how many seconds, of how many of them it worked, and by how many MiB its memory has grown at most.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.clients.http import HttpClient
from reconciler.clients.peers import Neighbours
from reconciler.host.engine import Engine
from reconciler.host.lookups.data_catalog import DataCatalogLookup
from reconciler.host.neighbourhood import Dealings, Neighbourhood
from reconciler.host.proofs import Proofs
from reconciler.host.topics.data_catalog import DataCatalogTopic
from reconciler.store.database import Database


def _memory() -> float:
    """The most there has been, in MiB; Linux's rusage would count what the parent had, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


async def catch_up(url: str, peer: str, chain: str) -> dict[str, float]:
    """What it took."""

    async def own() -> tuple[str, ...]:
        return ()

    database = Database.open(url)
    async with HttpClient() as http:
        headers, clock = Headers(http, chain), time.time
        peers = Neighbours(http=http, strangers=http, hosts=[peer], own=own, verifier=headers, clock=clock, toy=True)
        proofs = Proofs(database=database, chain=headers, statuses=Arc(http, chain), clock=clock)
        engine = Engine(
            database=database,
            chain=headers,
            proofs=proofs,
            topics=[DataCatalogTopic()],
            lookups=[DataCatalogLookup()],
            clock=clock,
        )
        dealings = Dealings(Neighbourhood(peers=peers, dice=lambda: 1.0), database=database, clock=clock)
        before, begun, spent = _memory(), time.perf_counter(), time.process_time()
        taken = await dealings.synchroniser(engine).round()
        seconds, work = time.perf_counter() - begun, time.process_time() - spent
    await database.close()
    grown = _memory() - before
    return {"taken": taken, "seconds": round(seconds, 1), "cpu": round(work, 1), "mebibytes": round(grown, 1)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(catch_up(*sys.argv[1:]))))  # noqa: T201 - its answer
