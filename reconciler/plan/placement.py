"""Which storage hosts keep a dataset's content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from reconciler.model.desired import Replication, StorageHost

ANYWHERE: Final = "global"


def place(hosts: Sequence[StorageHost], keeping: Collection[str], rule: Replication) -> tuple[StorageHost, ...]:
    """Choose as many of `hosts` as the rule wants, or all that it allows where there are fewer.

    Hosts that keep the content already (`keeping`, by name) come first, since a copy that stays costs nothing, unless so
    few would be left that not enough regions could be reached; then a region that has the fewest copies so far; then the
    order of `hosts`.
    """
    pool = [host for host in hosts if allows(rule, host)]
    copies = min(rule.replicas, len(pool))
    wanted_regions = min(rule.spread, copies, len({host.region for host in pool}))
    chosen: list[StorageHost] = []
    regions: Counter[str] = Counter()

    def order(host: StorageHost) -> tuple[bool, bool, int]:
        is_new_due = copies - len(chosen) <= wanted_regions - len(regions)
        return is_new_due and host.region in regions, host.name not in keeping, regions[host.region]

    while len(chosen) < copies:
        host = min(pool, key=order)  # min() takes the first of equals
        pool.remove(host)
        chosen.append(host)
        regions[host.region] += 1
    return tuple(chosen)


def allows(rule: Replication, host: StorageHost) -> bool:
    """Whether the rule allows this host at all."""
    in_region = not rule.regions or ANYWHERE in rule.regions or host.region in rule.regions
    return in_region and (not rule.hosts or host.name in rule.hosts)


def shortage(hosts: Sequence[StorageHost], rule: Replication) -> str | None:
    """What `hosts` lack for the rule to be kept, as a clause; None where they lack nothing."""
    allowed = [host for host in hosts if allows(rule, host)]
    regions = {host.region for host in allowed}
    if len(allowed) < rule.replicas:
        return f"{len(allowed)} of {rule.replicas} hosts"
    if len(regions) < min(rule.spread, rule.replicas):
        return f"{len(regions)} of {rule.spread} regions"
    return None
