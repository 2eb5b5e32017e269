from dataclasses import replace

import pytest

from reconciler.model.desired import Replication
from reconciler.model.errors import UsageError
from reconciler.model.ids import RecordId
from reconciler.plan.action import Action
from reconciler.plan.document import plan_id


def said(plan):
    return {str(change.object): change.action for change in plan.changes}


def addresses(plan):
    return set(said(plan))


COPIES = {"replica/{}@storage-eu", "replica/{}@storage-us"}


def copies_of(name):
    return {copy.format(name) for copy in COPIES}


def test_a_target_brings_its_copies_and_nothing_else(world):
    plan = world.plan(
        world.desired(world.dataset("a"), world.dataset("b")), world.published(world.desired()), targets=("dataset/a",)
    )
    assert addresses(plan) == {"record/dataset/a"} | copies_of("a")
    assert plan.partial
    assert plan.summary.unchanged == 0


def test_at_genesis_every_target_brings_the_producer(world):
    plan = world.plan(
        world.desired(world.dataset("a"), world.dataset("b")), world.empty(), targets=("record/dataset/b",)
    )
    assert addresses(plan) == {"record/producer/acme", "record/dataset/b"} | copies_of("b")
    assert [str(record) for record in plan.outputs] == ["producer/acme", "dataset/b"]


def test_a_target_brings_the_rules_parents_and_ads_that_it_refers_to(world):
    child = replace(world.dataset("child", capability="crypto"), parents=(RecordId.parse("dataset/parent"),))
    child = replace(child, sealed={**child.sealed, "paymentRule": "standard", "replication": "worldwide"})
    rules = (world.setting("standard", x=1), world.setting("other", x=1))
    state = world.desired(
        child, world.dataset("parent"), world.dataset("z"), settings=rules, ads=world.ads("crypto", "old")
    )
    plan = world.plan(state, world.published(world.desired()), targets=("dataset/child",))
    assert addresses(plan) == {
        "record/dataset/child",
        "record/dataset/parent",
        "setting/paymentrule/standard",
        "ship/tm_data_crypto",
        "slap/ls_data_crypto",
    } | copies_of("child") | copies_of("parent")


def test_the_producers_default_rule_is_referred_to_as_well(world):
    state = world.desired(world.dataset("a"), settings=(world.setting("standard", x=2),))
    sealed = {**state.producer.sealed, "defaults": {"paymentRule": "standard"}}
    old = replace(state, producer=replace(state.producer, sealed=sealed), settings=(world.setting("standard", x=1),))
    plan = world.plan(replace(old, settings=state.settings), world.published(old), targets=("dataset/*",))
    assert addresses(plan) == {"setting/paymentrule/standard"}


def test_others_are_never_deleted_and_what_is_named_is(world):
    old = world.desired(world.dataset("a"), world.dataset("b"), world.dataset("c"))
    new = world.desired(world.dataset("a", title="New"))
    assert addresses(world.plan(new, world.published(old), targets=("dataset/a",))) == {"record/dataset/a"}
    plan = world.plan(new, world.published(old), targets=("dataset/b",))
    assert addresses(plan) == {"record/dataset/b"} | copies_of("b")


def test_a_move_answers_to_both_names(world):
    old = world.desired(world.dataset("btc", price=5), world.dataset("z"))
    new = world.desired(world.dataset("bit", price=5, text="content of btc", renamed_from="btc"))
    for target in ("dataset/bit", "dataset/btc"):
        plan = world.plan(new, world.published(old), targets=(target,))
        assert said(plan)["record/dataset/bit"] is Action.MOVE
        assert addresses(plan) >= copies_of("bit") | copies_of("btc")
        assert "record/dataset/z" not in addresses(plan)


def test_one_copy_alone_can_be_the_target(world):
    record = world.dataset("a")
    state = world.desired(record)
    soon = world.copies(record, "storage-eu", "storage-us", expires=world.now + 5)
    plan = world.plan(state, world.published(state, replicas=soon), targets=("replica/a@storage-us",))
    assert said(plan) == {"replica/a@storage-us": Action.RENEW}


