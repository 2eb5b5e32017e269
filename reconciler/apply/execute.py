"""One apply, from an agreed plan to records that others can find (DESIGN §4.3, steps 4 to 10).

Up to the journal entries nothing has left but content, which is kept and reused; from then on, whatever happens, the next
apply finishes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler.apply.advance import Advance, Verifier
from reconciler.apply.announce import deliveries, untold
from reconciler.apply.batches import UNPROVEN, until_mined, until_proven
from reconciler.apply.books import Books
from reconciler.apply.broadcast import broadcast
from reconciler.apply.build import Built, build
from reconciler.apply.contents import Contents, copies_of
from reconciler.apply.contest import Judge
from reconciler.apply.deliver import Delivered, OverlayHost, deliver, undiscoverable
from reconciler.apply.draft import Draft
from reconciler.apply.events import Ending, Event, Step
from reconciler.apply.handover import Broadcaster
from reconciler.apply.pages import Pages
from reconciler.apply.paymaster import Paymaster
from reconciler.apply.prepare import PlannedTokens, ad_tokens, before, content_seed, hand_over_seed, prepare
from reconciler.apply.result import ads_after, destroyed, moved_copies, outcome
from reconciler.apply.upload import Storage, Uploaded, forgotten_of, upload_all
from reconciler.content.fetching import Fetcher
from reconciler.model.errors import OverlayError, StalePlanError
from reconciler.model.ids import Digest, Outpoint, Txid
from reconciler.model.journal import GIVEN_UP, EntryRole
from reconciler.plan.plan import Plan
from reconciler.plan.transactions import TxRole
from reconciler.store.coins import Coins
from reconciler.store.journal import JournalEntry
from reconciler.store.outbox import Delivery
from reconciler.store.published import Published
from reconciler.store.purchases import Bought
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.documents import Source


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
    """Records of this apply that a host which is not ours does not list, by host; of hosts that list all it is empty."""
    unused: tuple[Bought, ...] = ()
    """What storage hosts were paid for, now or before, and have not given; no second payment is made for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """The collaborators of one apply. `folder` is the manifests'; `halted` says whether the user asked to stop."""

    books: Books
    keys: Keys
    heir: Keys
    """Whose everything is afterwards: the same, but for a plan that rotates the identity key."""
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
    paymaster: Paymaster
    untold: tuple[Txid, ...] = ()
    """Transactions that the plan builds on and that no host has been told of, in their order."""
    unproven: int = UNPROVEN
    """Batches that may be on their way to a block when their root follows them."""

    async def execute(self, plan: Plan, *, source: Source, network_id: Digest) -> Applied:
        """Do what the plan says.

        Raises StalePlanError where files or coins are no longer those of the plan, before anything is signed;
        UnreachableError and RefusedError where content cannot be stored; from then on as broadcast does.
        """
        seed = await content_seed(self.books.database, keys=self.keys, randomness=self.randomness)
        contents = Contents(
            database=self.books.database, seed=seed, folder=self.folder, fetcher=self.fetcher, tell=self.books.tell
        )
        stored, paid = await self._store(plan, contents)
        if not plan.publishes:
            await self._keep_copies(plan, stored)
            return Applied(
                generation=plan.generation,
                txid=None,
                failed=stored.failed,
                undelivered=(),
                missing={},
                unused=tuple(self.paymaster.bought.values()),
            )
        if plan.rotation is not None:
            await hand_over_seed(self.books.database, seed, heir=self.heir, randomness=self.randomness)
        draft = await self._draft(plan, contents, seed, source, network_id)
        built = await self._build(plan, draft, paid)
        go_on(self.halted)
        for entry in await self._write_down(plan, draft, built, stored, source, place=len(plan.pays)):
            await self._commit(entry)
        delivered = await self._deliver_all()
        return Applied(
            generation=plan.generation,
            txid=_leading(built).txid,
            failed=stored.failed,
            undelivered=delivered.failed,
            missing=await self._undiscoverable({each.txid for each in built.values()}),
            unused=tuple(self.paymaster.bought.values()),
        )

    async def _store(self, plan: Plan, contents: Contents) -> tuple[Uploaded, tuple[Built, ...]]:
        """Bring the content to its hosts, which are paid if need be; returns the transactions that their money came from, too."""
        async with self.books.database.begin() as connection:
            published = Published(connection)
            live, replicas = await published.records(), await published.replicas()
        forgotten = set(forgotten_of(plan))
        moved = moved_copies(plan, replicas)
        uploads = await contents.uploads(copies_of(plan, live))
        await self.paymaster.open()
        paid = await self._advance.make_ready(plan, uploads)
        stored = await upload_all(
            uploads,
            storage=self.storage,
            counter=self.paymaster,
            now=self.now(),
            tell=self.books.tell,
            standing=[*(copy for copy in replicas if (copy.dataset, copy.host) not in forgotten), *moved],
            halted=self.halted,
            parallel=self.parallel,
        )
        return Uploaded(replicas=(*stored.replicas, *moved), failed=stored.failed), paid

    @property
    def _advance(self) -> Advance:
        return Advance(
            books=self.books,
            keys=self.keys,
            verifier=self.verifier,
            arc=self.arc,
            proofs=self.judge.proofs,
            storage=self.storage,
            paymaster=self.paymaster,
            commit=self._commit,
            halt=partial(go_on, self.halted),
            owner=self.owner,
            parallel=self.parallel,
            now=self.now,
            randomness=self.randomness,
        )

    async def _keep_copies(self, plan: Plan, stored: Uploaded) -> None:
        async with self.books.database.begin() as connection:
            published = Published(connection)
            await published.place(stored.replicas, forgotten_of(plan), at=self.now())
            await published.place_ads(ads_after(plan, None, await published.ads()))

    async def _draft(
        self, plan: Plan, contents: Contents, seed: bytes, source: Source, network_id: Digest
    ) -> Draft | None:
        """None where no record is written, not even the root's."""
        if not plan.outputs:
            return None
        return prepare(
            plan,
            await before(self.books.database),
            seed=seed,
            contents=await contents.published_by(plan),
            source=source,
            network_id=network_id,
            keys=self.heir,
            by={"machine": self.owner, "at": self.now()},
            randomness=self.randomness,
            now=self.now(),
        )

    async def _build(self, plan: Plan, draft: Draft | None, paid: Sequence[Built]) -> Mapping[str, Built]:
        """Build and sign, and check all as a stranger would, before anything is written down. By name, in order."""
        async with self.books.database.begin() as connection:
            coins = await Coins(connection).get(plan.spends)
            sources = {outpoint.txid for outpoint in plan.spends} | {each.txid for each in paid}
            ancestry = await Transactions(connection).beef(sources)
        tokens = PlannedTokens(draft, ad_tokens(plan, self.heir.identity))
        built = build(
            plan.publishes,
            tokens,
            coins,
            self.keys,
            heir=self.heir,
            plain_http=plan.network.is_toy,
            before={each.layout.name: each for each in paid},
        )
        whole = merge([ancestry, Beef.of((), [BeefTx(each.transaction) for each in built])])
        await self.verifier.all_verified(whole, [each.txid for each in built], now=self.now())
        for each in built:
            detail = f"{each.layout.name}, {len(each.transaction.raw)} bytes"
            self.books.tell(Event(step=Step.BUILD, subject=each.txid, ending=Ending.DONE, detail=detail))
        return {each.layout.name: each for each in built}

    async def _write_down(
        self,
        plan: Plan,
        draft: Draft | None,
        built: Mapping[str, Built],
        stored: Uploaded,
        source: Source,
        *,
        place: int,
    ) -> tuple[JournalEntry, ...]:
        """An entry for each transaction that must be seen before the next one leaves; the root's has all that follow it.

        `place` is the first one's in its apply.
        """
        at = self.now()
        async with self.books.database.begin() as connection:
            live_ads = await Published(connection).ads()
        if draft is None or plan.destroys:
            result = destroyed(plan, identity=self.keys.identity, commit=source.commit, at=at)
        else:
            result = outcome(
                plan,
                draft,
                built,
                stored.replicas,
                live_ads=live_ads,
                identity=self.heir.identity,
                commit=source.commit,
                at=at,
            )
        written, transactions = Pages(plan, owner=self.owner), list(built.values())
        leading = transactions.index(_leading(built))
        pages = [written.page([each], at=at, place=place + index) for index, each in enumerate(transactions[:leading])]
        published = written.page(transactions[leading:], at=at, place=place + leading, outcome=result.to_bytes())
        pages.append(published)
        return await self.books.write_down(
            pages,
            documents=draft.documents if draft is not None else (),
            deliveries=[
                *untold(self.untold, published.entry, self.hosts),
                *deliveries(draft, [each.entry for each in pages], built, self.hosts, self.outside),
            ],
            rotates=plan.rotation is not None,
        )

    async def _deliver(self) -> Delivered:
        return await deliver(
            books=self.books, hosts=self.hosts, arc=self.arc, identity=self.keys.identity, now=self.now
        )

    async def _deliver_all(self) -> Delivered:
        """What waits for a block as well, once that has come."""
        delivered = await self._deliver()
        while delivered.awaited:
            await until_proven(
                delivered.awaited, books=self.books, arc=self.arc, proofs=self.judge.proofs, now=self.now
            )
            delivered = await self._deliver()
        return delivered

    async def _commit(self, entry: JournalEntry) -> None:
        await until_mined(
            entry, books=self.books, arc=self.arc, proofs=self.judge.proofs, now=self.now, most=self.unproven
        )
        ended = await broadcast(
            entry,
            books=self.books,
            arc=self.arc,
            judge=self.judge,
            hosts=self.hosts,
            now=self.now,
            patience=self.patience,
        )
        if ended.state in GIVEN_UP:
            raise StalePlanError(
                "the network did not take the transaction; nothing was published, and its coins are free again",
                where=ended.id,
                hint="plan again",
            )
        if ended.role is EntryRole.LOCK:
            await self._deliver()  # whoever looks now must see that somebody applies

    async def _undiscoverable(self, made: Collection[Txid]) -> dict[str, frozenset[Outpoint]]:
        """Of what these transactions have published. What was there before has been looked for then; `--refresh` does it again."""
        new = await self.books.database.read(lambda connection: Published(connection).made_by(made))
        if not new:
            return {}
        return await undiscoverable(new, identity=self.heir.identity, hosts=self.outside, tell=self.books.tell)


def _leading(built: Mapping[str, Built]) -> Built:
    """The one that the others stand or fall with: the root; where nothing but advertisements is left to destroy, theirs."""
    return built.get(TxRole.ROOT) or built[TxRole.ADS]
