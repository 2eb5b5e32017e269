"""One producer through several rounds: the manifests change, applies meet faults, then one without faults must make everything good."""

from __future__ import annotations

import errno
import hashlib
import random
import secrets
import shutil
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from reconciler.apply.prepare import content_seed
from reconciler.chain.index import AddressIndex
from reconciler.chain.ledger import Ledger
from reconciler.cli.wiring import Site, clock, keys_of
from reconciler.control.audit import audit
from reconciler.control.planned import Finished, Planned
from reconciler.control.restore import restore
from reconciler.control.settling import settle_wallet
from reconciler.model.errors import OverlayError, StalePlanError
from reconciler.model.ids import Network, Outpoint
from reconciler.model.journal import JournalState
from reconciler.observe.roots import read_roots
from reconciler.observe.snapshot import catalog_of
from reconciler.plan.document import plan_id, to_bytes, to_json
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Plan
from reconciler.plan.record_set import BATCH
from reconciler.store.coins import Coins
from reconciler.store.journal import Journal
from reconciler.store.outbox import Outbox
from reconciler.wallet.keys import Keys
from tests.conftest import Databases, Door, Producer
from tests.faults.catalogue import Fault, Injection, Kinds, Moment, Peer
from tests.faults.checks import Chain, of_ads, of_journal, of_money, of_tokens
from tests.faults.deeds import Deeds
from tests.faults.injector import Diary, Injector, Past
from tests.faults.vendor import GATEWAY, Vendor

APPLIES: Final = 3
"""How many applies of a round the faults have to strike."""
_CLEAN: Final = 3
"""How many applies without a fault may be needed: a contest of coins is decided by a block, and then planned again."""

for _name in ("anyio", "encodings.idna", "httpcore"):
    import_module(_name)  # once here, rather than in every process that is forked

LEADING: Final = {
    JournalState.SUBMITTED: (Injection(Fault.UNSEEN, Moment(Kinds.STATE, JournalState.SENDING)),),
    JournalState.CONTESTED: (Injection(Fault.CONTESTED, Moment(Kinds.STATE, JournalState.SENDING)),),
    JournalState.REFUSED: (Injection(Fault.REFUSED, Moment(Kinds.STATE, JournalState.SENDING)),),
    JournalState.VOID: (Injection(Fault.KILL, Moment(Kinds.STATE, JournalState.PREPARED)),),
}
"""The faults without which an entry does not get into a state."""

_GIFT: Final = Injection(Fault.KILL_AFTER_REQUEST, Moment(Kinds.REQUEST, Peer.FAUCET, 0))
"""What the faucet gave and nobody heard of is asked for by a second request to the index."""


class ViolationError(Exception):
    """An invariant does not hold."""


