"""One apply, from an agreed plan to records that others can find (DESIGN §4.3, steps 4 to 10).

Up to the journal entry nothing has left but content, which is kept and reused; from the entry on, whatever happens, the next
apply finishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler.apply.books import Books
from reconciler.apply.broadcast import Broadcaster, broadcast
from reconciler.apply.build import build, created_coins, spendable
from reconciler.apply.contest import Judge
from reconciler.apply.deliver import CATALOG_TOPIC, OverlayHost, deliver, undiscoverable
from reconciler.apply.draft import Draft
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.prepare import before, content_seed, outcome, prepare
from reconciler.apply.upload import Storage, check_files, forgotten_of, upload_all, uploads_of
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StalePlanError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.model.journal import JournalState
from reconciler.model.observed import ObservedReplica
from reconciler.plan.document import plan_id
from reconciler.plan.plan import Plan
from reconciler.store.coins import Coins
from reconciler.store.journal import JournalEntry
from reconciler.store.outbox import Delivery
from reconciler.store.published import Published
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import Source
from reconciler.wire.transaction import Transaction


class Verifier(Protocol):
    """SPV against the chain's headers."""

    async def verified(self, beef: Beef, subject: Txid, *, now: int) -> object:
        """Raises VerificationError where the transaction would not be believed."""
        ...


def go_on(halted: Callable[[], bool]) -> None:
    """Between two steps: raises KeyboardInterrupt where the user has asked to stop."""
    if halted():
        raise KeyboardInterrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an apply achieved."""

    generation: int
    txid: Txid | None
    """None where only copies of content changed."""
    undelivered: tuple[Delivery, ...]
    """What some host has not got yet; it stays in the outbox."""
    missing: Mapping[str, frozenset[Outpoint]]
    """Live records that a host which is not ours does not list, by host; hosts that list all are not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """The collaborators of one apply. `folder` is the manifests'; `halted` says whether the user asked to stop."""

    books: Books
    keys: Keys
    arc: Broadcaster
    verifier: Verifier
    hosts: Mapping[str, OverlayHost]
    outside: Mapping[str, OverlayHost]
    """Those of `hosts` that are not ours."""
    storage: Mapping[str, Storage]
    folder: Path
    owner: str
    now: Callable[[], int]
    randomness: Callable[[int], bytes]
    halted: Callable[[], bool]
    judge: Judge
    patience: float
    """Seconds until a contest that is not decided is left to the next apply."""

    async def execute(self, plan: Plan, *, source: Source, network_id: Digest) -> Applied:
        """Do what the plan says.

        Raises StalePlanError where files or coins are no longer those of the plan, before anything is signed;
        UnreachableError and RefusedError where content cannot be stored; from then on as broadcast does.
        """
        replicas = await self._store(plan)
        if plan.cost.transactions == 0:
            return await self._keep_copies(plan, replicas)
        seed = await content_seed(self.books.database, keys=self.keys, randomness=self.randomness)
        draft = prepare(
            plan,
            await before(self.books.database),
            seed=seed,
            source=source,
            network_id=network_id,
            keys=self.keys,
            randomness=self.randomness,
        )
        transaction = await self._build(plan, draft)
        go_on(self.halted)
        await self._commit(await self._write_down(plan, draft, transaction, replicas, source))
        delivered = await deliver(books=self.books, hosts=self.hosts, now=self.now)
        return Applied(
            generation=plan.generation,
            txid=transaction.txid,
            undelivered=delivered.failed,
            missing=await self._undiscoverable(),
        )

    async def _store(self, plan: Plan) -> tuple[ObservedReplica, ...]:
        uploads = uploads_of(plan, self.folder)
        await check_files(uploads)
        return await upload_all(uploads, storage=self.storage, now=self.now(), tell=self.books.tell, halted=self.halted)

    async def _keep_copies(self, plan: Plan, replicas: Sequence[ObservedReplica]) -> Applied:
        async with self.books.database.begin() as connection:
            await Published(connection).place(replicas, forgotten_of(plan), at=self.now())
        return Applied(generation=plan.generation, txid=None, undelivered=(), missing={})

    async def _commit(self, entry: JournalEntry) -> None:
        ended = await broadcast(
            entry, books=self.books, arc=self.arc, judge=self.judge, now=self.now, patience=self.patience
        )
        if ended.state is JournalState.VOID:
            raise StalePlanError(
                "the network did not take the transaction; nothing was published, and its coins are free again",
                where=ended.id,
                hint="plan again",
            )

    async def _build(self, plan: Plan, draft: Draft) -> Transaction:
        """Build, sign, and check as a stranger would, before anything is written down."""
        async with self.books.database.begin() as connection:
            coins = await Coins(connection).get(plan.spends)
            ancestry = await Transactions(connection).beef({outpoint.txid for outpoint in plan.spends})
        gone = [str(outpoint) for outpoint in plan.spends if outpoint not in coins]
        if gone:
            raise StalePlanError("a coin of the plan is not in the wallet any more", where=gone[0], hint="plan again")
        spent = [spendable(coins[outpoint]) for outpoint in plan.spends]
        transaction = build(draft, spent, fee=Satoshis(plan.cost.fee_satoshis), size=plan.cost.bytes, keys=self.keys)
        whole = merge([ancestry, Beef.of((), [BeefTx(transaction)])])
        await self.verifier.verified(whole, transaction.txid, now=self.now())
        size = f"{len(transaction.raw)} bytes"
        self.books.tell(Event(step=Step.BUILD, subject=transaction.txid, ending=Ending.DONE, detail=size))
        return transaction

    async def _write_down(
        self,
        plan: Plan,
        draft: Draft,
        transaction: Transaction,
        replicas: Sequence[ObservedReplica],
        source: Source,
    ) -> JournalEntry:
        at = self.now()
        entry = JournalEntry(
            id=transaction.txid,
            plan_id=plan_id(plan),
            generation=plan.generation,
            txids=(transaction.txid,),
            outcome=outcome(plan, draft, transaction, replicas, commit=source.commit, keys=self.keys, at=at).to_bytes(),
            owner=self.owner,
            note=" ".join(plan.overrides),
            created=at,
            updated=at,
        )
        await self.books.write_down(
            entry,
            transaction=transaction,
            created=created_coins(transaction, draft),
            documents=draft.documents,
            deliveries=[
                Delivery(
                    entry=entry.id,
                    host=host,
                    txid=transaction.txid,
                    topics=(CATALOG_TOPIC,),
                    documents=tuple(sha256_hex(document) for document in draft.documents),
                )
                for host in self.hosts
            ],
        )
        return entry

    async def _undiscoverable(self) -> dict[str, frozenset[Outpoint]]:
        async with self.books.database.begin() as connection:
            root, records = await Published(connection).root(), await Published(connection).records()
        live = [record.outpoint for record in records.values()] + ([root.record.outpoint] if root else [])
        return await undiscoverable(live, identity=self.keys.identity, hosts=self.outside, tell=self.books.tell)
