"""Every guard stops an apply before anything irreversible, and lets it pass with its own override."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.control.funding import take_from_faucet
from reconciler.control.source import Provenance
from reconciler.model.desired import Limits
from reconciler.model.errors import GuardError
from reconciler.model.ids import Network
from reconciler.plan.guards import RULES, GuardName
from reconciler.plan.options import DeleteLimit, PlanOptions
from reconciler.store.journal import Journal
from reconciler.wire.http import Reply

GATEWAY = "https://gateway.example"

TABLES = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec: {displayName: TITLE, network: embedded}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: tables}
spec: {source: {glob: "data/*.csv"}, price: PRICE}
"""

ADVERTISED = f"""\
apiVersion: overlay/v1
kind: Producer
metadata: {{name: acme}}
spec:
  displayName: TITLE
  network: embedded
  gateway: {{url: "{GATEWAY}"}}
---
apiVersion: overlay/v1
kind: Advertisement
metadata: {{name: prices}}
spec:
  serviceType: data-feed
  capability: price-feeds
  pricing: {{model: per-minute, satoshis: 20}}
"""

PROVEN = frozenset(GuardName) - {GuardName.IDENTITY, GuardName.COPIES}
"""Those of this module; the others are held by tests of the plan and by test_edges."""


def test_every_guard_is_in_the_table():
    assert {rule.name for rule in RULES} == set(GuardName) >= PROVEN


class Case:
    """A reconciler whose world, manifests or provenance a test has bent."""

    def __init__(self, producer: Any, **bent: Any) -> None:
        self._producer = producer
        self._bent = bent

    async def apply(self, **options: Any) -> Any:
        async def agree(_: Any) -> bool:
            return True

        async with self._producer.site() as site:
            reconciler, desired = await self._producer.reconciler(site, http=self._bent.get("http", lambda http: http))
            if "provenance" in self._bent:
                reconciler = replace(reconciler, provenance=self._bent["provenance"])
            if "network" in self._bent:
                world = replace(reconciler.world, network=self._bent["network"], faucet=None)
                outside = {} if self._bent.get("alone") else world.outside
                reconciler = replace(reconciler, world=replace(world, outside=outside))
                desired = replace(desired, network=self._bent["network"])
                if self._bent.get("funded", True):
                    await take_from_faucet(
                        site.world().faucet,
                        100_000,
                        keys=reconciler.keys,
                        network=self._bent["network"],
                        database=site.database,
                        headers=world.headers,
                        now=int(reconciler.clock()),
                    )
            if "limits" in self._bent:
                desired = replace(desired, limits=self._bent["limits"])
            return await reconciler.apply(desired, PlanOptions(**options), agree=agree, halted=lambda: False)

    async def check(self, guard: GuardName, **override: Any) -> None:
        """Refused by this guard alone, with nothing done; passed with the override, which the journal keeps."""
        before = await self.journal()
        with pytest.raises(GuardError) as caught:
            await self.apply()
        assert caught.value.message.startswith(f"{guard}: ")
        assert ";" not in caught.value.message
        assert await self.journal() == before
        if not override:
            return
        assert caught.value.hint is not None
        finished = await self.apply(**override, reason="it is meant")
        given = finished.planned.plan.overrides
        assert given[-1] == "--reason it is meant"
        assert given[0].split()[0] in caught.value.hint
        notes = await self.journal()
        assert notes[0] == " ".join(given)

    async def journal(self) -> list[str]:
        async with self._producer.site() as site, site.database.begin() as connection:
            return [entry.note for entry in await Journal(connection).list(100)]


@pytest.fixture
async def tables(producer):
    """Twelve tables for sale, applied."""
    for number in range(12):
        producer.data(f"t{number}.csv", f"id,value\n{number},and so on\n")
    for name in ("a.csv", "b.csv"):
        (producer.folder / "data" / name).unlink()
    producer.write(TABLES.replace("PRICE", "100"))
    await producer.apply()
    return producer


async def test_guards_of_what_is_live(tables):
    """Prices, deletions, another source of truth: one after the other on the same producer."""
    tables.write(TABLES.replace("PRICE", "201"))
    limited = Case(tables, limits=Limits(max_price_factor="2"))
    await limited.check(GuardName.PRICE, allow_price_change=True)
    tables.write(TABLES.replace("PRICE", "201"), title="Dear")
    await Case(
        tables, limits=Limits(max_cost=1), network=Network.EMBEDDED, funded=False
    ).apply()  # none on toy networks
    for number in range(4):
        (tables.folder / "data" / f"t{number}.csv").unlink()
    await Case(tables).check(GuardName.DELETES, max_delete=DeleteLimit(4))
    tables.write("apiVersion: overlay/v1\nkind: Producer\nmetadata: {name: acme}\nspec: {network: embedded}\n")
    await Case(tables).check(GuardName.EVERYTHING, allow_empty=True)


async def test_cost_and_coins(producer):
    producer.write(TABLES.replace("PRICE", "100"))
    with pytest.raises(GuardError, match="cost: ") as caught:
        await producer.apply(max_cost=10)
    assert "--max-cost" in caught.value.hint
    await producer.apply(max_cost=1_000)
    producer.write(TABLES.replace("PRICE", "101"))


async def test_without_enough_coins_nothing_is_signed_and_the_address_is_told(producer):
    await Case(producer, network=Network.TEST, funded=False).check(GuardName.COINS)


async def test_another_source_of_truth_needs_take_over(producer):
    first = Provenance(repo="git.example/acme/data", folder="overlay")
    await Case(producer, provenance=first).apply()
    producer.write(title="Elsewhere")
    await Case(producer, provenance=Provenance(repo="git.example/else/data")).check(GuardName.SOURCE, take_over=True)
    assert (await producer.plan()).plan.is_empty, "a machine without a repository compares names"


async def test_a_genesis_that_no_host_can_vouch_for_needs_the_word(producer):
    await Case(producer, network=Network.TEST, alone=True).check(GuardName.GENESIS, genesis=True)


@pytest.mark.parametrize("status", [503, 200])
async def test_a_gateway_must_answer_before_it_is_advertised(producer, door, status):
    producer.write(ADVERTISED)

    def before(_: str, url: str) -> Reply | None:
        return (
            Reply(url, status, {"content-type": "application/json"}, b'{"ready": true}')
            if url.startswith(GATEWAY)
            else None
        )

    case = Case(producer, network=Network.TEST, http=lambda http: door(http, before=before))
    if status == 200:
        assert (await case.apply()).applied.generation == 1
    else:
        await case.check(GuardName.GATEWAY, unreachable_gateway=True)


async def test_content_that_is_nowhere_is_not_published(producer):
    pinned = "{source: {path: data/absent.csv, sha256: SUM, size: 20}, title: Absent}".replace("SUM", "ab" * 32)
    producer.write(
        TABLES.partition("---")[0]
        + f"---\napiVersion: overlay/v1\nkind: Dataset\nmetadata: {{name: absent}}\nspec: {pinned}\n"
    )
    await Case(producer).check(GuardName.CONTENT)
