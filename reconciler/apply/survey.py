"""What storage hosts ask for what a plan stores: asked of all of them before anything is signed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.apply.paymaster import Paymaster
from reconciler.apply.purchase import Owed, check_price
from reconciler.apply.upload import Storage, Upload
from reconciler.model.errors import OverlayError, StalePlanError
from reconciler.model.observed import StorageGood
from reconciler.plan.plan import Plan
from reconciler.plan.transactions import TxLayout, TxRole
from reconciler.wire.payment import Charge


@dataclass(slots=True)
class Survey:
    """What is owed, and which goods nobody could be asked about."""

    owed: list[Owed] = field(default_factory=list)
    silent: dict[StorageGood, OverlayError] = field(default_factory=dict)


async def survey(
    plan: Plan,
    uploads: Sequence[Upload],
    *,
    storage: Mapping[str, Storage],
    paymaster: Paymaster,
    now: int,
    parallel: int,
) -> Survey:
    """Ask for the price of every good that the plan buys, but for what is kept already, or paid and not had.

    Raises StalePlanError where a host asks more than the plan has for it.
    """
    payments = [each for each in plan.transactions if each.role is TxRole.PAYMENT]
    due = {purchase.good: layout for purchase, layout in zip(plan.purchases, payments, strict=True)}
    wanted = {upload.good(index): (upload, index) for upload in uploads for index in range(len(upload.stored.parts))}
    work = _Survey(paymaster, storage, now, asyncio.Semaphore(parallel))
    found = await asyncio.gather(*(work.ask(good, *wanted[good], due[good]) for good in due if good in wanted))
    survey = Survey()
    for good, answer in found:
        match answer:
            case Owed():
                survey.owed.append(answer)
            case StalePlanError():
                raise answer
            case OverlayError():
                survey.silent[good] = answer
    return survey


@dataclass(frozen=True, slots=True)
class _Survey:
    paymaster: Paymaster
    storage: Mapping[str, Storage]
    now: int
    gate: asyncio.Semaphore

    async def ask(
        self, good: StorageGood, upload: Upload, index: int, layout: TxLayout
    ) -> tuple[StorageGood, Owed | OverlayError | None]:
        if good in self.paymaster.bought:
            return good, None
        async with self.gate:
            try:
                return good, await self._owed(good, upload, index, layout)
            except OverlayError as error:
                return good, error

    async def _owed(self, good: StorageGood, upload: Upload, index: int, layout: TxLayout) -> Owed | None:
        host = self.storage[good.host]
        expires = await host.kept_until(upload.stored.parts[index].sha256)
        wish = upload.wish(index, expires, self.now)
        answer = None if wish is None else await host.ask(wish)
        if wish is None or not isinstance(answer, Charge):
            return None
        check_price(answer, layout.outputs[0].satoshis, url=host.url)
        return Owed(good=good, url=host.url, wish=wish, charge=answer, layout=layout)
