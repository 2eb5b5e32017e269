"""A buyer's books on a database of ours: journal, coins and orders, which never tell different stories.

A payment is an entry of the journal (model/journal.py), so that whatever happens to it on its way to a block (contests,
reorgs, ARCs that drop it) is looked after by what looks after an apply's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from reconciler.apply.books import Books
from reconciler.apply.broadcast import broadcast
from reconciler.apply.contest import Judge
from reconciler.apply.events import tell_nobody
from reconciler.apply.handover import Courier
from reconciler.apply.lease import apply_lease, this_process
from reconciler.apply.receiving import receive, receive_unspent
from reconciler.apply.recover import recover
from reconciler.consumer.ports import Money, Payment, midnight
from reconciler.consumer.surroundings import Surroundings
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import GuardError, LockedError, RefusedError, StalePlanError, StateError, UnreachableError
from reconciler.model.ids import Digest, IdentityKey, Txid
from reconciler.model.journal import COMMITTED, GIVEN_UP, EntryRole, JournalEvent, JournalState
from reconciler.model.keys import FUNDING_KEY, KeyRef
from reconciler.model.order import Order, OrderEvent, OrderState, Sighting
from reconciler.store.coins import Balance, Coins, CoinState, Purpose, StoredCoin
from reconciler.store.database import Database
from reconciler.store.documents import Documents
from reconciler.store.handovers import Handovers
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.orders import Orders, Sightings
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wallet.keys import Keys
from reconciler.wire.arc import Standing
from reconciler.wire.beef import Beef
from reconciler.wire.transaction import TxOutput

PATIENCE: Final = 30.0
"""Seconds that a payment waits for another process that holds the purse."""

_HAD: Final = frozenset({OrderState.PAID, OrderState.RECEIVED, OrderState.DONE})
"""States in which a payment has its receipt."""


class DatabaseBooks:
    """Satisfies consumer.ports.Books. One for each process; `run` is random. `clock` gives unix seconds."""

    def __init__(
        self,
        *,
        database: Database,
        keys: Keys,
        surroundings: Surroundings,
        clock: Callable[[], float],
        run: str,
        patience: float = PATIENCE,
    ) -> None:
        self._database = database
        self._keys = keys
        self._surroundings = surroundings
        self._courier = Courier(database=database, arcs=surroundings.arcs)
        self._judge = Judge(proofs=surroundings.headers, index=surroundings.index, hosts={}, identity=keys.identity)
        self._clock = clock
        self._owner = this_process(run)
        self._patience = patience
        self._alone = asyncio.Lock()
        self._token: int | None = None

    async def order(self, name: str) -> Order | None:
        """See Books."""
        async with self._database.reading() as connection:
            return await Orders(connection).get(name)

    async def orders(self, *, since: int = 0) -> tuple[Order, ...]:
        """See Books."""
        async with self._database.reading() as connection:
            return await Orders(connection).list(since=since)

    async def left(self) -> tuple[Order, ...]:
        """See Books."""
        async with self._database.reading() as connection:
            return await Orders(connection).among(OrderState.QUOTED, OrderState.PAYING)

    async def add(self, order: Order) -> None:
        """See Books."""
        async with self._database.begin() as connection:
            await Orders(connection).add(order)

    async def move(self, order: Order, event: OrderEvent, **changes: object) -> Order:
        """See Books."""
        async with self._database.begin() as connection:
            return await self._move(connection, order, event, **changes)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """See Books. Raises LockedError where another process holds the purse for too long."""
        async with (
            self._alone,
            apply_lease(self._database, self._owner, now=self._now, patience=self._patience) as lease,
        ):
            self._token = lease.token
            try:
                yield
            finally:
                self._token = None

    async def money(self, order: Order) -> tuple[Sequence[Money], Sequence[Money]]:
        """See Books."""
        async with self._database.reading() as connection:
            await _check_alone(connection, order)
            must = [
                coin
                for refused in await Orders(connection).of_good(order)
                for coin in await _rivalled(connection, refused)
            ]
            coins = Coins(connection)
            may = [coin.outpoint for coin in await coins.spendable()]
            found = await coins.get(may)
        first = {coin.outpoint: _money(coin) for coin in must}
        return list(first.values()), [_money(found[outpoint]) for outpoint in may if outpoint not in first]

    async def pay(self, order: Order, payment: Payment, *, budget: Satoshis | None, **changes: object) -> Order:
        """See Books."""
        entry = self._entry(order, payment)
        spent = [each.outpoint for each in payment.transaction.inputs]
        async with self._database.begin() as connection:
            await self._check_budget(connection, payment, budget)
            await _check_alone(connection, order)
            await Transactions(connection).put(payment.transaction)
            await Coins(connection).lock(spent, entry.id, token=self._token)
            if payment.change is not None:
                await Coins(connection).add([_stored(payment.change)], entry=entry.id)
            await Journal(connection).create(entry, token=self._token)
            return await self._move(
                connection,
                order,
                OrderEvent.PAY,
                payment=payment.transaction.txid,
                paid=payment.paid,
                fee=payment.fee,
                paid_at=self._now(),
                **changes,
            )

    async def leaving(self, order: Order, to: str) -> None:
        """See Books."""
        entry = await self._entry_of(order)
        if entry.state is JournalState.PREPARED:
            await self._books.move(entry, JournalEvent.SEND, now=self._now())
        async with self._database.begin() as connection:
            await Handovers(connection).giving(entry.root, to)

    async def turned_down(self, order: Order, by: str, code: str) -> None:
        """See Books."""
        async with self._database.begin() as connection:
            await Handovers(connection).answered(_payment(order), by, code)

    async def beef(self, txids: Iterable[Txid]) -> Beef:
        """See Books."""
        async with self._database.reading() as connection:
            return await Transactions(connection).beef(txids)

    async def broadcast(self, order: Order) -> str:
        """See Books."""
        entry = await self._entry_of(order)
        if entry.state in COMMITTED | GIVEN_UP:
            return entry.state.value
        try:
            ended = await broadcast(
                entry,
                books=self._books,
                arc=self._courier,
                judge=self._judge,
                hosts={},
                now=self._now,
                patience=0.0,
            )
        except (UnreachableError, RefusedError, StalePlanError, LockedError) as error:
            return error.message
        return ended.state.value

    async def give_up(self, order: Order) -> bool:
        """See Books."""
        entry = await self._entry_of(order)
        async with self._database.reading() as connection:
            given = await Handovers(connection).of(entry.root)
        is_only_theirs = entry.state is JournalState.SENDING and not given.keys() - {order.gateway}
        if not is_only_theirs or not await self._is_unknown(entry.root):
            return entry.state in GIVEN_UP
        await self._books.move(entry, JournalEvent.REFUSE, now=self._now())
        return True

    async def recover(self) -> None:
        """See Books."""
        async with self.turn():
            await recover(
                books=self._books,
                arc=self._courier,
                judge=self._judge,
                hosts={},
                identity=self._keys.identity,
                paymaster=self,
                now=self._now,
            )
        await self._follow()

    async def finish(self, entry: JournalEntry) -> None:
        """A payment that was left (apply.recover.Payer): what its gateway has not taken yet, and nobody else has, is its to take."""
        async with self._database.reading() as connection:
            given = await Handovers(connection).of(entry.root)
            order = await Orders(connection).of_payment(entry.id)
        if order is None:
            raise StateError("the journal has a payment that no order needs", where=entry.id)
        is_theirs = entry.state is JournalState.SENDING and not given.keys() - {order.gateway}
        if order.state is not OrderState.PAYING or not is_theirs:
            await self.broadcast(order)

    async def spent_since(self, at: int) -> Satoshis:
        """See Books."""
        async with self._database.reading() as connection:
            return await Orders(connection).spent_since(at)

    async def sighting(self, producer: IdentityKey) -> Sighting | None:
        """See Books."""
        async with self._database.reading() as connection:
            return await Sightings(connection).get(producer)

    async def see(self, sighting: Sighting) -> None:
        """See Books."""
        async with self._database.begin() as connection:
            await Sightings(connection).put(sighting)

    async def document(self, digest: Digest) -> bytes | None:
        """See Books."""
        async with self._database.reading() as connection:
            return await Documents(connection).get(digest)

    async def keep(self, document: bytes) -> None:
        """See Books."""
        async with self._database.begin() as connection:
            await Documents(connection).put(document)

    async def receive(self, beef: Beef, txid: Txid, *, key: KeyRef = FUNDING_KEY) -> Satoshis:
        """See Books."""
        return await receive(
            beef,
            txid,
            keys=self._keys,
            database=self._database,
            verifier=self._surroundings.headers,
            now=self._now(),
            key=key,
        )

    async def receive_unspent(self) -> tuple[Satoshis, Sequence[str]]:
        """See Books."""
        return await receive_unspent(
            self._surroundings.index,
            keys=self._keys,
            network=self._surroundings.network,
            database=self._database,
            verifier=self._surroundings.headers,
            now=self._now(),
        )

    async def balance(self) -> Balance:
        """See Books."""
        async with self._database.reading() as connection:
            return await Coins(connection).balance()

    @property
    def _books(self) -> Books:
        return Books(database=self._database, token=self._token, tell=tell_nobody)

    def _now(self) -> int:
        return int(self._clock())

    def _entry(self, order: Order, payment: Payment) -> JournalEntry:
        txid, now = payment.transaction.txid, self._now()
        return JournalEntry(
            id=txid,
            role=EntryRole.PAYMENT,
            plan_id=Digest(hashlib.sha256(f"order {order.id}".encode()).hexdigest()),
            generation=0,
            txids=(txid,),
            owner=self._owner.host,
            spent=Satoshis(payment.paid + payment.fee),
            created=now,
            updated=now,
        )

    async def _entry_of(self, order: Order) -> JournalEntry:
        async with self._database.reading() as connection:
            entry = await Journal(connection).get(_payment(order))
        if entry is None:
            raise StateError("the payment of an order is not in the journal", where=order.id)
        return entry

    async def _is_unknown(self, txid: Txid) -> bool:
        try:
            report = await self._courier.status(txid)
        except (UnreachableError, RefusedError):  # where nobody says so it may be out, and its coins stay with it
            return False
        return report is None or report.standing in {Standing.REFUSED, Standing.UNKNOWN}

    async def _follow(self) -> None:
        """Orders follow what the journal has found out of their payments."""
        async with self._database.begin() as connection:
            repository = Orders(connection)
            for order in await repository.adrift(*GIVEN_UP, state=OrderState.PAYING):
                await self._move(
                    connection, order, OrderEvent.REFUSE, reason=order.reason or "the payment went nowhere"
                )
            alive = frozenset(JournalState) - GIVEN_UP - {JournalState.PREPARED}
            for order in await repository.adrift(*sorted(alive), state=OrderState.REFUSED):
                await self._move(connection, order, OrderEvent.REVIVE, reason="the network has the payment after all")

    async def _move(self, connection: Connection, order: Order, event: OrderEvent, **changes: object) -> Order:
        after = order.moved(event, now=self._now(), **changes)
        await Orders(connection).replace(order, after)
        return after

    async def _check_budget(self, connection: Connection, payment: Payment, budget: Satoshis | None) -> None:
        if budget is None:
            return
        since = midnight(self._now())
        spent = await Orders(connection).spent_since(since) + await _loose(connection, payment, since)
        cost = payment.paid + payment.fee
        if spent + cost > budget:
            raise GuardError(
                f"the budget of the day is {budget:,} satoshis, {spent:,} of which are spent, and this costs {cost:,}",
                hint="raise the budget, or buy it tomorrow (UTC)",
                guards=("budget",),
            )


async def _check_alone(connection: Connection, order: Order) -> None:
    """Raises LockedError where the same good is being paid for, or was since this order was made: one payment is enough."""
    for other in await Orders(connection).of_good(order):
        if other.id == order.id:
            continue
        if other.state is OrderState.PAYING:
            raise LockedError(
                f"{order.good} is being paid for already, by the order {other.id}",
                hint="let that one come to its end: ask again, and its payment is brought again",
            )
        if other.state in _HAD and other.paid_at is not None and other.paid_at >= order.created:
            raise LockedError(
                f"{order.good} was paid for meanwhile, by the order {other.id}",
                hint="ask again: its receipt is as good",
            )


async def _loose(connection: Connection, payment: Payment, since: int) -> int:
    """What payments since then cost that were given up, and that may be mined beside this one: they share no coin with it."""
    spends = {spent.outpoint for spent in payment.transaction.inputs}
    loose = 0
    for order in await Orders(connection).among(OrderState.REFUSED):
        if order.paid_at is None or order.paid_at < since:
            continue
        freed = {coin.outpoint for coin in await _freed(connection, order)}
        stored = await Transactions(connection).get(_payment(order))
        if stored is not None and freed.isdisjoint(spends) and len(freed) == len(stored.transaction.inputs):
            loose += order.paid + order.fee
    return loose


async def _rivalled(connection: Connection, refused: Order) -> list[StoredCoin]:
    """What another payment for the same good has to spend, so that the one that was given up cannot be mined beside it.

    Raises LockedError where nothing is left of it to spend, and nothing that the network has seen spends it either: all of its coins
    are in payments for something else, which may come to nothing.
    """
    coins = await _given_up(connection, refused)
    free = [coin for coin in coins if coin.state is CoinState.FREE]
    if coins and not free and all(coin.state is CoinState.LOCKED for coin in coins):
        raise LockedError(
            f"a payment for {refused.good} that {refused.gateway} turned down may still be mined: its coins are in payments "
            "for something else, which the network has not seen",
            hint="let these come to their end: ask for what they pay for again",
        )
    return free


async def _freed(connection: Connection, order: Order) -> list[StoredCoin]:
    """The coins, as far as they are free, of a payment that was given up and may be mined all the same."""
    return [coin for coin in await _given_up(connection, order) if coin.state is CoinState.FREE]


async def _given_up(connection: Connection, order: Order) -> list[StoredCoin]:
    """All coins of a payment that was given up and may be mined all the same; of any other order, none."""
    if order.payment is None or order.state is not OrderState.REFUSED:
        return []
    entry = await Journal(connection).get(order.payment)
    if entry is None or entry.state is not JournalState.REFUSED:
        return []
    stored = await Transactions(connection).find([entry.root])
    coins = await Coins(connection).get(spent.outpoint for spent in stored[entry.root].transaction.inputs)
    return list(coins.values())


def _payment(order: Order) -> Txid:
    if order.payment is None:
        raise StateError("the order has no payment", where=order.id)
    return order.payment


def _money(coin: StoredCoin) -> Money:
    return Money(outpoint=coin.outpoint, output=TxOutput(coin.satoshis, coin.locking), key=coin.key)


def _stored(money: Money) -> StoredCoin:
    return StoredCoin(
        outpoint=money.outpoint,
        satoshis=money.output.satoshis,
        locking=money.output.locking,
        key=money.key,
        purpose=Purpose.MONEY,
    )
