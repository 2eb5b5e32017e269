"""The identity key is replaced without losing a record, a coin or a consumer (PROTOCOL §10)."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.build import spendable
from reconciler.apply.events import Event, Moved, Progress
from reconciler.chain.index import AddressIndex
from reconciler.cli.gateways import gateway_keys
from reconciler.cli.wiring import clock
from reconciler.clients.host import FoundOutput
from reconciler.control.audit import audit
from reconciler.control.restore import restore
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import GuardError, StalePlanError, StateError
from reconciler.model.ids import Network
from reconciler.model.journal import JournalState
from reconciler.model.keys import GATEWAY_KEY
from reconciler.observe.catalog import Catalog
from reconciler.observe.succession import read_succession
from reconciler.plan.action import Action
from reconciler.plan.document import from_json, to_json
from reconciler.store.coins import Coins
from reconciler.store.journal import Journal
from reconciler.store.settings import Settings
from reconciler.wallet.gatewayfile import Gateway, write_gateway
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import signed
from reconciler.wire.receipt import Receipt
from reconciler.wire.submission import pack_documents
from reconciler.wire.transaction import TxOutput
from tests.storefront import ORIGIN, selling

pytestmark = pytest.mark.long

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://gateway.embedded"}
  IDENTITY
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {name: prices}
spec:
  serviceType: data-feed
  capability: price-feeds
  pricing: {model: per-minute, satoshis: 20}
---
apiVersion: overlay/v1
kind: ReplicationRule
metadata: {name: few}
spec: {selector: {matchTags: [test]}, replicas: 1}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: free}
spec: {source: {glob: "data/a*.csv"}, tags: [test]}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: sold}
spec: {source: {glob: "data/b*.csv"}, tags: [test], price: 100}
"""
ROTATING = "identity: {key: {env: OLD}, rotation: {to: {env: NEW}, transition: 7d}}"
BEFORE = "identity: {key: {env: OLD}}"
AFTER = "identity: {key: {env: NEW}}"


class Rotating:
    """A producer with two keys."""

    def __init__(self, producer: Any, name: str) -> None:
        self.producer = producer
        self.secrets = {key: hashlib.sha256(f"{name} {key}".encode()).hexdigest() for key in ("OLD", "NEW")}
        self.old, self.new = (Keys(bytes.fromhex(secret)) for secret in self.secrets.values())

    def say(self, identity: str, title: str = "Acme") -> None:
        """What the manifests say of the identity; the environment has both keys, and the wallet's commands the right one."""
        self.producer.write(MANIFEST.replace("IDENTITY", identity), title=title)
        current = "NEW" if identity == AFTER else "OLD"
        self.producer.environment.update(self.secrets | {"OVERLAY_IDENTITY_KEY": self.secrets[current]})

    async def bound(self) -> str:
        async with self.producer.site() as site, site.database.begin() as connection:
            return str(await Settings(connection).identity())

    async def check_is_new(self, title: str = "Acme") -> None:
        """Everything is the new key's, nothing the old one's, and everything adds up."""
        assert await self.bound() == self.new.identity
        async with self.producer.site() as site:
            async with site.database.begin() as connection:
                live = await Coins(connection).live()
            for host in site.world().outside.values():
                if "ls_data_catalog" in await host.services():
                    assert not await host.outpoints("ls_data_catalog", {"producer": self.old.identity})
                for service in {"ls_ship", "ls_slap"} & await host.services():
                    assert not await host.outpoints(service, {"identityKey": self.old.identity})
                    assert await host.outpoints(service, {"identityKey": self.new.identity})
        assert live
        await self.check_books(title)
        catalog = await self.producer.catalog()
        assert catalog.live.document.public["displayName"] == title
        assert [previous.key for previous in catalog.live.document.keys.previous] == [self.old.identity]

    async def check_books(self, title: str) -> None:
        """The new key alone finds nothing to do, and everything adds up."""
        assert await self.bound() == self.new.identity
        self.say(AFTER, title)
        audited = await self.producer.audit()
        assert audited.differences == ()
        assert (audited.in_flight, audited.balance.locked) == ((), 0)
        assert (await self.producer.plan()).plan.is_empty


@pytest.fixture
def rotating(producer, request):
    made = Rotating(producer, request.node.name)
    made.say(BEFORE)
    return made


