"""What our own database says is live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.model.ids import Address, Digest, Outpoint, Txid
from reconciler.model.journal import EntryRole
from reconciler.model.observed import ObservedRoot
from reconciler.observe.unfinished import Live, as_if_finished
from reconciler.store.coins import Coins
from reconciler.store.database import Database
from reconciler.store.journal import Journal, JournalEntry
from reconciler.store.outbox import Outbox
from reconciler.store.published import Published
from reconciler.store.purchases import Purchases


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What our own database says, as of when the next apply has recovered."""

    live: Live
    unfinished: tuple[JournalEntry, ...]
    """What an earlier apply left behind."""
    edited: tuple[Address, ...]
    """Objects whose rows somebody else than an apply has changed."""
    owed: frozenset[str]
    """The hosts that have, or then will have, not been told all of that state."""
    void: frozenset[Txid]
    """Transactions of ours that lost, or were never sent."""
    bound: frozenset[str]
    """Unfinished entries that follow a lock which has left: they will be sent, whatever their state."""
    locks: frozenset[Txid]
    """The locks of large sets that are unfinished here: roots that are pending by our own doing."""
    strays: tuple[Outpoint, ...]
    """Record tokens of ours that are unspent though nothing live is recorded of them."""

    fingerprint: Digest
    """Of the rows that records and copies stand in."""
    is_unread: bool = False
    """Whether those were trusted by it: `live` has neither then, and `edited` nothing."""

    @property
    def root(self) -> ObservedRoot | None:
        """The live root."""
        return self.live.root


class Unread(Mapping[Any, Any], Sequence[Any]):
    """Rows that were not read, since they are those that somebody has read before. Whoever looks at one all the same is wrong."""

    def __getitem__(self, key: object) -> Any:
        raise TypeError("these rows were not read")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("these rows were not read")

    def __len__(self) -> int:
        raise TypeError("these rows were not read")


async def recorded(database: Database, trusted: Digest | None = None) -> Recorded:
    """Read what this machine believes is live.

    Records and copies are left unread where their rows have the fingerprint that is trusted, and nothing is unfinished.
    """
    async with database.reading() as connection:
        published, wallet, journal = Published(connection), Coins(connection), Journal(connection)
        unfinished, void = await journal.unfinished(), await journal.void()
        bound, locks = await journal.bound(), await journal.locks()
        strays = () if is_under_way(unfinished) else await wallet.strays()
        fingerprint = await published.fingerprint()
        is_unread = fingerprint == trusted and not unfinished
        live = Live(
            root=await published.root(),
            records=_UNREAD if is_unread else await published.records(),
            replicas=_UNREAD if is_unread else await published.replicas(),
            ads=await published.ads(),
            coins=await wallet.spendable(),
            paid=frozenset(bought.good for bought in await Purchases(connection).open()),
        )
        edited = () if is_unread else await published.edited()
        if unfinished:
            outcomes = {entry.id: await journal.outcome(entry.id) for entry in unfinished if entry.publishes}
            live = as_if_finished(live, unfinished, bound, await wallet.all(), outcomes)
        owed = set(await Outbox(connection).pending_hosts(entry.id for entry in unfinished))
    return Recorded(
        live=live,
        unfinished=unfinished,
        owed=frozenset(owed),
        void=void,
        edited=edited,
        bound=bound,
        locks=locks,
        strays=strays,
        fingerprint=fingerprint,
        is_unread=is_unread,
    )


def is_under_way(unfinished: Iterable[JournalEntry]) -> bool:
    """Whether what is published is about to change; a payment of storage may wait for its host for long."""
    return any(entry.role is not EntryRole.PAYMENT for entry in unfinished)


_UNREAD: Final = Unread()
