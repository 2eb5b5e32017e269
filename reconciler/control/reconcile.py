"""One reconciliation: observe, plan, agree, apply. `plan`, `apply` and `watch` are this and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from reconciler import __version__
from reconciler.apply.books import Books
from reconciler.apply.broadcast import PATIENCE
from reconciler.apply.contest import Judge
from reconciler.apply.deliver import Delivered
from reconciler.apply.events import Tell
from reconciler.apply.execute import Executor, go_on
from reconciler.apply.handover import Courier
from reconciler.apply.lease import apply_lease, this_process
from reconciler.apply.paymaster import Paymaster
from reconciler.apply.prove import settle
from reconciler.apply.receiving import funding_address, receive_unspent
from reconciler.apply.recover import recover
from reconciler.clients.host import HostClient
from reconciler.content.fetching import Fetcher
from reconciler.control.binding import bind, check_identity, check_world, claim
from reconciler.control.consent import approving, check_guards, check_heir, check_owner, check_seen
from reconciler.control.funding import take_from_faucet
from reconciler.control.mend import submit_again
from reconciler.control.planned import Agree, Finished, Planned
from reconciler.control.quotes import priced
from reconciler.control.rebuild import keep_ads, refill, write_down, write_rows
from reconciler.control.remembered import ForgottenError, Memory, Remembered
from reconciler.control.revenue import Collected, Revenue
from reconciler.control.rotation import signers
from reconciler.control.source import Provenance
from reconciler.control.world import World
from reconciler.model.amounts import Satoshis
from reconciler.model.desired import DesiredState, StorageHost
from reconciler.model.errors import RefusedError, StalePlanError
from reconciler.model.ids import Digest, IdentityKey
from reconciler.model.networks import FAUCET_SATOSHIS
from reconciler.model.observed import ListedAd, Snapshot
from reconciler.model.parallel import PARALLEL
from reconciler.observe.roots import read_roots
from reconciler.observe.snapshot import Look, Observation, Observer
from reconciler.plan.guards import GuardName
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Meta, Plan, make_destroy_plan, make_plan, make_unlock_plan
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.leases import Lease
from reconciler.store.published import Published
from reconciler.wallet.keys import Keys
from reconciler.wire.documents import Source


class PlanMaker(Protocol):
    """`make_plan`, `make_destroy_plan` or `make_unlock_plan`."""

    def __call__(self, desired: DesiredState, snapshot: Snapshot, options: PlanOptions, *, meta: Meta) -> Plan:
        """The plan. Pure."""
        ...


_HAS_ROTATED: Final = "the identity key is rotated: let identity.key name the new one now, and drop identity.rotation"

LOCK_SECONDS: Final = 30.0
"""How long apply waits for the lease by default."""
_READINGS: Final = 3
"""How often what is live is read again when it changes meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """One producer on one network, with everything that a reconciliation needs."""

    world: World
    database: Database
    keys: Keys
    successor: Keys | None = None
    """The identity key that the manifests rotate to (PROTOCOL §10)."""
    folder: Path
    """The manifests'."""
    provenance: Provenance
    clock: Callable[[], float]
    randomness: Callable[[int], bytes]
    tell: Tell
    has_rotated: bool = False
    """That key is `keys` by now: the manifests have not been told yet."""
    incumbent: IdentityKey | None = None
    """The identity that this machine's first database belongs to, where this one's is another beside it."""
    revenue: Revenue | None = None
    """Reads what the gateway has settled; None where the manifests name no gateway."""
    fetcher: Fetcher | None = None
    """Gets pinned bytes that are not on this machine."""
    parallel: int = PARALLEL
    """Copies of content that are made at the same time."""
    memory: Memory | None = None
    """Remembers that there was nothing to do."""
    contest_patience: float = PATIENCE
    """Seconds that apply waits for a contest of coins to be decided."""

    async def plan(self, desired: DesiredState, options: PlanOptions, *, refresh: bool = False) -> Planned:
        """What would change. A wallet that has not enough looks for coins that were paid to it.

        On toy networks it is then filled from the faucet, and that is said. With `refresh` everything is read anew.
        """
        speaking = await self._speaking()
        return await speaking._plan(desired, _Wish(make_plan, options, refresh=refresh))  # noqa: SLF001 - itself

    async def apply(
        self,
        desired: DesiredState,
        options: PlanOptions,
        *,
        agree: Agree,
        halted: Callable[[], bool],
        patience: float = LOCK_SECONDS,
        refresh: bool = False,
        approved: Digest | None = None,
    ) -> Finished:
        """Make it so; `halted` says, before each step, whether the user asked to stop.

        With `approved`, the id of a plan, nobody is asked: it goes on only if the plan made now is that one. Raises
        KeyboardInterrupt; LockedError; GuardError before anything irreversible; StalePlanError where the world moved between
        plan and agreement; and what execution raises.
        """
        wish = _Wish(make_plan, options, refresh=refresh)
        return await self._reconcile(desired, wish, approving(approved, agree), halted, patience)

    async def destroy(
        self,
        desired: DesiredState,
        options: PlanOptions,
        *,
        agree: Agree,
        halted: Callable[[], bool],
        patience: float = LOCK_SECONDS,
    ) -> Finished:
        """Leave nothing: every record, advertisement and copy goes, and the root. Raises as `apply` does."""
        return await self._reconcile(desired, _Wish(make_destroy_plan, options), agree, halted, patience)

    async def unlock(
        self,
        desired: DesiredState,
        options: PlanOptions,
        *,
        agree: Agree,
        halted: Callable[[], bool],
        patience: float = LOCK_SECONDS,
    ) -> Finished:
        """Give the lock of a large set back that another machine began and will not finish. Raises as `apply` does.

        What this machine began itself is finished instead, unless the network does not take it. Raises StateError where no
        root is held then.
        """
        wish = _Wish(make_unlock_plan, options, pending=True)
        return await self._reconcile(desired, wish, agree, halted, patience)

    async def execute_plan(self, plan: Plan, *, halted: Callable[[], bool], patience: float = LOCK_SECONDS) -> Finished:
        """Do exactly what a plan says that was made before. Nobody is asked.

        Raises StalePlanError where it was made for another identity, network or state of the world than there is now; else as
        `apply` does.
        """
        check_owner(plan, self.keys.identity, self.world.network)
        async with self.lease(patience, halted=halted) as lease:
            recovered = await self._recover(lease)
            go_on(halted)
            return await (await self._speaking())._execute_plan(plan, lease, halted, recovered)  # noqa: SLF001 - itself

    async def _execute_plan(
        self, plan: Plan, lease: Lease, halted: Callable[[], bool], recovered: Delivered
    ) -> Finished:
        check_owner(plan, self.keys.identity, self.world.network)
        check_heir(plan, self.successor)
        network_id = await self._prepare()
        observation = await self._observe(plan.storage_hosts, plan.ads, network_id, refresh=bool(plan.drift))
        check_seen(plan, observation)
        check_guards(plan)
        planned = Planned(plan=plan, observation=observation, network_id=network_id, funded=Satoshis(0))
        return await self._execute(planned, lease, halted, recovered)

    async def keep_up(self, *, halted: Callable[[], bool], patience: float = LOCK_SECONDS) -> Delivered:
        """What needs no manifests: finish, prove, send again and deliver what was applied before. Raises as `apply` does."""
        async with self.lease(patience, halted=halted) as lease:
            return await self._recover(lease)

    async def _reconcile(
        self,
        desired: DesiredState,
        wish: _Wish,
        agree: Agree,
        halted: Callable[[], bool],
        patience: float,
    ) -> Finished:
        async with self.lease(patience, halted=halted) as lease:
            try:
                recovered = await self._recover(lease)
            except RefusedError:
                if not wish.pending:
                    raise
                recovered = await self._recover(lease, gives_up=True)
            go_on(halted)
            speaking = await self._speaking()
            return await speaking._carry_out(  # noqa: SLF001 - itself
                desired, wish, agree, halted=halted, lease=lease, recovered=recovered
            )

    async def _carry_out(
        self,
        desired: DesiredState,
        wish: _Wish,
        agree: Agree,
        *,
        halted: Callable[[], bool],
        lease: Lease,
        recovered: Delivered,
    ) -> Finished:
        planned = await self._plan(desired, wish)
        go_on(halted)
        if planned.plan.is_empty:
            await self._keep_found(planned)
            await self._collect_where_it_runs()
            await self._collect_from_running()
            return Finished(planned=planned, applied=None, agreed=True, recovered=recovered)
        check_guards(planned.plan)
        if not await agree(planned):
            return Finished(planned=planned, applied=None, agreed=False, recovered=recovered)
        await self._check_root(planned.plan)
        return await self._execute(planned, lease, halted, recovered, hosts=desired.storage_hosts)

    async def _speaking(self) -> Reconciler:
        """This one, as it is when the key that the manifests rotate to has taken over, or has not: that is known only now."""
        if self.successor is None:
            return self
        found = await signers(
            self.keys,
            self.successor,
            database=self.database,
            hosts=self.world.outside,
            verifier=self.world.headers,
            now=self._now(),
        )
        return replace(self, keys=found.keys, successor=found.successor, has_rotated=found.successor is None)

    async def _execute(
        self,
        planned: Planned,
        lease: Lease,
        halted: Callable[[], bool],
        recovered: Delivered,
        hosts: Sequence[StorageHost] = (),
    ) -> Finished:
        await self._keep_found(planned)
        executor = self._executor(planned.plan, hosts or planned.plan.storage_hosts, lease, halted)
        applied = await replace(executor, untold=planned.observation.untold).execute(
            planned.plan, source=self._source(), network_id=planned.network_id
        )
        await submit_again(
            planned.observation.snapshot.drifted, database=self.database, hosts=self.world.hosts, tell=self.tell
        )
        await self._collect_from_running()
        return Finished(planned=planned, applied=applied, agreed=True, recovered=recovered)

    async def _recover(self, lease: Lease, *, gives_up: bool = False) -> Delivered:
        await check_world(self.database, network=self.world.network, network_id=await self.world.headers.network_id())
        return await recover(
            books=self._books(lease),
            arc=self._courier,
            judge=self._judge,
            hosts=self.world.hosts,
            identity=self.keys.identity,
            paymaster=self._paymaster(lease),
            now=self._now,
            patience=self.contest_patience,
            gives_up=gives_up,
        )

    async def _prepare(self) -> Digest:
        """What must hold before anything is compared: whose database it is, on which chain; proofs are taken in."""
        await check_identity(self.database, self.keys.identity)
        await claim(self.database, producer=self.keys.identity, reader=self.keys.identity)
        network_id = await self.world.headers.network_id()
        await bind(self.database, network=self.world.network, network_id=network_id, identity=self.keys.identity)
        await settle(books=self._books(None), arc=self.world.arc, proofs=self.world.headers, now=self._now)
        return network_id

    async def _bound_identity(self) -> IdentityKey:
        """Whose records this machine has: as long as this identity has applied nothing, another one's that was here first."""
        if self.incumbent is None:
            return self.keys.identity
        async with self.database.reading() as connection:
            has_applied = await Journal(connection).list(1) or await Published(connection).root()
        return self.keys.identity if has_applied else self.incumbent

    async def _plan(self, desired: DesiredState, wish: _Wish) -> Planned:
        network_id = await self._prepare()
        successor = None if self.successor is None else self.successor.identity
        facts = replace(wish.options, bound_identity=await self._bound_identity(), successor=successor)
        wish = replace(wish, options=facts)
        planned = await self._compare(desired, wish, network_id)
        if not planned.lacks(GuardName.COINS):
            return planned
        found = await self._find_coins()
        if found.satoshis:  # without another coin it would be the same plan
            planned = await self._compare(desired, wish, network_id)
        planned = planned.warned(found.doubts)
        if not planned.lacks(GuardName.COINS) or planned.lacks(GuardName.IDENTITY) or self.world.faucet is None:
            return planned
        funded = await self._fund(planned.plan)
        return replace(await self._compare(desired, wish, network_id), funded=funded)

    async def _collect_from_running(self) -> None:
        """Take in what the gateway has settled, if it is up: for the next apply. What does not come is asked for when coins want."""
        if self.revenue is not None and self.world.own.url == self.revenue.url:  # it has answered
            await self._collect()

    async def _find_coins(self) -> Collected:
        """Take in what the gateway has settled, and what was paid to the wallet's address."""
        collected = await self._collect()
        received, _ = await receive_unspent(
            self.world.index,
            keys=self.keys,
            network=self.world.network,
            database=self.database,
            verifier=self.world.headers,
            now=self._now(),
        )
        return Collected(Satoshis(collected.satoshis + received), collected.doubts)

    async def _collect(self) -> Collected:
        """Take in what the gateway has settled; sentences about what could not be had."""
        async with self.database.reading() as connection:
            root = await Published(connection).root()
        if self.revenue is None or root is None:
            return Collected(Satoshis(0), ())
        return await self.revenue.collect(root.gateway_key)

    async def _collect_where_it_runs(self) -> None:
        """For the next apply, where the gateway has answered; what does not come now is asked for when coins are wanting."""
        if self.revenue is not None and self.world.own.url == self.revenue.url:
            await self._collect()

    @asynccontextmanager
    async def lease(self, patience: float, *, halted: Callable[[], bool] = lambda: False) -> AsyncIterator[Lease]:
        """Hold the apply lease of this database; stop waiting for it when `halted` (KeyboardInterrupt)."""
        owner = this_process(self.randomness(8).hex())
        async with apply_lease(
            self.database, owner, now=self._now, patience=patience, waiting=lambda: go_on(halted)
        ) as lease:
            yield lease

    async def _compare(self, desired: DesiredState, wish: _Wish, network_id: Digest) -> Planned:
        """Compare, unless the answer is known to be that there is nothing to do."""
        if self.memory is None or wish.make is not make_plan or wish.refresh:
            return await self._compared(desired, wish, network_id)
        known = await asyncio.to_thread(self.memory.find, desired, self.keys.identity, self._now())
        try:
            return await self._compared(desired, wish, network_id, known)
        except ForgottenError:
            return await self._compared(desired, wish, network_id)

    async def _compared(
        self, desired: DesiredState, wish: _Wish, network_id: Digest, known: Remembered | None = None
    ) -> Planned:
        wanted = tuple(ListedAd(protocol=ad.protocol, name=ad.name, url=ad.url) for ad in desired.ads)
        observation = await self._observe(
            desired.storage_hosts,
            wanted,
            network_id,
            refresh=wish.refresh,
            pending=wish.pending,
            trusted=known.fingerprint if known is not None else None,
        )
        snapshot = replace(
            observation.snapshot,
            source=self.provenance.source_id(desired.producer.id.name),
            gateway_answers=await self._asked_gateway(desired),
        )
        rotated = (_HAS_ROTATED,) if self.has_rotated else ()
        observation = replace(observation, snapshot=snapshot, warnings=(*observation.warnings, *rotated))
        meta = Meta(
            tool_version=__version__,
            commit=self.provenance.commit,
            dirty=self.provenance.dirty,
            readings=observation.readings.readings,
            quoted_at=self._now(),
        )
        compared = snapshot

        def make(seen: Snapshot) -> Plan:
            nonlocal compared
            compared = seen
            if known is not None and observation.is_unread:
                return known.recall(seen, wish.options, meta=meta)
            return wish.make(desired, seen, wish.options, meta=meta)

        plan = await priced(
            make,
            snapshot,
            self.world.storage(desired.storage_hosts, self.keys),
            is_toy=self.world.network.is_toy,
        )
        if self.memory is not None and not observation.is_unread and wish.make is make_plan:
            await asyncio.to_thread(self.memory.keep, desired, observation, compared, wish.options, plan)
        return Planned(plan=plan, observation=observation, network_id=network_id, funded=Satoshis(0))

    async def _observe(
        self,
        storage_hosts: Sequence[StorageHost],
        ads: Sequence[ListedAd],
        network_id: Digest,
        *,
        refresh: bool = False,
        pending: bool = False,
        trusted: Digest | None = None,
    ) -> Observation:
        look = Look(
            wanted_ads=frozenset(ads),
            refresh=refresh,
            gives_back=pending,
            plain_http=self.world.network.is_toy,
            trusted=trusted,
        )
        for _ in range(_READINGS - 1):
            with suppress(StalePlanError):  # somebody applied while we were reading
                return await self._look(look, storage_hosts, network_id)
        return await self._look(look, storage_hosts, network_id)

    async def _look(self, look: Look, storage_hosts: Sequence[StorageHost], network_id: Digest) -> Observation:
        observer = Observer(
            database=self.database,
            keys=self.keys,
            hosts=self.world.outside,
            storage=self.world.storage(storage_hosts, self.keys),
            locate=self.world.locate(self._now()),
            verifier=self.world.headers,
            index=self.world.index,
            now=self._now(),
        )
        return await observer.observe(
            look,
            network_id=network_id,
            fee_rate=await self.world.arc.policy(),
            funding_address=funding_address(self.keys, self.world.network),
            source="",
        )

    async def _asked_gateway(self, desired: DesiredState) -> bool | None:
        """Whether the gateway answers before it is advertised: reference hosts ban those that do not (PROTOCOL §8)."""
        if self.world.network.is_toy or desired.gateway_url is None or not desired.ads:
            return None
        return await HostClient(self.world.http, desired.gateway_url).healthy()

    async def _fund(self, plan: Plan) -> Satoshis:
        if self.world.faucet is None:
            return Satoshis(0)
        return await take_from_faucet(
            self.world.faucet,
            Satoshis(FAUCET_SATOSHIS + 2 * plan.cost.fee_satoshis + plan.cost.storage_satoshis + len(plan.outputs)),
            keys=self.keys,
            network=self.world.network,
            database=self.database,
            headers=self.world.headers,
            now=self._now(),
        )

    async def _check_root(self, plan: Plan) -> None:
        """The live root once more: agreeing may have taken its time."""
        async with self.database.begin() as connection:
            void = await Journal(connection).void()
        readings = await read_roots(
            self.keys.identity, hosts=self.world.outside, verifier=self.world.headers, now=self._now(), void=void
        )
        newest = readings.newest
        if newest is None or newest.outpoint == plan.root:
            return
        is_begun = newest.document.pending is not None
        if newest.document.generation + is_begun > (plan.previous_generation or 0):
            raise StalePlanError(
                f"generation {newest.document.generation + is_begun} was applied elsewhere meanwhile", hint="plan again"
            )

    async def _keep_found(self, planned: Planned) -> None:
        """Write down what was found and not recorded: a state read back from a host, tokens of advertisements."""
        observation = planned.observation
        ads = observation.ads.distinct if observation.ads is not None else ()
        replicas = observation.snapshot.replicas
        if observation.rebuilt is None or observation.mends:
            await keep_ads(ads, self.database, self.keys)
            if observation.rebuilt is not None:
                await write_rows(observation.rebuilt, replicas, database=self.database, now=self._now())
            return
        await write_down(
            observation.rebuilt,
            replicas,
            ads,
            database=self.database,
            keys=self.keys,
            iv=self.randomness(32),
            now=self._now(),
            spent=observation.spent,
        )
        await refill(observation.rebuilt, self.world.own)

    def _executor(self, plan: Plan, hosts: Sequence[StorageHost], lease: Lease, halted: Callable[[], bool]) -> Executor:
        return Executor(
            books=self._books(lease),
            keys=self.keys,
            heir=self.keys if plan.rotation is None or self.successor is None else self.successor,
            arc=self._courier,
            verifier=self.world.headers,
            hosts=self.world.hosts,
            outside=self.world.outside,
            storage=self.world.storage(hosts, self.keys),
            fetcher=self.fetcher,
            folder=self.folder,
            parallel=self.parallel,
            owner=f"{lease.owner.host}:{lease.owner.pid}",
            now=self._now,
            randomness=self.randomness,
            halted=halted,
            judge=self._judge,
            patience=self.contest_patience,
            paymaster=self._paymaster(lease),
        )

    def _paymaster(self, lease: Lease) -> Paymaster:
        return Paymaster(
            books=self._books(lease),
            arc=self._courier,
            judge=self._judge,
            hosts=self.world.hosts,
            shop=partial(self.world.shop, keys=self.keys),
            now=self._now,
        )

    @property
    def _judge(self) -> Judge:
        return Judge(self.world.headers, self.world.index, self.world.outside, self.keys.identity)

    @property
    def _courier(self) -> Courier:
        return Courier(self.database, self.world.arc)

    def _books(self, lease: Lease | None) -> Books:
        return Books(database=self.database, token=None if lease is None else lease.token, tell=self.tell)

    def _source(self) -> Source:
        return Source(repo=self.provenance.repo, commit=self.provenance.commit, dirty=self.provenance.dirty)

    def _now(self) -> int:
        return int(self.clock())


@dataclass(frozen=True, slots=True)
class _Wish:
    """Which plan is wanted: how it is made, with what overrides, after how close a look."""

    make: PlanMaker
    options: PlanOptions
    refresh: bool = False
    pending: bool = False
    """Whether it is for a root that somebody else made pending, and for no other."""
