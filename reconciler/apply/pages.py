"""The pages of the journal that a plan fills: an entry for each transaction that must be seen before the next one leaves."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.apply.books import Page
from reconciler.apply.build import Built
from reconciler.model.amounts import Satoshis
from reconciler.model.journal import EntryRole
from reconciler.plan.document import plan_id
from reconciler.plan.plan import Plan
from reconciler.store.journal import JournalEntry
from reconciler.store.purchases import Bought


class Pages:
    """Writes the pages of one apply. The plan's id is made once: it hashes all that the plan says."""

    def __init__(self, plan: Plan, *, owner: str) -> None:
        self._plan = plan
        self._id = plan_id(plan)
        self._owner = owner

    def page(
        self, built: Sequence[Built], *, at: int, place: int, outcome: bytes = b"", bought: Bought | None = None
    ) -> Page:
        """One entry: the first transaction and those that follow it, with what becomes live by it, or what it buys."""
        first = built[0]
        entry = JournalEntry(
            id=first.txid,
            role=EntryRole.ROOT if outcome else EntryRole(first.role),
            place=place,
            plan_id=self._id,
            generation=self._plan.generation,
            txids=tuple(each.txid for each in built),
            publishes=bool(outcome),
            owner=self._owner,
            note=" ".join(self._plan.overrides),
            spent=_spent(self._plan, built, bought, publishes=bool(outcome)),
            created=at,
            updated=at,
        )
        return Page(
            entry=entry,
            transactions=tuple(each.transaction for each in built),
            created=tuple(coin for each in built for coin in each.created),
            outcome=outcome,
            bought=bought,
        )


def _spent(plan: Plan, built: Sequence[Built], bought: Bought | None, *, publishes: bool) -> Satoshis:
    """The part of the gross cost that an entry bears: fees, what it buys, and new tokens with what publishes them."""
    fees = sum(each.layout.fee for each in built)
    tokens = plan.gross - plan.cost.fee_satoshis - plan.cost.storage_satoshis if publishes else 0
    return Satoshis(fees + tokens + (bought.satoshis if bought is not None else 0))