async def test_everything_is_handed_over_at_once(rotating):
    producer = rotating.producer
    await producer.apply()
    before = await producer.catalog()
    total = (await producer.audit()).balance.total
    rotating.say(ROTATING)
    planned = await producer.plan()
    plan = planned.plan
    assert plan.rotation is not None
    assert plan.rotation.to == rotating.new.identity
    assert from_json(to_json(plan)) == plan
    tokens = {change.object.type: set() for change in plan.changes}
    for change in plan.changes:
        tokens[change.object.type].add((change.action, change.why))
    assert tokens == {kind: {(Action.REPLACE, "the identity key is rotated")} for kind in ("record", "ship", "slap")}
    finished = await producer.apply()
    assert finished.applied.missing == dict.fromkeys(finished.applied.missing, frozenset())
    assert not finished.applied.undelivered
    await rotating.check_is_new()
    after = await producer.catalog()
    assert after.live.document.generation == before.live.document.generation + 1
    assert after.live.document.keys.gateway_key == before.live.document.keys.gateway_key
    assert after.state == before.state
    assert before.live.outpoint in {spent.outpoint for spent in after.live.transaction.inputs}
    assert total - (await producer.audit()).balance.total == plan.cost.fee_satoshis + plan.cost.locked_satoshis


class Telling:
    """A host that names these roots as heirs, whoever is asked for; and shows the others, asked for an output."""

    def __init__(self, heirs: tuple[FoundOutput, ...], *outputs: FoundOutput) -> None:
        self._heirs, self._outputs = heirs, outputs

    async def services(self) -> frozenset[str]:
        return frozenset({"ls_data_catalog"})

    async def lookup(self, service: str, query: Any) -> tuple[FoundOutput, ...]:
        assert service == "ls_data_catalog"
        return self._heirs if "rotatedFrom" in query else self._outputs


async def test_whoever_knows_the_old_key_finds_the_new_one_and_believes_only_what_both_signed(rotating):
    producer = rotating.producer
    await producer.apply()
    first = await producer.catalog()
    rotating.say(ROTATING)
    await producer.apply()
    rotating.say(AFTER)
    second = await producer.catalog()
    rotating.say(AFTER, title="Later")
    await producer.apply()
    later = await producer.catalog()
    async with producer.site() as site:
        world = site.world()

        async def heir_of(identity: str, hosts: Any) -> Any:
            return await read_succession(identity, hosts=hosts, verifier=world.headers, now=int(clock()))

        found = await heir_of(rotating.old.identity, world.outside)
        assert found is not None
        assert (found.heir, found.root) == (rotating.new.identity, second.live.outpoint)
        assert found.until == second.live.document.keys.previous[0].until
        assert await heir_of(rotating.new.identity, world.outside) is None

        rotation, claim, own = (shown(each) for each in (second, later, first))
        everything = (own, rotation, claim)
        stranger = Keys(hashlib.sha256(b"stranger").digest()).identity
        assert await heir_of(rotating.old.identity, {"a": Telling((claim, own, rotation), *everything)}) == found
        for identity, heirs, roots in (
            (rotating.old.identity, (claim,), everything),  # names the old key, and spends the new one's root
            (rotating.old.identity, (own,), everything),
            (stranger, (rotation,), everything),
            (rotating.old.identity, (replace(rotation, context=own.context),), everything),
            (rotating.old.identity, (rotation,), (rotation, claim)),  # nobody shows whose root was spent
        ):
            assert await heir_of(identity, {"a": Telling(heirs, *roots)}) is None


def shown(catalog: Catalog) -> FoundOutput:
    """A live root as its host showed it."""
    live = catalog.live
    return FoundOutput(outpoint=live.outpoint, beef=live.beef, context=pack_documents([live.raw_document, live.sealed]))


async def test_the_same_manifests_again_change_nothing_and_work_on_as_the_new_key(rotating):
    producer = rotating.producer
    await producer.apply()
    rotating.say(ROTATING)
    await producer.apply()
    assert (await producer.plan()).plan.is_empty
    rotating.say(ROTATING, title="Later")
    finished = await producer.apply()
    assert finished.planned.plan.rotation is None
    assert finished.planned.plan.identity == rotating.new.identity
    await rotating.check_is_new("Later")
    producer.lose_database()
    rotating.say(ROTATING, title="Later")
    planned = await producer.plan()
    assert planned.plan.is_empty
    assert planned.plan.identity == rotating.new.identity
    producer.lose_database()
    rotating.say(BEFORE)
    with pytest.raises(StateError, match=f"{rotating.new.identity} took over"):  # the old key begins nothing anew
        await producer.plan()


async def test_other_changes_go_along(rotating):
    producer = rotating.producer
    producer.data("a-second.csv", "id\n1\n")
    await producer.apply()
    (producer.folder / "data" / "a-second.csv").unlink()
    producer.data("a-third.csv", "id\n3\n")
    rotating.say(ROTATING, title="Renamed")
    finished = await producer.apply()
    summary = finished.planned.plan.summary
    assert (summary.create, summary.delete) == (2, 2)  # a record and a copy each
    await rotating.check_is_new("Renamed")


