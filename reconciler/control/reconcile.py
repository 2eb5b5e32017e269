"""One reconciliation: observe, plan, agree, apply. `plan`, `apply` and `watch` are this and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reconciler import __version__
from reconciler.apply.books import Books
from reconciler.apply.broadcast import PATIENCE
from reconciler.apply.contest import Judge
from reconciler.apply.deliver import Delivered
from reconciler.apply.events import Tell
from reconciler.apply.execute import Applied, Executor, go_on
from reconciler.apply.recover import recover, settle
from reconciler.control.binding import bind, check_identity
from reconciler.control.funding import FAUCET_SATOSHIS, funding_address, receive_unspent, take_from_faucet
from reconciler.control.lease import apply_lease, this_process
from reconciler.control.rebuild import refill, write_down
from reconciler.control.source import Provenance
from reconciler.control.world import World
from reconciler.model.amounts import Satoshis
from reconciler.model.desired import DesiredState
from reconciler.model.errors import GuardError, StalePlanError
from reconciler.model.ids import Digest
from reconciler.observe.roots import read_roots
from reconciler.observe.snapshot import Observation, observe
from reconciler.plan.guards import GuardName
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Meta, Plan, make_plan
from reconciler.store.database import Database
from reconciler.store.journal import Journal
from reconciler.store.leases import Lease
from reconciler.wallet.keys import Keys
from reconciler.wire.documents import Source

LOCK_SECONDS: Final = 30.0
"""How long apply waits for the lease by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, with what was seen and done on the way to it."""

    plan: Plan
    observation: Observation
    network_id: Digest
    funded: Satoshis
    """Satoshis that were taken from a toy network's faucet for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How an apply ended. `applied` is None where there was nothing to do, or the user did not agree."""

    planned: Planned
    applied: Applied | None
    agreed: bool
    recovered: Delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """One producer on one network, with everything that a reconciliation needs."""

    world: World
    database: Database
    keys: Keys
    folder: Path
    """The manifests'."""
    provenance: Provenance
    clock: Callable[[], float]
    randomness: Callable[[int], bytes]
    tell: Tell
    contest_patience: float = PATIENCE
    """Seconds that apply waits for a contest of coins to be decided."""

    async def plan(self, desired: DesiredState, options: PlanOptions) -> Planned:
        """What would change. A wallet that has not enough looks for coins that were paid to it.

        On toy networks it is then filled from the faucet, and that is said.
        """
        await check_identity(self.database, self.keys.identity)
        network_id = await self.world.headers.network_id()
        bound = await bind(
            self.database, network=self.world.network, network_id=network_id, identity=self.keys.identity
        )
        await settle(books=self._books(None), arc=self.world.arc, proofs=self.world.headers, now=self._now)
        options = replace(options, bound_identity=bound)
        planned = await self._compare(desired, options, network_id)
        if not _lacks_coins(planned):
            return planned
        await receive_unspent(
            self.world.index,
            keys=self.keys,
            network=self.world.network,
            database=self.database,
            headers=self.world.headers,
            now=self._now(),
        )
        planned = await self._compare(desired, options, network_id)
        if not _lacks_coins(planned) or self.world.faucet is None:
            return planned
        funded = await self._fund(planned.plan)
        return replace(await self._compare(desired, options, network_id), funded=funded)

    async def apply(
        self,
        desired: DesiredState,
        options: PlanOptions,
        *,
        agree: Callable[[Planned], Awaitable[bool]],
        halted: Callable[[], bool],
        patience: float = LOCK_SECONDS,
    ) -> Finished:
        """Make it so; `halted` says, before each step, whether the user asked to stop.

        Raises KeyboardInterrupt where so; LockedError; GuardError before anything irreversible; StalePlanError where the
        world moved between plan and agreement; and what execution raises.
        """
        async with self.lease(patience, halted=halted) as lease:
            recovered = await recover(
                books=self._books(lease),
                arc=self.world.arc,
                judge=self._judge,
                hosts=self.world.hosts,
                now=self._now,
                patience=self.contest_patience,
            )
            go_on(halted)
            planned = await self.plan(desired, options)
            go_on(halted)
            if planned.plan.is_empty:
                await self._keep_rebuilt(planned)
                return Finished(planned=planned, applied=None, agreed=True, recovered=recovered)
            check_guards(planned.plan)
            if not await agree(planned):
                return Finished(planned=planned, applied=None, agreed=False, recovered=recovered)
            await self._check_root(planned.plan)
            await self._keep_rebuilt(planned)
            applied = await self._executor(desired, lease, halted).execute(
                planned.plan, source=self._source(), network_id=planned.network_id
            )
            return Finished(planned=planned, applied=applied, agreed=True, recovered=recovered)

    @asynccontextmanager
    async def lease(self, patience: float, *, halted: Callable[[], bool] = lambda: False) -> AsyncIterator[Lease]:
        """Hold the apply lease of this database; stop waiting for it when `halted` (KeyboardInterrupt)."""
        owner = this_process(self.randomness(8).hex())
        async with apply_lease(
            self.database, owner, now=self._now, patience=patience, waiting=lambda: go_on(halted)
        ) as lease:
            yield lease

    async def _compare(self, desired: DesiredState, options: PlanOptions, network_id: Digest) -> Planned:
        fee_rate = await self.world.arc.policy()
        observation = await observe(
            database=self.database,
            keys=self.keys,
            hosts=self.world.outside,
            storage=self.world.storage(desired.storage_hosts),
            verifier=self.world.headers,
            network_id=network_id,
            fee_rate=fee_rate,
            funding_address=funding_address(self.keys, self.world.network),
            source=self.provenance.source_id(desired.producer.id.name),
            now=self._now(),
        )
        meta = Meta(
            tool_version=__version__,
            commit=self.provenance.commit,
            readings=observation.readings.readings,
            quoted_at=self._now(),
        )
        plan = make_plan(desired, observation.snapshot, options, meta=meta)
        return Planned(plan=plan, observation=observation, network_id=network_id, funded=Satoshis(0))

    async def _fund(self, plan: Plan) -> Satoshis:
        if self.world.faucet is None:
            return Satoshis(0)
        return await take_from_faucet(
            self.world.faucet,
            Satoshis(FAUCET_SATOSHIS + 2 * plan.cost.fee_satoshis + len(plan.outputs)),
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
        if newest is not None and newest.outpoint != plan.root and newest.document.generation >= plan.generation:
            raise StalePlanError(
                f"generation {newest.document.generation} was applied elsewhere meanwhile", hint="plan again"
            )

    async def _keep_rebuilt(self, planned: Planned) -> None:
        catalog = planned.observation.rebuilt
        if catalog is None:
            return
        await write_down(
            catalog,
            planned.observation.snapshot.replicas,
            database=self.database,
            keys=self.keys,
            iv=self.randomness(32),
            now=self._now(),
        )
        await refill(catalog, self.world.own)

    def _executor(self, desired: DesiredState, lease: Lease, halted: Callable[[], bool]) -> Executor:
        return Executor(
            books=self._books(lease),
            keys=self.keys,
            arc=self.world.arc,
            verifier=self.world.headers,
            hosts=self.world.hosts,
            outside=self.world.outside,
            storage=self.world.storage(desired.storage_hosts),
            folder=self.folder,
            owner=f"{lease.owner.host}:{lease.owner.pid}",
            now=self._now,
            randomness=self.randomness,
            halted=halted,
            judge=self._judge,
            patience=self.contest_patience,
        )

    @property
    def _judge(self) -> Judge:
        return Judge(self.world.headers, self.world.index)

    def _books(self, lease: Lease | None) -> Books:
        return Books(database=self.database, token=None if lease is None else lease.token, tell=self.tell)

    def _source(self) -> Source:
        return Source(repo=self.provenance.repo, commit=self.provenance.commit, dirty=self.provenance.dirty)

    def _now(self) -> int:
        return int(self.clock())


def _lacks_coins(planned: Planned) -> bool:
    return any(guard.name is GuardName.COINS for guard in planned.plan.refused)


def check_guards(plan: Plan) -> None:
    """Raises GuardError, naming every guard that refuses and its override."""
    refused = plan.refused
    if not refused:
        return
    sentences = [f"{guard.name}: {guard.value} against {guard.limit}: {guard.detail}" for guard in refused]
    overrides = [guard.override for guard in refused if guard.override]
    raise GuardError(
        "; ".join(sentences), hint=f"if that is meant, add {' '.join(dict.fromkeys(overrides))}" if overrides else None
    )
