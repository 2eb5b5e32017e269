"""What buying needs of others, so that nobody needs a database of ours: books that forget nothing, and a network.

`consumer.books.DatabaseBooks` and `consumer.surroundings.Surroundings` are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Digest, IdentityKey, Outpoint, Txid
from reconciler.model.keys import FUNDING_KEY, KeyRef
from reconciler.model.order import Order, OrderEvent, Sighting
from reconciler.store.coins import Balance
from reconciler.wire.beef import Beef
from reconciler.wire.transaction import Transaction, TxOutput

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """A coin of ours, as it takes to spend it."""

    outpoint: Outpoint
    output: TxOutput
    key: KeyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A signed transaction that pays for an order."""

    transaction: Transaction
    paid: Satoshis
    """To others."""
    fee: Satoshis
    change: Money | None = None
    """What comes back."""


def midnight(at: int) -> int:
    """When the day (UTC) began that `at` lies in; unix seconds."""
    return at - at % _DAY


class Books(Protocol):
    """A buyer's memory: orders, payments, coins, and the roots that were seen.

    Whatever a call says is durable when it returns: all of it, or nothing. Times are unix seconds.
    """

    async def order(self, name: str) -> Order | None:
        """The order with this id."""
        ...

    async def orders(self, *, since: int = 0) -> tuple[Order, ...]:
        """All orders, oldest first, or those that were created since."""
        ...

    async def left(self) -> tuple[Order, ...]:
        """Those that are quoted or being paid for."""
        ...

    async def add(self, order: Order) -> None:
        """Write a new order down."""
        ...

    async def move(self, order: Order, event: OrderEvent, **changes: object) -> Order:
        """Move an order on, changing some of its fields. Raises LockedError where another process moved it meanwhile."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Hold the purse for the block: between choosing coins and having written them down, nobody else chooses."""
        ...

    async def money(self, order: Order) -> tuple[Sequence[Money], Sequence[Money]]:
        """What a payment for this order must spend, and what else it may, in the order in which it is to be taken.

        It must spend the coins of payments for the same good that nobody took, and that may yet be mined: so that at most one
        of them ever is. Raises LockedError where the same good is being paid for already, or where that cannot be made sure.
        """
        ...

    async def pay(self, order: Order, payment: Payment, *, budget: Satoshis | None, **changes: object) -> Order:
        """Write a signed payment down, with every coin that it locks, before a byte of it leaves; the order is *paying*.

        Raises LockedError where a coin is not free any more, or the same good is being paid for already, and GuardError where
        the `budget` of the day (UTC) does not allow it, fees included.
        """
        ...

    async def leaving(self, order: Order, to: str) -> None:
        """Bytes of the order's payment are about to leave for an origin."""
        ...

    async def turned_down(self, order: Order, by: str, code: str) -> None:
        """An origin said no to the order's payment."""
        ...

    async def beef(self, txids: Iterable[Txid]) -> Beef:
        """Payments, or what made our coins, with their ancestry."""
        ...

    async def broadcast(self, order: Order) -> str:
        """Hand the order's payment to the network as well; what that makes of it, in words. Never raises for its silence."""
        ...

    async def give_up(self, order: Order) -> bool:
        """Let the coins of a payment be spent again that its gateway turned down, if nobody else has it; whether they may."""
        ...

    async def recover(self) -> None:
        """Finish what a dead process left: free what never left, look after what did, and take in proofs."""
        ...

    async def spent_since(self, at: int) -> Satoshis:
        """What was paid since then, or may have been, fees included."""
        ...

    async def sighting(self, producer: IdentityKey) -> Sighting | None:
        """The newest root of a producer that was seen here."""
        ...

    async def see(self, sighting: Sighting) -> None:
        """Remember a root, unless a later one is known."""
        ...

    async def document(self, digest: Digest) -> bytes | None:
        """A document that was kept, by its hash."""
        ...

    async def keep(self, document: bytes) -> None:
        """Keep a document."""
        ...

    async def receive(self, beef: Beef, txid: Txid, *, key: KeyRef = FUNDING_KEY) -> Satoshis:
        """Keep what a transaction pays to the wallet's address, or another key, once verified; the sum. Again changes nothing."""
        ...

    async def receive_unspent(self) -> tuple[Satoshis, Sequence[str]]:
        """Keep what an index knows to be paid to the address and not spent; the sum, and a sentence about what cannot be had."""
        ...

    async def balance(self) -> Balance:
        """The money there is."""
        ...