async def test_the_new_key_alone_rebuilds_everything_on_another_machine(rotating, tmp_path):
    producer = rotating.producer
    await producer.apply()
    rotating.say(ROTATING)
    await producer.apply()
    rotating.say(AFTER)
    total = (await producer.audit()).balance.total
    home = tmp_path / "elsewhere"
    (home / "embedded").mkdir(parents=True)
    (home / "embedded" / "world").symlink_to(producer.home / "embedded" / "world")
    environment = {name: value for name, value in producer.environment.items() if name != "OLD"}
    other = replace(producer, home=home, environment=environment)
    async with other.site() as site:
        restored = await restore(
            world=site.world(),
            database=site.database,
            keys=rotating.new,
            index=AddressIndex(site.http, site.endpoints.headers),
            clock=clock,
            randomness=secrets.token_bytes,
        )
        (doubt,) = restored.doubts  # nobody serves here
        assert doubt.startswith("what http://gateway.embedded has settled could not be read")
    assert (await other.plan()).plan.is_empty
    assert (await other.audit()).differences == ()
    assert (await other.audit()).balance.total == total
    producer.write(MANIFEST.replace("IDENTITY", AFTER), title="Elsewhere")
    assert (await other.apply()).applied is not None
    assert (await other.audit()).balanced


@pytest.mark.only("sqlite")  # the other machine begins with a copy of the file
async def test_a_machine_that_recorded_the_old_key_says_that_another_one_rotated(rotating, tmp_path):
    producer = rotating.producer
    await producer.apply()
    home = tmp_path / "elsewhere"
    (home / "embedded").mkdir(parents=True)
    shutil.copy(producer.home / "embedded" / "state.db", home / "embedded" / "state.db")
    (home / "embedded" / "world").symlink_to(producer.home / "embedded" / "world")
    other = replace(producer, home=home)
    rotating.say(ROTATING)
    await producer.apply()
    for attempt in (other.plan, other.apply):
        with pytest.raises(StateError, match="rotated on another machine"):
            await attempt()


async def test_a_kept_plan_rotates_as_it_says_and_only_once(rotating):
    producer = rotating.producer
    await producer.apply()
    rotating.say(ROTATING)
    plan = from_json(to_json((await producer.plan()).plan))
    async with producer.site() as site:
        reconciler, _ = await producer.reconciler(site)
        stranger = replace(reconciler, successor=Keys(hashlib.sha256(b"stranger").digest()))
        with pytest.raises(StalePlanError, match="hands over to"):
            await stranger.execute_plan(plan, halted=lambda: False)
        await reconciler.execute_plan(plan, halted=lambda: False)
        with pytest.raises(StalePlanError, match="made for the identity"):
            await reconciler.execute_plan(plan, halted=lambda: False)
    await rotating.check_is_new()


async def test_nothing_is_rotated_in_part_or_before_there_is_something(rotating):
    producer = rotating.producer
    rotating.say(ROTATING)
    with pytest.raises(GuardError, match=r"rotation: .*nothing is published under the old key"):
        await producer.apply()
    rotating.say(BEFORE)
    await producer.apply()
    rotating.say(ROTATING)
    with pytest.raises(GuardError, match=r"rotation: .*a part cannot be handed over"):
        await producer.apply(targets=("dataset/free*",))
    assert await rotating.bound() == rotating.old.identity
    await producer.apply()
    await rotating.check_is_new()


async def test_a_key_that_publishes_already_is_not_taken_over(rotating, tmp_path):
    producer = rotating.producer
    await producer.apply()
    home = tmp_path / "elsewhere"
    (home / "embedded").mkdir(parents=True)
    (home / "embedded" / "world").symlink_to(producer.home / "embedded" / "world")
    other = replace(producer, home=home, environment={"OVERLAY_IDENTITY_KEY": rotating.secrets["NEW"]})
    producer.write(MANIFEST.replace("  IDENTITY\n", ""), title="Other")
    await other.apply()
    rotating.say(ROTATING)
    with pytest.raises(StateError, match="publishes already"):
        await producer.apply()


async def test_destroying_takes_the_old_key_as_long_as_nothing_is_rotated(rotating):
    producer = rotating.producer
    await producer.apply()
    rotating.say(ROTATING)
    finished = await producer.destroy()
    assert finished.planned.plan.rotation is None
    assert (await producer.audit()).balanced


