"""The one transaction of an apply, laid out to the byte and the satoshi before anything is signed (PROTOCOL §4, Small).

Apply builds precisely this:

- inputs: the live root's token, if there is one; the tokens of updated and deleted records, sorted by record id; then money
  coins, sorted by outpoint;
- outputs: the new root's token; the tokens of created and updated records, sorted by record id, 1 satoshi each; then one
  change output (P2PKH).

All money is spent, up to 100 coins, so that all of it lies in the change of the latest root, where a rebuild finds it
(PROTOCOL §5). The fee is that of the largest size the transaction can have, and is paid exactly; so what is shown is what
is paid, although signatures vary by a byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.model.ids import Kind, Outpoint, RecordId
from reconciler.model.json import Json
from reconciler.model.observed import Coin, CoinStatus, Snapshot
from reconciler.plan import sizes
from reconciler.plan.change import Change

TOKEN: Final = 1
"""Satoshis that a token locks."""

MAX_COINS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A transaction to be built. Where money is `missing`, size and fee are those with one more coin that brings it."""

    anchor: Outpoint | None
    """What `i` of every token names: the previous root, at genesis the first coin; None where there is neither."""
    spends: tuple[Outpoint, ...]
    outputs: tuple[RecordId, ...]
    """The records whose tokens are made, in output order; the change follows."""
    released: int
    """Tokens that are spent."""
    available: int
    """Satoshis of the money coins spent."""
    size: int
    """Bytes, at most."""
    fee: int
    change: int
    """Satoshis of the change output, at least 1 unless money is missing (then 0)."""
    missing: int
    """Satoshis that one more coin must bring; 0 where there is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What applying the plan costs."""

    transactions: int
    bytes: int
    """At most."""
    fee_satoshis: int
    locked_satoshis: int
    """In new tokens minus those released: negative where more records go than come."""
    storage_satoshis: int
    """Storage hosts' quotes; 0 where they store for nothing."""
    running: int
    """Satoshis per storage term that keeping everything costs; 0 where hosts store for nothing."""


def lay_out(root: RecordId, changes: Sequence[Change], snapshot: Snapshot) -> Layout | None:
    """The transaction that carries out `changes`; None where no record changes, and so nothing is signed."""
    changed = [(change.record, change) for change in changes if change.record is not None]
    if not changed:
        return None
    others = [(record, change) for record, change in changed if record.kind is not Kind.PRODUCER]
    spent = sorted((record for record, change in others if change.before is not None))
    made = sorted((record for record, change in others if change.after is not None))
    tokens = ([snapshot.root.record.outpoint] if snapshot.root else []) + [
        snapshot.records[record].outpoint for record in spent
    ]
    parents = {record: len(_parents(change)) for record, change in changed}
    size = sum(sizes.record_output(record, parents.get(record, 0)) for record in (root, *made))
    return _funded(tokens, (root, *made), size, _money(snapshot.coins), snapshot)


def gross(cost: Cost, changes: Sequence[Change]) -> int:
    """Satoshis of fee, storage and created tokens, with nothing set off against them: what the cost guard limits."""
    created = sum(change.record is not None and change.before is None for change in changes)
    return cost.fee_satoshis + cost.storage_satoshis + created * TOKEN


def cost_of(layout: Layout | None) -> Cost:
    """Add everything up."""
    if layout is None:
        return Cost(transactions=0, bytes=0, fee_satoshis=0, locked_satoshis=0, storage_satoshis=0, running=0)
    return Cost(
        transactions=1,
        bytes=layout.size,
        fee_satoshis=layout.fee,
        locked_satoshis=(len(layout.outputs) - layout.released) * TOKEN,
        storage_satoshis=0,
        running=0,
    )


def _parents(change: Change) -> Sequence[Json]:
    parents = (change.after or {}).get("parents", ())
    return parents if isinstance(parents, Sequence) else ()


def _funded(
    tokens: list[Outpoint],
    outputs: tuple[RecordId, ...],
    outputs_size: int,
    coins: list[Coin],
    snapshot: Snapshot,
) -> Layout:
    available = sum(coin.satoshis for coin in coins)

    def priced(coin_count: int) -> tuple[int, int, int]:
        size = _size(len(tokens), coin_count, len(outputs), outputs_size)
        fee = snapshot.fee_rate.fee(size)
        return size, fee, available + (len(tokens) - len(outputs)) * TOKEN - fee

    size, fee, change = priced(len(coins))
    missing = 0
    if change < 1:
        size, fee, change = priced(len(coins) + 1)
        missing, change = 1 - change, 0
    spends = (*tokens, *(coin.outpoint for coin in coins))
    root = snapshot.root.record.outpoint if snapshot.root else None
    return Layout(
        anchor=root or (coins[0].outpoint if coins else None),
        spends=spends,
        outputs=outputs,
        released=len(tokens),
        available=available,
        size=size,
        fee=fee,
        change=change,
        missing=missing,
    )


def _size(tokens: int, coins: int, outputs: int, outputs_size: int) -> int:
    return sizes.transaction(
        p2pkh_inputs=coins,
        pushdrop_inputs=tokens,
        outputs=outputs + 1,
        outputs_size=outputs_size + sizes.P2PKH_OUTPUT,
    )


def _money(coins: Sequence[Coin]) -> list[Coin]:
    chosen = [coin for coin in coins if coin.status is not CoinStatus.LOCKED][:MAX_COINS]
    return sorted(chosen, key=lambda coin: coin.outpoint)  # a block in between must not make another plan
