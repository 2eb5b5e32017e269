"""Plans that bind: kept in a file or approved by id, a plan is carried out exactly, or refused."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from reconciler.control.planned import Finished
from reconciler.model.errors import GuardError, StalePlanError
from reconciler.model.ids import Digest, Network
from reconciler.plan.document import from_json, plan_id, to_bytes
from reconciler.plan.options import PlanOptions
from reconciler.plan.plan import Plan, make_destroy_plan
from reconciler.store.journal import Journal
from reconciler.wallet.keys import Keys

MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://localhost:3999"}
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
kind: Dataset
metadata: {name: one}
spec: {source: {path: data/a.csv}, title: One, price: 50}
"""


async def kept(producer: Any, **options: Any) -> Plan:
    """A plan, as it is read from a file."""
    return from_json(json.loads(to_bytes((await producer.plan(**options)).plan)))


async def execute(producer: Any, plan: Plan, **others: Any) -> Finished:
    async with producer.site() as site:
        reconciler, _ = await producer.reconciler(site)
        return await replace(reconciler, **others).execute_plan(plan, halted=lambda: False)


async def states(producer: Any) -> int:
    """How many entries the journal has."""
    async with producer.site() as site, site.database.begin() as connection:
        return len(await Journal(connection).list(100))


async def check_refused(producer: Any, plan: Plan, match: str, **others: Any) -> None:
    """Nothing happens at all."""
    before = await states(producer)
    with pytest.raises(StalePlanError, match=match):
        await execute(producer, plan, **others)
    assert await states(producer) == before
    audited = await producer.audit()
    assert (audited.differences, audited.balance.locked) == ((), 0)


async def test_a_kept_plan_is_carried_out_exactly_with_all_that_it_says(producer):
    producer.write(MANIFEST)
    plan = await kept(producer)
    finished = await execute(producer, plan)
    assert finished.applied.generation == 1
    async with producer.site() as site, site.database.begin() as connection:
        assert {entry.plan_id for entry in await Journal(connection).list(10)} == {plan_id(plan)}
    assert (await producer.plan()).plan.is_empty
    producer.write(MANIFEST, title="After")
    plan = await kept(producer)
    producer.write(MANIFEST, title="Edited since")  # the manifests do not matter any more
    assert (await execute(producer, plan)).applied.generation == 2
    assert (await producer.catalog()).root.record.public["displayName"] == "After"
    assert (await producer.audit()).balanced


async def test_a_kept_plan_that_was_edited_is_refused(producer):
    producer.write(MANIFEST)
    document = json.loads(to_bytes((await producer.plan()).plan))

    def edited(*path: Any, value: Any) -> Any:
        changed = copy.deepcopy(document)
        place = changed
        for step in path[:-1]:
            place = place[step]
        assert place[path[-1]] != value
        place[path[-1]] = value
        return changed

    for path, value in (
        (("body", "producer", "public", "displayName"), "Else"),
        (("body", "transactions", 0, "fee"), 1),
        (("body", "guards", 0, "refused"), True),
        (("body", "fee_rate", "satoshis"), 1),
        (("id",), "00" * 32),
    ):
        with pytest.raises(StalePlanError, match="edited"):
            from_json(edited(*path, value=value))


async def test_a_kept_plan_is_refused_where_the_world_moved(producer):
    producer.write(MANIFEST)
    genesis = await kept(producer)
    await producer.apply()
    await check_refused(producer, genesis, "what is live has changed")
    producer.write(MANIFEST, title="Two")
    second = await kept(producer)
    await producer.apply()
    await check_refused(producer, second, "what is live has changed")


async def test_a_kept_plan_is_refused_where_a_coin_or_a_file_is_not_what_it_was(producer):
    producer.write(MANIFEST)
    plan = await kept(producer)
    content = producer.data("a.csv", "id,value\n1,one\n").read_text()
    producer.data("a.csv", content.replace("one", "two"))
    await check_refused(producer, plan, r"a\.csv")
    producer.data("a.csv", content)
    async with producer.site() as site, site.database.begin() as connection:
        await connection.execute(text("update coins set state = 'spent'"))
    await check_refused(producer, plan, "coin of the plan is not in the wallet")


async def test_a_kept_plan_for_another_identity_or_network_is_refused(producer, request):
    producer.write(MANIFEST)
    plan = await kept(producer)
    await check_refused(producer, replace(plan, network=Network.TEST), "network")
    await check_refused(producer, plan, "identity", keys=Keys(bytes(31) + b"\x07"))


async def test_a_refused_guard_in_a_kept_plan_stops_it(producer):
    await producer.apply()
    producer.write("apiVersion: overlay/v1\nkind: Producer\nmetadata: {name: acme}\nspec: {network: embedded}\n")
    with pytest.raises(GuardError, match="everything"):
        await execute(producer, await kept(producer))
    await execute(producer, await kept(producer, allow_empty=True))
    assert (await producer.plan()).plan.is_empty


async def test_a_kept_plan_may_destroy_everything(producer):
    producer.write(MANIFEST)
    await producer.apply()
    async with producer.site() as site:
        reconciler, desired = await producer.reconciler(site)
        snapshot = (await reconciler.plan(desired, PlanOptions())).observation.snapshot
        plan = make_destroy_plan(
            desired, replace(snapshot, source="acme"), PlanOptions(), meta=(await producer.plan()).plan.meta
        )
    await execute(producer, from_json(json.loads(to_bytes(plan))))
    assert (await producer.audit()).tokens == 0


async def test_an_approved_plan_is_applied_and_no_other(producer):
    producer.write(MANIFEST)
    planned = plan_id((await producer.plan()).plan)

    async def never(_: Any) -> bool:
        raise AssertionError("nobody is asked")

    async def apply(approved: Digest) -> Finished:
        async with producer.site() as site:
            reconciler, desired = await producer.reconciler(site)
            return await reconciler.apply(desired, PlanOptions(), agree=never, halted=lambda: False, approved=approved)

    with pytest.raises(StalePlanError, match="approved was"):
        await apply(Digest("00" * 32))
    assert await states(producer) == 0
    producer.write(MANIFEST, title="Edited")
    with pytest.raises(StalePlanError, match="approved was"):
        await apply(planned)
    producer.write(MANIFEST)
    assert (await apply(planned)).applied.generation == 1


async def test_two_machines_agree_on_the_plan(twins):
    """A new machine reads the world from hosts; its plan is the same to the byte, but for when and by whom it was made."""
    here, there = twins
    for machine in twins:
        machine.write(MANIFEST)
    await here.apply()
    for title in ("Second", "Third"):
        for machine in twins:
            machine.write(MANIFEST.replace("One", f"One of {title}"), title=title)
            machine.data("a.csv", f"id,value\n1,{title}\n")
        plans = [(await machine.plan()).plan for machine in twins]
        assert to_bytes(replace(plans[0], meta=plans[1].meta)) == to_bytes(plans[1])
        assert plan_id(plans[0]) == plan_id((await here.plan()).plan)
        await there.apply()
    assert (await here.plan()).plan.is_empty
