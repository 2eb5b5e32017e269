"""What a plan costs, now and for every further term of storage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.model.ids import ObjectType
from reconciler.plan.action import Action
from reconciler.plan.change import Change
from reconciler.plan.layout import Layout
from reconciler.plan.storage import Purchase
from reconciler.plan.tokens import TOKEN
from reconciler.plan.transactions import OutputRole

_TOKENS = frozenset({OutputRole.RECORD, OutputRole.AD})
_WITH_TOKEN = frozenset({ObjectType.RECORD, ObjectType.SHIP, ObjectType.SLAP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What applying the plan costs."""

    transactions: int
    bytes: int
    """At most."""
    fee_satoshis: int
    locked_satoshis: int
    """In new tokens minus those released: negative where more tokens go than come."""
    storage_satoshis: int
    """Storage hosts' quotes for what is paid to them, at most; 0 where they store for nothing."""
    running: int
    """Satoshis per storage term that keeping every copy costs; 0 where hosts store for nothing."""


def cost_of(layout: Layout, purchases: Iterable[Purchase], terms: Iterable[Purchase]) -> Cost:
    """Add everything up. `purchases` are paid now, `terms` for every further term of all copies that are wanted."""
    transactions = layout.transactions
    made = sum(output.role in _TOKENS for transaction in transactions for output in transaction.outputs)
    return Cost(
        transactions=len(transactions),
        bytes=sum(transaction.size for transaction in transactions),
        fee_satoshis=sum(transaction.fee for transaction in transactions),
        locked_satoshis=(made - layout.released) * TOKEN,
        storage_satoshis=sum(purchase.satoshis for purchase in purchases),
        running=sum(purchase.satoshis for purchase in terms),
    )


def gross(cost: Cost, changes: Sequence[Change]) -> int:
    """Satoshis of fee, storage and created tokens, with nothing set off against them: what the cost guard limits."""
    created = sum(change.action is Action.CREATE and change.object.type in _WITH_TOKEN for change in changes)
    return cost.fee_satoshis + cost.storage_satoshis + created * TOKEN
