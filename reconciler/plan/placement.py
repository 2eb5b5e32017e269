"""Which storage hosts keep a dataset's content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from reconciler.model.desired import StorageHost


def place(hosts: Sequence[StorageHost], keeping: Collection[str], copies: int) -> tuple[StorageHost, ...]:
    """Choose `copies` of `hosts`, or all where there are fewer.

    Hosts that keep the content already (`keeping`, by name) come first, since a copy that stays costs nothing; then the
    order of `hosts` decides. Within both, a region that has the fewest copies so far is preferred.
    """
    chosen: list[StorageHost] = []
    regions: Counter[str] = Counter()
    there = [host for host in hosts if host.name in keeping]
    elsewhere = [host for host in hosts if host.name not in keeping]
    for pool in (there, elsewhere):
        while pool and len(chosen) < copies:
            host = min(pool, key=lambda candidate: regions[candidate.region])  # min() takes the first of equals
            pool.remove(host)
            chosen.append(host)
            regions[host.region] += 1
    return tuple(chosen)
