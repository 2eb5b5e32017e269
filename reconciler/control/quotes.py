"""What storage hosts ask for keeping bytes for one term."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeGuard

from reconciler.apply.upload import TERM_MINUTES
from reconciler.clients.storage import StorageClient
from reconciler.model.errors import OverlayError
from reconciler.model.ids import ObjectType
from reconciler.model.observed import Snapshot, StorageQuote
from reconciler.plan.plan import STORED, Plan

_MUCH: Final = 1_000_000_000


async def priced(
    make: Callable[[Snapshot], Plan], snapshot: Snapshot, storage: Mapping[str, StorageClient], *, is_toy: bool
) -> Plan:
    """The plan, with what storage costs. Toy hosts, most of which ask nothing, are asked when there is something to store.

    Raises UnreachableError or RefusedError where a host says no price: what it would ask is not known, and not nothing. Of a toy
    network's that is taken for nothing; it is paid nothing then, whatever it asks.
    """
    plan = make(snapshot) if is_toy else None
    if plan is not None and not _stores(plan):
        return plan
    answers = await asyncio.gather(*(_quote(host) for host in storage.values()), return_exceptions=is_toy)
    quotes = {name: quote for name, quote in zip(storage, answers, strict=True) if _is_quote(quote)}
    is_free = not any(quote.satoshis or quote.minimum for quote in quotes.values())
    return plan if plan is not None and is_free else make(replace(snapshot, quotes=quotes))


def _stores(plan: Plan) -> bool:
    """Whether it makes, replaces or renews a copy, and so may have to pay for it."""
    copies = (change for change in plan.changes if change.object.type is ObjectType.REPLICA)
    return any(change.action in STORED for change in copies)


def _is_quote(quote: StorageQuote | BaseException) -> TypeGuard[StorageQuote]:
    """Raises what is no answer of a host."""
    if isinstance(quote, BaseException) and not isinstance(quote, OverlayError):
        raise quote
    return isinstance(quote, StorageQuote)


async def _quote(host: StorageClient) -> StorageQuote:
    much, little = await asyncio.gather(host.quote(_MUCH, TERM_MINUTES), host.quote(1, TERM_MINUTES))
    return StorageQuote(satoshis=much, bytes=_MUCH, minimum=little)