@pytest.mark.parametrize("state", [JournalState.PREPARED, JournalState.SENDING, JournalState.SEEN])
async def test_a_rotation_that_was_killed_converges(rotating, kill, state):
    """On the other states it depends in nothing that an apply does not: test_kill.py goes through them."""
    producer = rotating.producer
    rotating.say(BEFORE)

    async def begin() -> None:
        await producer.apply()

    producer.in_child(begin)
    rotating.say(ROTATING)

    async def die() -> None:
        def tell(event: Event | Moved | Progress) -> None:
            if isinstance(event, Moved) and event.state is state:
                kill()

        await producer.apply(tell=tell)

    assert producer.in_child(die) is None  # it was killed
    ahead = (await producer.plan()).plan
    assert (ahead.rotation is None) == (state is not JournalState.PREPARED)
    assert ahead.is_empty == (state is not JournalState.PREPARED)
    finished = await producer.apply()
    assert not finished.recovered.failed
    await rotating.check_is_new()


async def test_a_rotation_that_a_reorg_takes_back_gives_the_database_back_to_the_old_key(rotating):
    producer = rotating.producer
    await producer.apply()
    rotating.say(ROTATING)
    await producer.apply()
    async with producer.site() as site:
        async with site.database.begin() as connection:
            rotation = (await Journal(connection).list(1))[0]
            spent = [coin for coin in await Coins(connection).all() if coin.spent_by in rotation.txids]
        coins = [spendable(coin) for coin in spent]  # the root's and the advertisements' among them
        left = sum(coin.output.satoshis for coin in coins) - 1000
        rival = signed(coins, [TxOutput(Satoshis(left), b"\x51")], rotating.old)
        await site.toy.ledger.mine()
        mined_at = (await site.toy.ledger.status(rotation.txids[0])).block_height
        depth = await site.toy.ledger.height() - mined_at + 1
        await site.toy.ledger.reorg(depth, drop=rotation.txids, instead=[rival])
    rotating.say(ROTATING)
    with pytest.raises(GuardError, match="nothing is published under the old key"):  # the rival has burnt its root
        await producer.apply()
    assert await rotating.bound() == rotating.old.identity
    rotating.say(BEFORE)
    await producer.apply()
    audited = await producer.audit()
    assert audited.differences == ()
    rotating.say(ROTATING)
    await producer.apply()
    await rotating.check_books("Acme")  # the public host has not heard that the first rotation lost


async def test_the_gateway_goes_on_under_its_key_and_honours_what_it_sold(rotating):
    producer, access = rotating.producer, "/v1/datasets/sold/data/b.csv/access"
    await producer.apply()
    child = rotating.old.child(GATEWAY_KEY)
    async with selling(producer) as stand:
        bought = await stand.buyer("before").buy(access)
    rotating.say(ROTATING)
    await producer.apply()
    rotating.say(AFTER)
    async with producer.site() as site:
        without = await gateway_keys(producer.invocation, site, rotating.new.identity, rotating.new)
    assert without.identity == rotating.new.public(GATEWAY_KEY)  # as before: that one sells nothing, and says so
    kept = Gateway(producer=rotating.new.identity, network=Network.EMBEDDED, world={}, keys=child)
    assert write_gateway(producer.home / "gateway.key", kept, passphrase=None, randomness=secrets.token_bytes)
    async with producer.site() as site:
        keys = await gateway_keys(producer.invocation, site, rotating.new.identity, rotating.new)
    assert keys.identity == child.identity
    async with selling(producer, gateway=keys) as stand:
        buyer = stand.buyer("before")
        content = await stand.site.http.request("GET", bought["urls"][0])
        assert (content.status, content.body) == (200, (producer.folder / "data" / "b.csv").read_bytes())
        again = await buyer.buy(access)
        assert (again["receipt"], buyer.paid) == (bought["receipt"], [])
        assert buyer.content_key(again, child.identity) == buyer.content_key(bought, child.identity)
        shown = await buyer.signing.request("GET", f"{ORIGIN}/v1/receipts/{bought['receipt']['id']}")
        assert json.loads(shown.body)["receipt"] == bought["receipt"]
        sold = Receipt.parse((await stand.buyer("after").buy(access))["receipt"])
        assert (sold.producer, sold.gateway) == (rotating.new.identity, child.identity)
        world = stand.site.world()
        audited = await audit(
            database=stand.site.database, keys=rotating.new, gateway=keys, arc=world.arc, headers=world.headers
        )
    assert audited.differences == ()
    assert (audited.takings.revenue.count, audited.takings.unsettled.satoshis) == (2, 200)
