"""One apply, from an agreed plan to records that others can find (DESIGN §4.3, steps 4 to 10).

Up to the journal entries nothing has left but content, which is kept and reused; from then on, whatever happens, the next
apply finishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler.apply.books import Books, Page
from reconciler.apply.broadcast import Broadcaster, broadcast
from reconciler.apply.build import Builder, Built
from reconciler.apply.contents import Contents, copies_of
from reconciler.apply.contest import Judge
from reconciler.apply.deliver import AD_TOPICS, CATALOG_TOPIC, OverlayHost, deliver, undiscoverable
from reconciler.apply.draft import Draft
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.prepare import ad_tokens, before, content_seed, prepare
from reconciler.apply.result import ads_after, destroyed, moved_copies, outcome
from reconciler.apply.upload import Storage, Uploaded, forgotten_of, upload_all
from reconciler.content.fetching import Fetcher
from reconciler.model.errors import OverlayError, StalePlanError
from reconciler.model.ids import Address, AdProtocol, Digest, Outpoint, Txid
from reconciler.model.journal import JournalState
from reconciler.plan.document import plan_id
from reconciler.plan.plan import Plan
from reconciler.plan.transactions import TxRole
from reconciler.store.coins import Coins
from reconciler.store.journal import JournalEntry
from reconciler.store.outbox import Delivery
from reconciler.store.published import Published
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import Source


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
    """Of the root transaction; None where only copies of content or rows changed."""
    failed: Mapping[str, OverlayError]
    """Copies that could not be made, by address, though enough others were; the next apply makes them."""
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
    fetcher: Fetcher | None
    """Gets pinned bytes that are not on this machine."""
    folder: Path
    parallel: int
    """Copies of content that are made at the same time."""
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
        seed = await content_seed(self.books.database, keys=self.keys, randomness=self.randomness)
        contents = Contents(
            database=self.books.database, seed=seed, folder=self.folder, fetcher=self.fetcher, tell=self.books.tell
        )
        stored = await self._store(plan, contents)
        if not plan.transactions:
            await self._keep_copies(plan, stored)
            return Applied(generation=plan.generation, txid=None, failed=stored.failed, undelivered=(), missing={})
        builder = await self._builder(plan)
        anchor = builder.anchor()
        draft = None
        if not plan.destroys:
            if anchor is None:
                raise StalePlanError("the plan has no coin to sign with", hint="fund the wallet and plan again")
            draft = prepare(
                plan,
                await before(self.books.database),
                anchor=anchor,
                seed=seed,
                contents=await contents.published_by(plan),
                source=source,
                network_id=network_id,
                keys=self.keys,
                randomness=self.randomness,
            )
        built = await self._finish(plan, builder, draft)
        go_on(self.halted)
        for entry in await self._write_down(plan, draft, built, stored, source):
            await self._commit(entry)
        delivered = await deliver(
            books=self.books, hosts=self.hosts, arc=self.arc, identity=self.keys.identity, now=self.now
        )
        return Applied(
            generation=plan.generation,
            txid=_leading(built).transaction.txid,
            failed=stored.failed,
            undelivered=delivered.failed,
            missing=await self._undiscoverable(),
        )

    async def _store(self, plan: Plan, contents: Contents) -> Uploaded:
        async with self.books.database.begin() as connection:
            published = Published(connection)
            live, replicas = await published.records(), await published.replicas()
        forgotten = set(forgotten_of(plan))
        moved = moved_copies(plan, replicas)
        uploads = await contents.uploads(copies_of(plan, live))
        stored = await upload_all(
            uploads,
            storage=self.storage,
            now=self.now(),
            tell=self.books.tell,
            standing=[*(copy for copy in replicas if (copy.dataset, copy.host) not in forgotten), *moved],
            halted=self.halted,
            parallel=self.parallel,
        )
        return Uploaded(replicas=(*stored.replicas, *moved), failed=stored.failed)

    async def _keep_copies(self, plan: Plan, stored: Uploaded) -> None:
        async with self.books.database.begin() as connection:
            published = Published(connection)
            await published.place(stored.replicas, forgotten_of(plan), at=self.now())
            await published.place_ads(ads_after(plan, None, await published.ads()))

    async def _builder(self, plan: Plan) -> Builder:
        async with self.books.database.begin() as connection:
            coins = await Coins(connection).get(plan.spends)
        return Builder(plan, coins, self.keys, plain_http=plan.network.is_toy)

    async def _finish(self, plan: Plan, builder: Builder, draft: Draft | None) -> Mapping[TxRole, Built]:
        """Build what is left, sign, and check all as a stranger would, before anything is written down."""
        records = {Address.of_record(token.id): token for token in draft.tokens} if draft is not None else {}
        built = builder.finish({**records, **ad_tokens(plan, self.keys.identity)})
        async with self.books.database.begin() as connection:
            ancestry = await Transactions(connection).beef({outpoint.txid for outpoint in plan.spends})
        whole = merge([ancestry, Beef.of((), [BeefTx(each.transaction) for each in built])])
        for each in built:
            txid = each.transaction.txid
            await self.verifier.verified(whole, txid, now=self.now())
            detail = f"{each.role}, {len(each.transaction.raw)} bytes"
            self.books.tell(Event(step=Step.BUILD, subject=txid, ending=Ending.DONE, detail=detail))
        return {each.role: each for each in built}

    async def _write_down(
        self, plan: Plan, draft: Draft | None, built: Mapping[TxRole, Built], stored: Uploaded, source: Source
    ) -> tuple[JournalEntry, ...]:
        """Two entries at most: the splitter's, which publishes nothing and stays valid should the root lose; the rest."""
        at = self.now()
        async with self.books.database.begin() as connection:
            live_ads = await Published(connection).ads()
        if draft is None:
            result = destroyed(plan, identity=self.keys.identity, commit=source.commit, at=at)
        else:
            result = outcome(
                plan,
                draft,
                built,
                stored.replicas,
                live_ads=live_ads,
                identity=self.keys.identity,
                commit=source.commit,
                at=at,
            )
        pages = []
        if TxRole.SPLITTER in built:
            pages.append(self._page(plan, [built[TxRole.SPLITTER]], b"", at))
        rest = [built[role] for role in (TxRole.ROOT, TxRole.ADS) if role in built]
        pages.append(self._page(plan, rest, result.to_bytes(), at))
        documents = draft.documents if draft is not None else ()
        await self.books.write_down(pages, documents=documents, deliveries=self._deliveries(documents, built))
        return tuple(page.entry for page in pages)

    def _page(self, plan: Plan, built: list[Built], result: bytes, at: int) -> Page:
        entry = JournalEntry(
            id=built[0].transaction.txid,
            plan_id=plan_id(plan),
            generation=plan.generation if result else plan.generation - 1,  # a splitter goes before its root
            txids=tuple(each.transaction.txid for each in built),
            outcome=result,
            owner=self.owner,
            note=" ".join(plan.overrides),
            created=at,
            updated=at,
        )
        return Page(
            entry=entry,
            transactions=tuple(each.transaction for each in built),
            created=tuple(coin for each in built for coin in each.created),
        )

    def _deliveries(self, documents: tuple[bytes, ...], built: Mapping[TxRole, Built]) -> list[Delivery]:
        root, found = _leading(built).transaction.txid, []
        if TxRole.ROOT in built:
            digests = tuple(sha256_hex(document) for document in documents)
            found += [
                Delivery(entry=root, host=host, txid=root, topics=(CATALOG_TOPIC,), documents=digests)
                for host in self.hosts
            ]
        if TxRole.ADS in built:
            ads = built[TxRole.ADS].transaction.txid
            topics = tuple(AD_TOPICS[protocol] for protocol in AdProtocol)
            found += [Delivery(entry=root, host=host, txid=ads, topics=topics) for host in self.outside]
        return found

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

    async def _undiscoverable(self) -> dict[str, frozenset[Outpoint]]:
        async with self.books.database.begin() as connection:
            root, records = await Published(connection).root(), await Published(connection).records()
        live = [record.outpoint for record in records.values()] + ([root.record.outpoint] if root else [])
        if not live:
            return {}
        return await undiscoverable(live, identity=self.keys.identity, hosts=self.outside, tell=self.books.tell)


def _leading(built: Mapping[TxRole, Built]) -> Built:
    """The one that the others stand or fall with: the root; where nothing but advertisements is left to destroy, theirs."""
    return built.get(TxRole.ROOT) or built[TxRole.ADS]
