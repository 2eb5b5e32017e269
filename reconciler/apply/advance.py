"""Money for storage, before anything is published (DESIGN §4.3 step 4): asked for, signed, written down; then its coins are made.

Nothing is signed before every host was asked. Splitter, pouches and payments are written down together; the payments leave
one by one, each for its host (apply/paymaster.py), once the network has seen what made their coins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.apply.books import Books
from reconciler.apply.build import Built, build
from reconciler.apply.contest import Proofs
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.handover import Broadcaster
from reconciler.apply.pages import Pages
from reconciler.apply.paymaster import Paymaster
from reconciler.apply.prepare import PlannedTokens
from reconciler.apply.prove import settle
from reconciler.apply.purchase import SUFFIX_BYTES, Owed, pay
from reconciler.apply.survey import survey
from reconciler.apply.upload import Storage, Upload
from reconciler.model.errors import StateError, UnreachableError
from reconciler.model.ids import Txid
from reconciler.plan.plan import Plan
from reconciler.plan.transactions import Made, TxRole
from reconciler.store.coins import Coins, StoredCoin
from reconciler.store.journal import JournalEntry
from reconciler.store.purchases import Bought
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.payment import PaymentHeader

HEADER: Final = 12 * 1024
"""Characters of a payment that every server reads: Node's take 16 kB of headers in all."""

PATIENCE: Final = 7200.0
"""Seconds that payments wait for a block, where what made their coins is too large for a header."""
_POLL: Final = 0.5


class Verifier(Protocol):
    """SPV against the chain's headers."""

    async def all_verified(self, beef: Beef, subjects: Sequence[Txid], *, now: int) -> object:
        """Raises VerificationError where one of the transactions would not be believed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Who makes the money ready in one apply."""

    books: Books
    keys: Keys
    verifier: Verifier
    arc: Broadcaster
    proofs: Proofs
    storage: Mapping[str, Storage]
    paymaster: Paymaster
    commit: Callable[[JournalEntry], Awaitable[None]]
    """Brings an entry to its commit point."""
    halt: Callable[[], None]
    """Raises KeyboardInterrupt where the user has asked to stop."""
    owner: str
    parallel: int
    now: Callable[[], int]
    randomness: Callable[[int], bytes]
    header: int = HEADER

    async def make_ready(self, plan: Plan, uploads: Sequence[Upload]) -> tuple[Built, ...]:
        """Returns what was built, but for payments; nothing where nothing is owed, and nothing else needs the coins.

        Raises StalePlanError where a host asks more than the plan has: then nothing was signed.
        """
        if not plan.purchases:
            return ()
        found = await survey(
            plan, uploads, storage=self.storage, paymaster=self.paymaster, now=self.now(), parallel=self.parallel
        )
        self.paymaster.silent.update(found.silent)
        if not found.owed and not plan.publishes:
            return ()
        self.halt()
        async with self.books.database.reading() as connection:
            coins = await Coins(connection).get(plan.spends)
            ancestry = await Transactions(connection).beef({outpoint.txid for outpoint in plan.spends})
        funding = [each for each in plan.pays if each.role is not TxRole.PAYMENT]
        built = build(funding, PlannedTokens(None, {}), coins, self.keys, heir=self.keys, plain_http=False)
        payments = self._payments(found.owed, built)
        await self._verify(ancestry, [*built, *(payment for payment, _ in payments)])
        self.halt()
        await self._write_down(plan, built, payments)
        self.paymaster.bought.update({bought.good: bought for _, bought in payments})
        await self._until_small([bought for _, bought in payments])
        return built

    def _payments(self, owed: Sequence[Owed], built: Sequence[Built]) -> list[tuple[Built, Bought]]:
        made = {each.layout.name: each for each in built}
        return [pay(each, _coin(each, made), self.randomness(SUFFIX_BYTES), self.keys) for each in owed]

    async def _verify(self, ancestry: Beef, built: Sequence[Built]) -> None:
        """As a stranger would, before anything is written down."""
        whole = merge([ancestry, Beef.of((), [BeefTx(each.transaction) for each in built])])
        await self.verifier.all_verified(whole, [each.txid for each in built], now=self.now())
        for each in built:
            detail = f"{each.layout.name}, {len(each.transaction.raw)} bytes"
            self.books.tell(Event(step=Step.BUILD, subject=each.txid, ending=Ending.DONE, detail=detail))

    async def _write_down(self, plan: Plan, built: Sequence[Built], payments: Sequence[tuple[Built, Bought]]) -> None:
        """All of it at once; then what makes the coins goes out. Payments wait for their hosts."""
        made = [*((each, None) for each in built), *payments]
        at, written = self.now(), Pages(plan, owner=self.owner)
        pages = [written.page([each], at=at, place=place, bought=bought) for place, (each, bought) in enumerate(made)]
        entries = await self.books.write_down(pages)
        for entry in entries[: len(built)]:
            await self.commit(entry)

    async def _until_small(self, payments: Sequence[Bought]) -> None:
        """A payment travels with its ancestry back to blocks: where that is too much for a header, a block has to come first."""
        waited = 0.0
        while (size := await self._largest(payments)) > self.header:
            if waited >= PATIENCE:
                raise UnreachableError(
                    f"no block has the coins of the payments yet, and without it these take {size:,} characters",
                    hint="repeat the command: it goes on from here",
                )
            if not waited:
                detail = "payments of storage wait for a block that has their coins"
                self.books.tell(Event(step=Step.PAY, subject="storage", ending=Ending.BLOCKED, detail=detail))
            await asyncio.sleep(_POLL)
            waited += _POLL
            await settle(books=self.books, arc=self.arc, proofs=self.proofs, now=self.now)

    async def _largest(self, payments: Sequence[Bought]) -> int:
        async with self.books.database.reading() as connection:
            repository = Transactions(connection)
            beefs = [(bought, await repository.beef([bought.txid])) for bought in payments]
        texts = (PaymentHeader(each.prefix, each.suffix, beef, each.txid).to_text() for each, beef in beefs)
        return max(map(len, texts), default=0)


def _coin(owed: Owed, made: Mapping[str, Built]) -> StoredCoin:
    (spend,) = owed.layout.spends
    if not isinstance(spend, Made):
        raise StateError("the plan pays storage with a coin that it does not make", where=str(spend))
    return made[spend.transaction].created[spend.vout]
