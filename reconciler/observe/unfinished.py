"""What is recorded, as it will be once the next apply has finished what the last one left behind (DESIGN §4.1).

Apply recovers before it plans; a plan alone changes nothing, and so looks ahead: an entry that was only prepared will be
voided, any other will reach its commit point.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.model.ids import RecordId
from reconciler.model.journal import JournalState
from reconciler.model.observed import (
    Coin,
    CoinStatus,
    ObservedAd,
    ObservedRecord,
    ObservedReplica,
    ObservedRoot,
    StorageGood,
    coin_order,
)
from reconciler.store.coins import CoinState, Purpose, StoredCoin
from reconciler.store.journal import JournalEntry
from reconciler.store.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Root, records, copies and spendable money at one moment."""

    root: ObservedRoot | None
    records: Mapping[RecordId, ObservedRecord]
    replicas: Sequence[ObservedReplica]
    ads: tuple[ObservedAd, ...]
    coins: tuple[Coin, ...]
    paid: frozenset[StorageGood] = frozenset()


def as_if_finished(
    live: Live,
    entries: Iterable[JournalEntry],
    bound: Collection[str],
    coins: Sequence[StoredCoin],
    outcomes: Mapping[str, bytes],
) -> Live:
    """`live` after the recovery of `entries`, oldest first; those that are `bound` follow a lock that has left.

    `coins` are all of the wallet's, `outcomes` what becomes live by those that publish something.
    """
    entries = tuple(entries)
    given_up = {entry.id for entry in entries if entry.state is JournalState.PREPARED and entry.id not in bound}
    for entry in entries:
        if entry.id in given_up:
            locked = (coin for coin in coins if coin.entry == entry.id and coin.state is CoinState.LOCKED)
            back = _money(coin for coin in locked if coin.created_by not in given_up)
            live = replace(live, coins=_sorted(live.coins, back))
        else:
            made = _money(coin for coin in coins if coin.created_by == entry.id and coin.state is CoinState.EXPECTED)
            live = replace(live, coins=_sorted(live.coins, made))
            if entry.publishes:
                live = _committed(live, Outcome.from_bytes(outcomes[entry.id]))
    return live


def said(entries: Iterable[JournalEntry], bound: Collection[str]) -> tuple[str, ...]:
    """One sentence an apply, for the reader of the plan."""
    return tuple(
        f"an apply of generation {entry.generation} was interrupted ({entry.state}); "
        f"the next one {_what_is_done(entry, bound)}, and this plan is as of then"
        for entry in entries
        if entry.publishes
    )


def _what_is_done(entry: JournalEntry, bound: Collection[str]) -> str:
    is_given_up = entry.state is JournalState.PREPARED and entry.id not in bound
    return "gives it up, nothing was sent" if is_given_up else "finishes it first"


def _committed(live: Live, outcome: Outcome) -> Live:
    if outcome.root is None:
        return replace(live, root=None, records={}, replicas=(), ads=())
    gone = set(outcome.deletes)
    records = {record: observed for record, observed in live.records.items() if record not in gone}
    records |= {record.id: record for record in outcome.upserts}
    forgotten = {(replica.dataset, replica.host) for replica in outcome.replicas} | set(outcome.forgotten)
    kept = (replica for replica in live.replicas if (replica.dataset, replica.host) not in forgotten)
    return replace(
        live,
        root=outcome.root,
        records=dict(sorted(records.items())),
        replicas=tuple(sorted((*kept, *outcome.replicas), key=lambda replica: (replica.dataset, replica.host))),
        ads=outcome.ads,
    )


def _money(coins: Iterable[StoredCoin]) -> tuple[Coin, ...]:
    return tuple(
        Coin(outpoint=coin.outpoint, satoshis=coin.satoshis, key=coin.key, status=CoinStatus.PENDING)
        for coin in coins
        if coin.purpose is Purpose.MONEY
    )


def _sorted(coins: Iterable[Coin], more: Iterable[Coin]) -> tuple[Coin, ...]:
    return tuple(sorted((*coins, *more), key=coin_order))
