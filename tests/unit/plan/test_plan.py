import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.errors import StalePlanError, VerificationError
from reconciler.model.ids import Address
from reconciler.model.observed import Drifted, DriftPlace
from reconciler.plan.action import Action
from reconciler.plan.document import from_json, plan_id, to_bytes


def busy(world):
    """A create, an update, a delete, a replace, a renew, an adopt: of records, copies, settings and ads."""
    names = ("btc", "eth", "ltc", "xmr")
    old = world.desired(*(world.dataset(name) for name in names))
    edited = world.dataset("eth", title="New", text="new")
    new = world.desired(world.dataset("btc"), edited, world.dataset("xmr"), world.dataset("zec"))
    old = replace(old, settings=(world.setting("a", x=1), world.setting("b", x=1)), ads=world.ads("old", "kept"))
    new = replace(new, settings=(world.setting("b", x=2), world.setting("c", x=1)), ads=world.ads("kept", "new"))
    stray = world.advertised(old.ads[0], " again", is_recorded=False)
    drifted = tuple(
        Drifted(object=Address.parse(f"slap/ls_data_{name}"), place=place, detail="x")
        for name in ("kept", "old")
        for place in DriftPlace
    )
    snapshot = world.published(old, drifted=drifted, coins=tuple(world.coin(9000, f"coin {n}") for n in range(3)))
    snapshot = replace(snapshot, ads=(*snapshot.ads, stray))
    aging = [replace(copy, expires=world.now + 5) if copy.dataset == "btc" else copy for copy in snapshot.replicas]
    return new, replace(snapshot, replicas=tuple(aging))


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_inputs_does_not_change_the_id(world, chance):
    state, snapshot = busy(world)
    expected = plan_id(world.plan(state, snapshot))

    def shuffled(items):
        return tuple(chance.sample(list(items), len(items)))

    records = tuple(replace(record, public=dict(shuffled(record.public.items()))) for record in state.records)
    turned = replace(
        snapshot,
        records=dict(shuffled(snapshot.records.items())),
        replicas=shuffled(snapshot.replicas),
        readings=shuffled(snapshot.readings * 2),
        settings=dict(shuffled(snapshot.settings.items())),
        ads=shuffled(snapshot.ads),
        drifted=shuffled(snapshot.drifted),
        coins=shuffled(snapshot.coins),
    )
    again = replace(state, records=shuffled(records), settings=shuffled(state.settings), ads=shuffled(state.ads))
    assert plan_id(world.plan(again, turned)) == expected


