"""How much may be spent in a day: a guard over all that the journal of this database shows, whoever applied it."""

from __future__ import annotations

from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import GuardError
from reconciler.plan.plan import Plan
from reconciler.store.database import Database
from reconciler.store.journal import Journal

_DAY: Final = 86_400


async def spent_today(database: Database, now: int) -> Satoshis:
    """Gross satoshis that entries written down since 00:00 UTC spend: fees, new tokens, storage; void ones do not count."""
    async with database.begin() as connection:
        return await Journal(connection).spent_since(now - now % _DAY)


async def check_day(plan: Plan, most: Satoshis | None, *, database: Database, now: int) -> None:
    """Raises GuardError where the plan would take the day's spending above `most`. To be asked under the lease."""
    if most is None:
        return
    spent = await spent_today(database, now)
    if plan.gross and spent + plan.gross > most:
        raise GuardError(
            f"the plan costs {plan.gross:,} satoshis; with {spent:,} spent since 00:00 UTC, that is more than {most:,} a day",
            hint="it waits for the next day, UTC; if it is to be now, apply by hand or raise --max-cost-per-day",
        )