class Struck(NamedTuple):
    """A fault that happened, and how the apply ended that met it."""

    injection: Injection
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How big a scenario is. A change of more records than `batch` is a large set: lock, batches, commit, sweep."""

    goods: int = 5
    """Datasets at most."""
    first: int = 2
    """Datasets of the first round."""
    batch: int = BATCH
    """Records in one transaction."""


@dataclass
class Scenario:
    """A world, a producer in it with a second machine, and what happened to them so far."""

    seed: str
    folder: Path
    shape: Shape = Shape()
    vendor: Vendor = field(default_factory=Vendor)
    rounds: int = 0
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        key = hashlib.sha256(self.seed.encode()).hexdigest()
        environment = {"OVERLAY_IDENTITY_KEY": key, "OVERLAY_PASSPHRASE": "a passphrase that nobody may read"}
        self.here = self._machine("here", environment)
        self.there = self._machine("there", environment)
        for _ in range(self.shape.first):
            self.vendor.create(self.chance)

    def _machine(self, name: str, environment: Mapping[str, str]) -> Producer:
        folder, home = self.folder / name / "manifests", self.folder / name / "home"
        folder.mkdir(parents=True)
        (home / "embedded").mkdir(parents=True)
        (self.folder / "world").mkdir(exist_ok=True)
        (home / "embedded" / "world").symlink_to(self.folder / "world")
        files = Databases("sqlite", self.folder, self.folder / "none", None)
        return Producer(folder, home, files, dict(environment))

    def round(self, injections: Iterable[Injection], *, look_closely: bool = False) -> list[Struck]:
        """Change the manifests, apply with these faults, and then without; returns the faults that struck.

        Raises ViolationError where an invariant does not hold afterwards.
        """
        edited = self.vendor.edit(self.chance, most=self.shape.goods)
        self.vendor.write(self.here)
        self.rounds += 1
        waiting = list(injections)
        lead = [each for one in waiting for each in _leading(one.moment)]
        waiting = [*dict.fromkeys(lead), *waiting]
        wants_proof = any(one.moment == Moment(Kinds.STATE, JournalState.MINED) for one in waiting)
        mines = wants_proof or self.chance.random() < 0.4
        patience = self.chance.choice((0.0, 0.6))
        self.story.append(f"round {self.rounds}: {edited}; {', '.join(map(str, waiting)) or 'no faults'}")
        found: list[Struck] = []
        due: list[Injection] = []
        for number in range(APPLIES):
            if not waiting and not due:
                break
            struck, due, outcome = self._apply(waiting, due, mines=mines and number == 0, patience=patience)
            self.story.append(f"  apply: {outcome}; struck: {', '.join(map(str, struck)) or 'none'}")
            found += [Struck(each, outcome) for each in struck]
            waiting = [each for each in waiting if each not in struck and each not in due]
            if not struck and outcome == "nothing to do":  # nor will there be
                break
        self._come_through(look_closely=look_closely)
        return found

    def end(self) -> None:
        """The second machine, where it ever applied, finds its way back too, and its books are right."""
        if not (self.there.home / "embedded" / "state.db").exists():
            return

        async def work() -> str:
            shutil.copytree(self.here.folder, self.there.folder, dirs_exist_ok=True)
            await self._converge(self.there)
            async with self.there.site() as site:
                _by_hand(site)
                keys, world = keys_of(self.there.invocation, Network.EMBEDDED, create=False), site.world()
                await settle_wallet(site.database, world, clock=clock)
                audited = await audit(database=site.database, keys=keys, arc=world.arc, headers=world.headers)
            if audited.differences or audited.in_flight or audited.balance.locked:
                raise ViolationError(f"the second machine: {audited}")
            return "done"

        _expect(self.there.in_child(lambda: _told(work, self.folder / "told")))

    def _apply(
        self, waiting: list[Injection], due: list[Injection], *, mines: bool, patience: float
    ) -> tuple[list[Injection], list[Injection], str]:
        diary = Diary(self.folder / f"diary-{self.rounds}-{secrets.token_hex(4)}")
        resets = [each for each in waiting if each.fault is Fault.RESET]

        async def work() -> str:
            return await self._meet(waiting, due, diary, mines=mines, patience=patience)

        if resets:
            self._swap_world("other-world")
        try:
            answer = self.here.in_child(lambda: _told(work, self.folder / "told"))
        finally:
            self._swap_world("world")
        outcome = "killed" if answer is None else answer["outcome"]
        if answer is not None and answer.get("violation"):
            raise ViolationError(answer["violation"])
        notes = diary.read()
        struck = [injection for what, injection in notes if what == "struck"]
        if resets:
            if outcome in {"done", "nothing to do", "partly"}:
                raise ViolationError("another world was taken for ours")
            struck += resets
        late = [injection for what, injection in notes if what == "due"]
        return struck, [each for each in dict.fromkeys([*due, *late]) if each not in struck], outcome

    def _swap_world(self, name: str) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        link = self.here.home / "embedded" / "world"
        link.unlink()
        link.symlink_to(self.folder / name)

    async def _meet(
        self, waiting: list[Injection], due: list[Injection], diary: Diary, *, mines: bool, patience: float
    ) -> str:
        """One apply with faults, in a process of its own."""
        past = Past.load(self.folder / "past")
        with ExitStack() as stack:
            async with self.here.site() as site:
                ledger = _by_hand(site)
                deeds = Deeds(ledger, keys_of(self.here.invocation, Network.EMBEDDED, create=False), self._elsewhere)
                injector = Injector(waiting, due, diary=diary, past=past, deed=deeds.do)
                if mines:
                    await ledger.mine()
                for injection in [each for each in injector.due if each.fault is Fault.CACHE_FULL]:
                    shutil.rmtree(self.here.home / "cache", ignore_errors=True)
                    stack.enter_context(
                        patch("reconciler.content.digests.NamedTemporaryFile", _full(injector, injection))
                    )
                injector.attach(site)
                try:
                    return _outcome(
                        await _apply(self.here, site, tell=injector.tell, batch=self.shape.batch, patience=patience)
                    )
                finally:
                    past.save()
                    with (self.folder / "told").open("a") as stream:
                        stream.write("".join(f"{each!r}\n" for each in injector.told))

    async def _elsewhere(self) -> bool:
        """The second machine applies, with another title, whatever it finds."""
        shutil.copytree(self.here.folder, self.there.folder, dirs_exist_ok=True)
        text = self.there.manifest.read_text().replace("displayName: ", "displayName: Elsewhere ")
        self.there.manifest.write_text(text)
        handed: list[str] = []

        def listen(method: str, url: str) -> None:
            if method == "POST" and "/v1/tx" in url:
                handed.append(url)

        with suppress(OverlayError):  # such as losing to the apply that it comes between
            async with self.there.site() as site:
                _by_hand(site)
                await _apply(
                    self.there, site, batch=self.shape.batch, patience=0.0, http=lambda http: Door(http, before=listen)
                )
        return bool(handed)

    def _come_through(self, *, look_closely: bool) -> None:
        """Apply without faults until it is done, and check everything."""

        async def work() -> str:
            await self._converge(self.here)
            await self._check()
            if look_closely:
                await self._look_closely()
            return "done"

        _expect(self.here.in_child(lambda: _told(work, self.folder / "told")))

    async def _converge(self, machine: Producer) -> None:
        error: StalePlanError | None = None
        for _ in range(_CLEAN):
            async with machine.site() as site:
                ledger = _by_hand(site)
                try:
                    finished = await _apply(machine, site, batch=self.shape.batch, patience=0.0)
                except StalePlanError as stale:
                    error = stale
                    await ledger.mine()
                    continue
                if await _is_contested(ledger):
                    await ledger.mine()
                    continue
            if _remainder(finished):
                raise ViolationError(f"an apply without faults is not done: {_remainder(finished)}")
            return
        raise ViolationError(f"{_CLEAN} applies without faults do not converge: {error}")

    async def _check(self) -> None:
        """I1, I2: on the chain there is what the manifests say and nothing else, and the books know every satoshi."""
        sent: list[str] = []

        def listen(method: str, url: str) -> None:
            if method != "GET" and not url.endswith("/lookup"):
                sent.append(f"{method} {url}")

        async with self.here.site() as site:
            _by_hand(site)
            again = await _apply(
                self.here, site, batch=self.shape.batch, patience=0.0, http=lambda http: Door(http, before=listen)
            )
            keys = keys_of(self.here.invocation, Network.EMBEDDED, create=False)
            world = site.world()
            planned = await self._planned(self.here, site)
            await settle_wallet(site.database, world, clock=clock)
            audited = await audit(database=site.database, keys=keys, arc=world.arc, headers=world.headers)
            async with site.database.begin() as connection:
                void = await Journal(connection).void()
            now = int(clock())
            readings = await read_roots(keys.identity, hosts=world.outside, verifier=world.headers, now=now, void=void)
            catalog = await catalog_of(readings, hosts=world.outside, keys=keys, verifier=world.headers, now=now)
            async with site.database.begin() as connection:
                entries = await Journal(connection).list(1_000)
                coins = await Coins(connection).all()
                owed = await Outbox(connection).pending()
        chain = Chain.read(self.folder / "world" / "chain.db", keys)
        wanted = {f"{each}" for each in self.vendor.records}
        faults = [
            *([f"a second apply sends {sent}"] if sent else []),
            *([f"a second apply does {_changes(again.planned)}"] if again.applied is not None else []),
            *([] if planned.plan.is_empty else [f"the plan is not empty: {_changes(planned)}"]),
            *audited.differences,
            *([f"in flight: {audited.in_flight}"] if audited.in_flight else []),
            *([f"{audited.balance.locked} satoshis are locked"] if audited.balance.locked else []),
            *([f"owed to hosts: {owed}"] if owed else []),
            *readings.faults,
            *of_tokens(
                chain, wanted, {str(r.observed.id): r.observed.outpoint for r in catalog.records}, catalog.live.outpoint
            ),
            *of_ads(chain, self.vendor),
            *of_money(chain, coins, audited.balance.total + audited.tokens),
            *of_journal(chain, entries, coins),
        ]
        title = catalog.live.document.public["displayName"]
        if title != self.vendor.title:
            faults.append(f"live is {title!r}, wanted {self.vendor.title!r}")
        if faults:
            raise ViolationError("; ".join(faults))

    async def _planned(self, machine: Producer, site: Site) -> Planned:
        reconciler, desired = await machine.reconciler(site)
        return await reconciler.plan(desired, PlanOptions(batch=self.shape.batch))

    async def _look_closely(self) -> None:
        """I6, I7, I8: what is rebuilt from nothing is the same; nobody learns a secret; one world, one plan.

        Not where hosts still show what a mined double spend undid (docs/faults.md).
        """
        keys = keys_of(self.here.invocation, Network.EMBEDDED, create=False)
        if await self._shows_what_lost(keys):
            return
        machine = self._newcomer()
        chain = Chain.read(self.folder / "world" / "chain.db", keys)
        async with machine.site() as site:
            _by_hand(site)
            restored = await restore(
                world=site.world(),
                database=site.database,
                keys=keys,
                index=AddressIndex(site.http, site.endpoints.headers),
                clock=clock,
                randomness=secrets.token_bytes,
            )
            world = site.world()
            audited = await audit(database=site.database, keys=keys, arc=world.arc, headers=world.headers)
            async with site.database.begin() as connection:
                rebuilt = {coin.outpoint for coin in await Coins(connection).live()}
        lost, invented = chain.unspent.keys() - rebuilt, rebuilt - chain.unspent.keys()
        known = await self._splitters()
        faults = [
            *(f"after a rebuild: {each}" for each in audited.differences),
            *(f"a rebuild invents {each}" for each in sorted(map(str, invented))),
            *(f"a rebuild does not find {each}, and does not say so" for each in sorted(map(str, lost - known))),
            *(f"a rebuild doubts: {each}" for each in restored.doubts if GATEWAY not in each),  # nobody serves there
        ]
        self.vendor.title += " next"
        for each in (self.here, machine):
            self.vendor.write(each)
        plans = []
        for each in (self.here, self.here, machine):
            async with each.site() as site:
                _by_hand(site)
                plans.append((await self._planned(each, site)).plan)
        if plan_id(plans[0]) != plan_id(plans[1]):
            faults.append("the same plan has two ids")
        if rebuilt == await self._coins() and plan_id(plans[0]) != plan_id(plans[2]):
            faults.append(f"another machine makes another plan of the same world: {_unlike(plans[0], plans[2])}")
        with (self.folder / "told").open("ab") as stream:
            stream.writelines(to_bytes(plan) for plan in plans)
        faults += await self._secrets_told(keys)
        shutil.rmtree(machine.folder.parent)
        if faults:
            raise ViolationError("; ".join(faults))

    async def _shows_what_lost(self, keys: Keys) -> bool:
        async with self.here.site() as site:
            async with site.database.begin() as connection:
                void = await Journal(connection).void()
            shown = [
                await host.outpoints("ls_data_catalog", {"producer": keys.identity})
                for host in site.world().outside.values()
            ]
        return any(outpoint.txid in void for outpoints in shown for outpoint in outpoints)

    def _newcomer(self) -> Producer:
        shutil.rmtree(self.folder / "newcomer", ignore_errors=True)
        machine = self._machine("newcomer", self.here.environment)
        self.vendor.write(machine)
        return machine

    async def _coins(self) -> set[Outpoint]:
        """What our books have; a newcomer may know of more, such as a gift whose giver was not heard."""
        async with self.here.site() as site, site.database.begin() as connection:
            return {coin.outpoint for coin in await Coins(connection).live()}

    async def _splitters(self) -> frozenset[Outpoint]:
        """Coins of splitters whose root was lost: no root leads to them, and no rebuild finds them (PROTOCOL §5)."""
        async with self.here.site() as site, site.database.begin() as connection:
            entries = {entry.id for entry in await Journal(connection).list(1_000) if not entry.publishes}
            return frozenset(coin.outpoint for coin in await Coins(connection).live() if coin.created_by in entries)

    async def _secrets_told(self, keys: Keys) -> list[str]:
        async with self.here.site() as site:
            seed = await content_seed(site.database, keys=keys, randomness=secrets.token_bytes)
        hidden = [keys.secret(), seed, keys.secret().hex().encode(), seed.hex().encode()]
        hidden.append(self.here.environment["OVERLAY_PASSPHRASE"].encode())
        places = [
            self.folder / "told",
            *(self.folder / "world").rglob("*"),
            *(self.folder / "here" / "home").glob("**/state.db*"),
        ]
        return [
            f"a secret stands in {path.relative_to(self.folder)}"
            for path in places
            if path.is_file() and any(each in path.read_bytes() for each in hidden)
        ]


def _expect(answer: Mapping[str, Any] | None) -> None:
    if answer is None or answer["outcome"] != "done":
        raise ViolationError("without faults: " + ("killed" if answer is None else str(answer["error"])))


def _leading(moment: Moment) -> tuple[Injection, ...]:
    if moment == Moment(Kinds.REQUEST, Peer.INDEX, 1):
        return (_GIFT,)
    return LEADING.get(JournalState(moment.of), ()) if moment.kind is Kinds.STATE else ()


def _by_hand(site: Site) -> Ledger:
    """The chain of this world, which mines by hand: so that a scenario does not depend on the time that it takes."""
    assert site.toy is not None
    site.toy.ledger.block_time = 0
    return site.toy.ledger


async def _is_contested(ledger: Ledger) -> bool:
    """Whether the pool still holds a transaction that another one, of the second machine, competes with."""
    query = "SELECT count(*) FROM tx WHERE place = 'pool' AND status = 'DOUBLE_SPEND_ATTEMPTED'"
    return bool(await ledger._run(lambda world: world.connection.execute(query).fetchone()[0]))


async def _apply(producer: Producer, site: Site, *, batch: int, patience: float, **options: Any) -> Finished:
    async def agree(_: Planned) -> bool:
        return True

    reconciler, desired = await producer.reconciler(site, **options)
    reconciler = replace(reconciler, contest_patience=patience)
    return await reconciler.apply(desired, PlanOptions(batch=batch), agree=agree, halted=lambda: False)


def _outcome(finished: Finished) -> str:
    if _remainder(finished):
        return "partly"
    return "nothing to do" if finished.applied is None else "done"


def _changes(planned: Planned) -> str:
    return ", ".join(f"{change.action} {change.object} ({change.why})" for change in planned.plan.changes)


def _unlike(one: Plan, other: Plan) -> str:
    """Where two plans differ, for people."""
    here, there = (dict(to_json(plan)["body"]) for plan in (one, other))
    return "; ".join(f"{name}: {here[name]} or {there[name]}"[:1_000] for name in here if here[name] != there[name])


def _remainder(finished: Finished) -> str:
    applied = finished.applied
    left = [f"{each.txid[:8]} owed to {each.host}" for each in finished.recovered.failed]
    if applied is not None:
        left = [f"{each.txid[:8]} owed to {each.host}" for each in applied.undelivered]
        left += [f"{host} does not list {len(each)}" for host, each in applied.missing.items() if each]
        left += [f"{address}: {error.message}" for address, error in applied.failed.items()]
    return "; ".join(left)


async def _told(work: Callable[[], Any], told: Path) -> dict[str, str]:
    """How a piece of work ended, for the parent process. What is no error of ours is a violation."""
    try:
        return {"outcome": await work()}
    except OverlayError as error:
        with told.open("a") as stream:
            stream.write(f"{type(error).__name__}: {error.message} {error.hint} {error.where}\n")
        where = traceback.extract_tb(error.__traceback__)[-1]
        return {
            "outcome": type(error).__name__.removesuffix("Error"),
            "error": f"{type(error).__name__}: {error.message} {getattr(error, 'diagnostics', '')} ({Path(where.filename).name}:{where.lineno})",
        }
    except ViolationError as error:
        return {"outcome": "violation", "violation": str(error), "error": str(error)}
    except Exception:  # noqa: BLE001 - whatever else ends an apply is what this looks for
        text = traceback.format_exc()
        return {"outcome": "crash", "violation": text, "error": text}


def _full(injector: Injector, injection: Injection) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        injector.strike(injection)
        raise OSError(errno.ENOSPC, "No space left on device")

    return refuse