def test_the_order_of_python_hashes_does_not_change_the_id():
    code = (
        "import importlib.util as u, sys; s = u.spec_from_file_location('c', sys.argv[1]); m = u.module_from_spec(s);"
        "sys.modules['c'] = m; s.loader.exec_module(m); from reconciler.plan.document import plan_id;"
        "print(plan_id(m.plan(m.desired(*(m.dataset(n) for n in 'abcdef')), m.empty())))"
    )
    world = __file__.replace("test_plan.py", "conftest.py")
    ids = {
        subprocess.run(
            [sys.executable, "-c", code, world],
            env={"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(ids) == 1


def test_no_time_and_nothing_else_of_meta_is_in_the_body(world):
    state, snapshot = busy(world)
    plan = world.plan(state, snapshot)
    later = tuple(replace(reading, at=reading.at + 60) for reading in snapshot.readings)
    meta = replace(plan.meta, tool_version="9", commit="other", readings=later, quoted_at=1, probed_at=2)
    assert plan_id(replace(plan, meta=meta)) == plan_id(plan)
    assert plan_id(world.plan(state, replace(snapshot, readings=later, now=snapshot.now + 1))) == plan_id(plan)


def test_anything_of_the_body_changes_the_id(world):
    state, snapshot = busy(world)
    plan = world.plan(state, snapshot)
    for changed in (
        replace(plan, manifest_digest=world.sha("other")),
        replace(plan, transactions=plan.transactions[::-1] * 2),
        replace(plan, changes=plan.changes[1:]),
        replace(plan, overrides=("--genesis",)),
    ):
        assert plan_id(changed) != plan_id(plan)


def test_every_object_is_counted_once(world):
    state, snapshot = busy(world)
    plan = world.plan(state, snapshot)
    summary = plan.summary
    assert (summary.create, summary.update, summary.replace, summary.renew, summary.delete) == (6, 2, 3, 2, 6)
    assert (summary.move, summary.adopt) == (0, 1)
    wanted = 1 + 4 + 8 + 2 + 4
    assert summary.unchanged == wanted - sum(change.action is not Action.DELETE for change in plan.changes)
    assert [str(address) for address in plan.renewals] == ["replica/btc@storage-eu", "replica/btc@storage-us"]
    assert [host.name for host in plan.storage_hosts] == ["storage-eu", "storage-us"]


def test_a_plan_survives_its_file(world):
    plan = world.plan(*busy(world))
    assert from_json(json.loads(to_bytes(plan))) == plan


def edited(world, edit):
    document = json.loads(to_bytes(world.plan(*busy(world))))
    edit(document)
    return document


def test_an_edited_plan_is_stale(world):
    def edit(document):
        document["body"]["cost"]["fee_satoshis"] += 1

    with pytest.raises(StalePlanError, match="edited"):
        from_json(edited(world, edit))


def reidentified(world, edit):
    """A body that somebody edited and gave its right id: strictness, not the id, must refuse it."""
    from reconciler.plan.document import _id

    document = edited(world, edit)
    document["id"] = _id(document["body"])
    return document


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["body"].update(surprise=1),
        lambda document: document["body"].pop("transactions"),
        lambda document: document["body"]["changes"][0].update(action="explode"),
        lambda document: document["body"]["cost"].update(bytes=True),
        lambda document: document["body"]["cost"].update(bytes="1"),
        lambda document: document["body"]["transactions"][0].update(spends=["nonsense.0"]),
        lambda document: document["body"]["transactions"][0].update(spends=["splitter.x"]),
        lambda document: document["body"]["transactions"][0].update(outputs="producer/acme"),
        lambda document: document["body"]["transactions"][0]["outputs"][0].update(object=1),
        lambda document: document["body"]["transactions"][0]["outputs"][0].update(role="gift"),
        lambda document: document["body"].update(ads=[{"protocol": "SHOP", "name": "tm_x", "url": "x"}]),
        lambda document: document["body"].update(settings={"paymentrule/x": 1}),
        lambda document: document["body"].update(partial=True),
        lambda document: document["body"].update(warnings=[{}]),
        lambda document: document["body"].update(identity="02"),
        lambda document: document["body"].update(gateway=None),
        lambda document: document["body"]["guards"][0].update(refused="no"),
        lambda document: document["body"]["producer"].update(public=[]),
        lambda document: document["meta"].update(commit=1),
        lambda document: document["meta"].update(surprise=1),
        lambda document: document.update(surprise=1),
    ],
)
def test_what_is_not_understood_is_refused(world, edit):
    with pytest.raises(VerificationError, match="not a plan of format"):
        from_json(reidentified(world, edit))


@pytest.mark.parametrize("version", ["1.1", "10.0", 2, None, ""])
def test_another_major_format_is_refused_before_anything_else_is_read(world, version):
    with pytest.raises(VerificationError, match="this program reads"):
        from_json({"body": {"format_version": version, "unknown": 1}, "meta": None, "id": ""})


@pytest.mark.parametrize(
    "document",
    [{}, {"body": 1, "meta": {}, "id": ""}, {"body": {"format_version": "2.0", "x": 2**60}, "meta": {}, "id": ""}],
)
def test_nonsense_is_no_plan(document):
    with pytest.raises(VerificationError, match="not a plan of format"):
        from_json(document)


def test_ten_thousand_unchanged_records_are_planned_without_a_change(world):
    state = world.desired(*(world.dataset(f"day-{number}") for number in range(10_000)))
    plan = world.plan(state, world.published(state))
    assert plan.is_empty
    assert plan.summary.unchanged == 1 + 10_000 + 20_000
