"""What the producer's books say of one consumer: what it has paid, whether it is served, and what it is a paying member of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select

from reconciler.model.ids import IdentityKey
from reconciler.model.vocabulary import ConsumerState
from reconciler.store.producer import producer_consumers, producer_identities
from reconciler.store.receipts import Receipts
from reconciler.store.works import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One consumer of one producer."""

    spent: int = 0
    """Satoshis in all, without what was lost again."""
    status: ConsumerState = ConsumerState.ACTIVE
    memberships: frozenset[str] = frozenset()
    """Names of the tiers whose fee is paid for now."""


_SEVERITY: Final = tuple(ConsumerState)
"""A consumer of whom a producer's former key says one thing, and the present one another, is the graver one."""

_ROWS: Final = select(producer_consumers.c.total_payments_satoshis, producer_consumers.c.relationship_status).where(
    producer_consumers.c.producer_id.in_(select(producer_identities.c.producer_id)),
    producer_consumers.c.consumer_id == bindparam("consumer"),
)
"""By all keys that the producer of this database has had: another key is not another producer (PROTOCOL §10)."""


async def account(connection: Connection, consumer: IdentityKey, *, now: int, memberships: bool) -> Account:
    """The account of a consumer at `now` (unix seconds); one of whom nothing is known has paid nothing, and is served.

    Without `memberships` they are not looked up, which takes all receipts of the consumer's.
    """
    rows = (await connection.execute(_ROWS, {"consumer": consumer})).all()
    if not rows:  # a membership is a payment, and nobody who has paid is unknown
        return Account()
    return Account(
        spent=sum(row.total_payments_satoshis for row in rows),
        status=max((ConsumerState(row.relationship_status) for row in rows), key=_SEVERITY.index),
        memberships=await Receipts(connection).memberships(consumer, now=now) if memberships else frozenset(),
    )
