"""Bringing payments to storage hosts: each to the one host it was made for, as often as it takes, and never a second one.

A payment is in the journal, signed, before its host is given it. The host is given it first and ARC afterwards: what a host
turns down has then been given to nobody else, and its coin may be spent again. Nothing here makes money void: what may have
left and nobody has is *refused* (model/journal.py), and whatever spends its coin conflicts with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from reconciler.apply.books import Books
from reconciler.apply.broadcast import broadcast
from reconciler.apply.contest import Judge
from reconciler.apply.deliver import OverlayHost
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.handover import Broadcaster
from reconciler.apply.purchase import check_price
from reconciler.clients.storage import PendingError
from reconciler.model.errors import OverlayError, RefusedError, StalePlanError, StateError, UnreachableError
from reconciler.model.journal import COMMITTED, JournalEvent, JournalState
from reconciler.model.observed import StorageGood
from reconciler.store.handovers import Handovers
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.purchases import Bought, Purchases
from reconciler.store.transactions import Transactions
from reconciler.wire.arc import Standing
from reconciler.wire.payment import Charge, PaymentHeader
from reconciler.wire.storage import Leave, StorageWish

PATIENCE: Final = 30.0
"""Seconds that an apply waits for a host that has a payment and does not see it on the network."""
_POLL: Final = 0.5

SILENCE: Final = 86_400
"""Seconds after which a payment that no host answered to, and no ARC has, is not waited for any more."""


class Shop(Protocol):
    """A storage host, as far as it is paid."""

    @property
    def url(self) -> str:
        """Its origin."""
        ...

    async def ask(self, wish: StorageWish) -> Leave | Charge:
        """Make a wish without money: it is granted, or has a price."""
        ...

    async def pay(self, wish: StorageWish, payment: PaymentHeader) -> Leave:
        """Make a wish with its payment. Raises PendingError, RefusedError, UnreachableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Paymaster:
    """Who pays, in one apply. `bought` is what is paid or about to be, and was not had; `silent` why some hosts cannot be paid."""

    books: Books
    arc: Broadcaster
    judge: Judge
    hosts: Mapping[str, OverlayHost]
    shop: Callable[[str], Shop]
    """The storage host at a URL."""
    now: Callable[[], int]
    patience: float = PATIENCE
    bought: dict[StorageGood, Bought] = field(default_factory=dict)
    silent: dict[StorageGood, OverlayError] = field(default_factory=dict)

    async def open(self) -> Mapping[StorageGood, Bought]:
        """Learn from the journal what was paid before and not had; returns all of it."""
        async with self.books.database.reading() as connection:
            self.bought.update({bought.good: bought for bought in await Purchases(connection).open()})
        return self.bought

    async def leave(self, shop: Shop, good: StorageGood, wish: StorageWish) -> Leave:
        """Leave to bring a good's bytes, or its renewal; paid for where the plan has a payment for it.

        Raises StalePlanError where the host asks for money that the plan does not have.
        """
        if good in self.silent:
            raise self.silent[good]
        bought = self.bought.get(good)
        if bought is not None:
            return await self.present(bought, shop)
        answer = await shop.ask(wish)
        if isinstance(answer, Charge):
            check_price(answer, 0, url=shop.url)
            raise StateError(f"{shop.url} asks for nothing and calls it a price", where=shop.url)
        return answer

    async def had(self, good: StorageGood, until: int) -> None:
        """A host has what it was paid for, and keeps it until then (unix seconds)."""
        bought = self.bought.pop(good, None)
        if bought is not None:
            async with self.books.database.begin() as connection:
                await Purchases(connection).had(bought.txid, until)

    async def present(self, bought: Bought, shop: Shop) -> Leave:
        """Bring a payment to its host, again if need be, and then to ARC.

        Raises RefusedError where the host does not give what it was paid for, or does not take the payment; UnreachableError
        where it does not answer: the next apply brings the same payment again.
        """
        entry = await self._begun(bought)
        try:
            leave = await self._given(bought, shop, entry)
        except RefusedError as error:
            raise await self._refused(bought, error) from error
        detail = f"{bought.satoshis} satoshis, {bought.txid}"
        self.books.tell(Event(step=Step.PAY, subject=bought.good.host, ending=Ending.DONE, detail=detail))
        await self._to_network(entry)
        return leave

    async def finish(self, entry: JournalEntry) -> None:
        """Bring a payment that an earlier apply has left to an end, as far as host and ARC let us. No apply waits for one."""
        async with self.books.database.reading() as connection:
            bought = await Purchases(connection).get(entry.id)
            given = await Handovers(connection).of(entry.root)
        if bought is None:
            raise StateError("the journal has a payment that buys nothing", where=entry.id)
        if entry.state is not JournalState.SENDING or given.keys() - {bought.url}:
            await self._to_network(entry)
            return
        try:
            await self.present(bought, self.shop(bought.url))
        except OverlayError as error:
            self._tell(bought, error)
            if isinstance(error, UnreachableError) and self.now() - entry.created > SILENCE:
                await self._give_up(bought)

    async def _begun(self, bought: Bought) -> JournalEntry:
        """The payment's entry, on its way: that is durable before its host is given a byte."""
        async with self.books.database.reading() as connection:
            entry = await Journal(connection).get(bought.txid)
        if entry is None:
            raise StateError("a payment is not in the journal", where=bought.txid)
        if entry.state is JournalState.PREPARED:
            await self.books.move(entry, JournalEvent.SEND, now=self.now())
        return entry

    async def _header(self, bought: Bought) -> PaymentHeader:
        async with self.books.database.reading() as connection:
            beef = await Transactions(connection).beef([bought.txid])
        return PaymentHeader(bought.prefix, bought.suffix, beef, bought.txid)

    async def _given(self, bought: Bought, shop: Shop, entry: JournalEntry) -> Leave:
        """Bring it until the host says yes or no."""
        header = await self._header(bought)
        waited = 0.0
        while True:
            try:
                return await self._give(bought, shop, header)
            except PendingError:  # it waits for the network, which perhaps only we can tell
                await self._to_network(entry)
                if waited >= self.patience:
                    raise
            await asyncio.sleep(_POLL)
            waited += _POLL

    async def _give(self, bought: Bought, shop: Shop, header: PaymentHeader) -> Leave:
        """One exchange, with a line in the books that the host was given the payment, and what it said to it."""
        async with self.books.database.begin() as connection:
            await Handovers(connection).giving(bought.txid, bought.url)
        refusal: str | None = None
        try:
            return await shop.pay(bought.wish, header)
        except RefusedError as error:
            refusal = error.code or "refused"
            raise
        finally:
            if refusal is not None:
                async with self.books.database.begin() as connection:
                    await Handovers(connection).answered(bought.txid, bought.url, refusal)

    async def _refused(self, bought: Bought, error: RefusedError) -> RefusedError:
        """What to say of a host that was given a payment and turns it down, or gives nothing for it."""
        if await self._give_up(bought):
            return RefusedError(
                f"{bought.url} does not take the payment of {bought.satoshis} satoshis, which is taken back: {error.message}",
                code=error.code,
                where=bought.url,
            )
        return RefusedError(
            f"{bought.url} was paid {bought.satoshis} satoshis ({bought.txid}) and gives nothing for them: {error.message}",
            code=error.code,
            where=bought.url,
            hint="it is not paid a second time; ask the host about the transaction, or name another one in storageHosts",
        )

    async def _give_up(self, bought: Bought) -> bool:
        """Let the coin of a payment be spent again, if nobody but its host was ever given it, and no ARC knows it."""
        async with self.books.database.reading() as connection:
            entry = await Journal(connection).get(bought.txid)
            given = await Handovers(connection).of(bought.txid)
        if entry is None or entry.state is not JournalState.SENDING or given.keys() - {bought.url}:
            return False
        if not await self._is_unknown(bought):
            await self._to_network(entry)
            return False
        await self.books.move(entry, JournalEvent.REFUSE, now=self.now())
        self.bought.pop(bought.good, None)
        return True

    async def _is_unknown(self, bought: Bought) -> bool:
        try:
            report = await self.arc.status(bought.txid)
        except (UnreachableError, RefusedError):  # where nobody says so it may be out, and its coins stay with it
            return False
        return report is None or report.standing in {Standing.REFUSED, Standing.UNKNOWN}

    async def _to_network(self, entry: JournalEntry) -> None:
        """Hand a payment to ARC, too. What that says is told, and asked again by the next apply: nobody waits for it."""
        async with self.books.database.reading() as connection:
            current = await Journal(connection).get(entry.id)
        if current is None or current.state in COMMITTED:
            return
        try:
            await broadcast(
                current,
                books=self.books,
                arc=self.arc,
                judge=self.judge,
                hosts=self.hosts,
                now=self.now,
                patience=0.0,
            )
        except (UnreachableError, RefusedError, StalePlanError) as error:
            detail = f"payment of storage: {error.message}"
            self.books.tell(Event(step=Step.BROADCAST, subject=entry.id, ending=Ending.FAILED, detail=detail))

    def _tell(self, bought: Bought, error: OverlayError) -> None:
        self.books.tell(Event(step=Step.RECOVER, subject=bought.good.host, ending=Ending.FAILED, detail=error.message))