def test_what_is_excluded_stays_with_everything_that_cannot_be_without_it(world):
    child = replace(world.dataset("child"), parents=(RecordId.parse("dataset/parent"),))
    state = world.desired(child, world.dataset("parent"), world.dataset("z"))
    plan = world.plan(state, world.published(world.desired()), excludes=("dataset/parent",))
    assert addresses(plan) == {"record/dataset/z"} | copies_of("z")


def test_a_changed_record_that_is_excluded_keeps_its_old_content_everywhere(world):
    old, new = (world.desired(world.dataset("a", text=text), world.dataset("b", text=text)) for text in ("1", "2"))
    plan = world.plan(new, world.published(old), excludes=("record/dataset/a",))
    assert addresses(plan) == {"record/dataset/b"} | copies_of("b")


def test_excluding_a_storage_host_leaves_the_record_and_the_other_copies(world):
    state = world.desired(world.dataset("a"))
    plan = world.plan(state, world.published(world.desired()), excludes=("replica/*@storage-us",))
    assert addresses(plan) == {"record/dataset/a", "replica/a@storage-eu"}
    assert plan.refused == ()
    strict = world.desired(world.dataset("a", rule=Replication(replicas=2, min_replicas=2)))
    refused = world.plan(strict, world.published(world.desired()), excludes=("replica/*@storage-us",)).refused
    assert [(guard.name, guard.value) for guard in refused] == [("copies", "a: 1 of at least 2 copies")]


def test_what_is_left_out_is_not_carried_out_by_the_way(world):
    """The new root repeats what is live of the producer, its settings and ads, not what the manifests say."""
    old = world.desired(world.dataset("a"), settings=(world.setting("x", n=1),), ads=world.ads("crypto"))
    public = {"displayName": "New", "gateway": {"url": "http://new.embedded"}}
    new = world.desired(
        world.dataset("a", title="New"),
        settings=(world.setting("x", n=2), world.setting("y", n=1)),
        ads=world.ads("crypto", "weather", url="http://new.embedded"),
        gateway_url="http://new.embedded",
    )
    new = replace(new, producer=replace(new.producer, public=public))
    snapshot = world.published(old)
    plan = world.plan(new, snapshot, targets=("dataset/a",))
    assert addresses(plan) == {"record/dataset/a"}
    assert plan.producer_public == old.producer.public
    assert plan.gateway_url == "http://acme.embedded"
    assert plan.settings == {"paymentrule/x": {"n": 1}}
    assert plan.ads == snapshot.root.ads
    assert [str(each.role) for each in plan.transactions] == ["root"]
    assert addresses(world.plan(new, snapshot, excludes=("producer/acme",))) == {
        "record/dataset/a",
        "setting/paymentrule/x",
        "setting/paymentrule/y",
    }


def test_ads_as_targets_bring_the_gateway_that_they_name(world):
    old, new = world.desired(ads=world.ads("crypto")), world.desired(ads=world.ads("crypto", url="http://new.embedded"))
    public = {"displayName": "Acme Data", "gateway": {"url": "http://new.embedded"}}
    new = replace(new, producer=replace(new.producer, public=public), gateway_url="http://new.embedded")
    plan = world.plan(new, world.published(old), targets=("ship/*",))
    assert addresses(plan) == {"record/producer/acme", "ship/tm_data_crypto"}
    assert {(ad.name, ad.url) for ad in plan.ads} == {
        ("tm_data_crypto", "http://new.embedded"),
        ("ls_data_crypto", "http://acme.embedded"),
    }


@pytest.mark.parametrize("option", ["targets", "excludes"])
@pytest.mark.parametrize("pattern", ["dataset/nope", "replica/a", "a b", "", "record/dataset/A"])
def test_a_pattern_that_means_nothing_is_an_error(world, option, pattern):
    state = world.desired(world.dataset("a"))
    with pytest.raises(UsageError):
        world.plan(state, world.published(state), **{option: (pattern,)})


def test_a_restricted_plan_is_another_plan_even_where_it_does_the_same(world):
    state = world.desired(world.dataset("a"))
    whole, part = world.plan(state, world.empty()), world.plan(state, world.empty(), targets=("*",))
    assert whole.changes == part.changes
    assert (whole.partial, part.partial) == (False, True)
    assert plan_id(whole) != plan_id(part)
