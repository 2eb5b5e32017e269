"""Whether the chain has what the books say: transactions with their proofs, and by the network's word those that have none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from reconciler.apply.contest import Reporter
from reconciler.chain.headers import Headers
from reconciler.model.ids import Digest, Txid
from reconciler.store.batches import batches
from reconciler.wire.arc import Standing
from reconciler.wire.merkle import MerklePath

_ALIVE: Final = frozenset({Standing.SEEN, Standing.MINED, Standing.ACCEPTED, Standing.STALE})
_AT_ONCE: Final = 20
"""Questions that are open at a time."""


async def unconfirmed(
    transactions: Mapping[Txid, MerklePath | None], *, arc: Reporter, headers: Headers
) -> tuple[str, ...]:
    """One sentence for each transaction that the chain does not have.

    A proof has to lead to a header of today's chain; without one the network has to know the transaction. Each header is
    asked for once. Raises UnreachableError where the chain cannot be asked.
    """
    heights = sorted({path.height for path in transactions.values() if path is not None})
    roots: dict[int, Digest | None] = {}
    for some in batches(heights, _AT_ONCE):
        roots |= dict(zip(some, await asyncio.gather(*map(headers.root, some)), strict=True))
    found = [
        f"{txid}: its proof leads to no header of the chain any more"
        for txid, path in sorted(transactions.items())
        if path is not None and not (path.proves(txid) and roots[path.height] == path.root(txid))
    ]
    for unproven in batches(sorted(txid for txid, path in transactions.items() if path is None), _AT_ONCE):
        reports = await asyncio.gather(*map(arc.status, unproven))
        for txid, report in zip(unproven, reports, strict=True):
            if report is None or report.standing not in _ALIVE:
                found.append(f"{txid}: the network says {'nothing' if report is None else report.status.value} of it")
    return tuple(found)
