"""Settings, advertisements, moves, sold content, drift: everything that is compared beside fields of records."""

from dataclasses import replace

import pytest

from reconciler.model.desired import Replication
from reconciler.model.errors import UsageError
from reconciler.model.ids import Address, SettingKind
from reconciler.model.observed import Drifted, DriftPlace, ListedAd, StorageQuote
from reconciler.plan.action import Action
from reconciler.plan.diff import compare, diff
from reconciler.plan.replicas import next_renewal
from reconciler.plan.storage import PART, stored_sizes
from reconciler.wire.stream_cipher import Layout


def said(changes):
    return {str(change.object): change.action for change in changes}


def told(notices):
    return {str(notice.object): notice.detail for notice in notices}


# Settings


def test_settings_are_created_updated_and_deleted_by_kind_and_name(world):
    old = world.desired(settings=(world.setting("a", x=1), world.setting("b", x=1)))
    policy = world.setting("a", SettingKind.CONSUMER_POLICY, x=1)
    new = replace(old, settings=(policy, world.setting("a", x=2)))
    changes = diff(new, world.published(old))
    assert said(changes) == {
        "setting/consumerpolicy/a": Action.CREATE,
        "setting/paymentrule/a": Action.UPDATE,
        "setting/paymentrule/b": Action.DELETE,
    }
    assert [field.path for change in changes for field in change.diff] == ["value.x"]


def test_all_settings_stand_in_the_plan_whether_they_change_or_not(world):
    old = world.desired(settings=(world.setting("a", x=1), world.setting("b", x=1)))
    plan = world.plan(replace(old, settings=(world.setting("b", x=1), world.setting("c", x=3))), world.published(old))
    assert plan.settings == {"paymentrule/b": {"x": 1}, "paymentrule/c": {"x": 3}}


# Advertisements


def test_an_ad_with_the_right_url_is_adopted_whoever_made_it_and_costs_no_token(world):
    state = world.desired(ads=world.ads("crypto"))
    found = tuple(world.advertised(ad, is_recorded=False) for ad in state.ads)
    snapshot = world.published(state, ads=found)
    plan = world.plan(state, snapshot)
    assert set(said(plan.changes).values()) == {Action.ADOPT}
    assert plan.transactions == ()
    unlisted = replace(snapshot, root=replace(snapshot.root, ads=()))
    listing = world.plan(state, unlisted)
    assert [str(each.role) for each in listing.transactions] == ["root"]
    assert listing.ads == tuple(ListedAd(protocol=ad.protocol, name=ad.name, url=ad.url) for ad in state.ads)


def test_an_ad_with_another_url_is_replaced_and_one_of_no_manifest_is_revoked(world):
    state = world.desired(ads=world.ads("crypto"))
    elsewhere = world.published(replace(state, ads=world.ads("crypto", url="http://old.embedded")))
    changes = diff(state, elsewhere)
    assert said(changes) == dict.fromkeys(["ship/tm_data_crypto", "slap/ls_data_crypto"], Action.REPLACE)
    assert [(field.before, field.after) for field in changes[0].diff] == [
        ("http://old.embedded", "http://acme.embedded")
    ]
    assert set(said(diff(replace(state, ads=()), world.published(state))).values()) == {Action.DELETE}


def test_two_live_tokens_of_one_ad_are_spent_for_one(world):
    state = world.desired(ads=world.ads("crypto"))
    again = world.advertised(state.ads[0], " again", is_recorded=False)
    snapshot = world.published(state)
    plan = world.plan(state, replace(snapshot, ads=(*snapshot.ads, again)))
    (change,) = plan.changes
    assert (change.action, change.why) == (Action.REPLACE, "2 tokens of it are live")
    assert len(change.before["ads"]) == 2
    assert plan.cost.locked_satoshis == -1


def test_an_ad_that_the_root_lists_and_no_tracker_does_is_drift(world):
    state = world.desired(ads=world.ads("crypto"))
    found = compare(state, world.published(state, ads=()))
    assert set(said(found.changes).values()) == {Action.CREATE}
    assert [drift.detail for drift in found.drift] == ["the trackers do not list it"] * 2


# Moves


def test_a_rename_is_a_move_with_the_copies_of_free_content(world):
    old, new = world.dataset("btc"), world.dataset("bit", text="content of btc", renamed_from="btc")
    changes = diff(world.desired(new), world.published(world.desired(old)))
    assert said(changes) == {
        "record/dataset/bit": Action.MOVE,
        "replica/bit@storage-eu": Action.MOVE,
        "replica/bit@storage-us": Action.MOVE,
    }
    assert [str(change.moved_from) for change in changes][:2] == ["record/dataset/btc", "replica/btc@storage-eu"]
    assert str(changes[0].before_id) == "dataset/btc"


def test_a_rename_of_what_is_not_live_is_new_and_says_so(world):
    (record, *_) = diff(world.desired(world.dataset("bit", renamed_from="btc")), world.published(world.desired()))
    assert record.action is Action.CREATE
    assert record.why == "producer.yaml:13; there is no live dataset/btc to be renamed, so it is new"


def test_a_rename_that_was_applied_is_no_change_any_more(world):
    state = world.desired(world.dataset("bit", renamed_from="btc"))
    assert diff(state, world.published(state)) == ()


def test_a_rename_onto_a_live_name_is_none_and_the_old_one_goes(world):
    old = world.desired(world.dataset("btc"), world.dataset("bit"))
    new = world.desired(world.dataset("bit", renamed_from="btc"))
    assert said(diff(new, world.published(old)))["record/dataset/btc"] is Action.DELETE


def test_a_name_that_is_still_wanted_does_not_move(world):
    btc = world.dataset("btc")
    changes = diff(world.desired(btc, world.dataset("bit", renamed_from="btc")), world.published(world.desired(btc)))
    assert said(changes)["record/dataset/bit"] is Action.CREATE
    assert changes[0].why.endswith("dataset/btc is wanted under its old name too, so this one is new")


def test_one_old_record_moves_once(world):
    new = world.desired(world.dataset("a", renamed_from="btc"), world.dataset("b", renamed_from="btc"))
    changes = said(diff(new, world.published(world.desired(world.dataset("btc")))))
    assert (changes["record/dataset/a"], changes["record/dataset/b"]) == (Action.MOVE, Action.CREATE)


def test_moves_are_no_deletes_to_the_guards(world):
    old = world.desired(*(world.dataset(f"day-{number}") for number in range(20)))
    new = world.desired(*(world.dataset(f"x-{number}", renamed_from=f"day-{number}") for number in range(20)))
    plan = world.plan(new, world.published(old))
    assert (plan.summary.move, plan.summary.delete, plan.refused) == (20, 0, ())


def test_a_slipped_digit_in_a_moved_price_is_caught(world):
    old, new = world.dataset("a", price=10), world.dataset("b", price=1000, renamed_from="a")
    state = world.desired(new, limits=replace(world.desired().limits, max_price_factor="2"))
    assert [guard.name for guard in world.plan(state, world.published(world.desired(old))).refused] == ["price"]


def test_a_delete_beside_the_same_content_under_another_name_hints_at_a_rename(world):
    changes = diff(
        world.desired(world.dataset("bit", text="content of btc")), world.published(world.desired(world.dataset("btc")))
    )
    (delete,) = [change for change in changes if str(change.object) == "record/dataset/btc"]
    assert delete.why.endswith("dataset/bit is created with the same content: to rename, say metadata.renamedFrom: btc")


# Sold content and its copies


@pytest.mark.parametrize("size", [1, 1 << 20, (1 << 20) + 1, PART - 1, PART, PART + 1, 3 * PART + 5])
def test_sold_content_is_stored_in_parts_as_large_as_the_wire_makes_them(size):
    assert stored_sizes(size, is_sold=True) == Layout(size).part_sizes
    assert stored_sizes(size, is_sold=False) == (size,)


def test_free_to_sold_replaces_the_copies_and_says_how_long_plaintext_stays(world):
    found = compare(world.desired(world.dataset("btc", price=5)), world.published(world.desired(world.dataset("btc"))))
    assert said(found.changes)["replica/btc@storage-eu"] is Action.REPLACE
    where = "until 2026-06-29 on storage-eu, storage-us"
    assert told(found.notices) == {"record/dataset/btc": f"it was free until now: the plaintext stays readable {where}"}


def test_plaintext_that_has_expired_is_no_warning(world):
    free = world.dataset("btc")
    snapshot = world.published(world.desired(free), replicas=world.copies(free, "storage-eu", expires=world.now))
    assert compare(world.desired(world.dataset("btc", price=5)), snapshot).notices == ()


def test_deleting_what_was_for_sale_says_that_receipts_stay_good(world):
    found = compare(world.desired(), world.published(world.desired(world.dataset("a"), world.dataset("b", price=5))))
    assert told(found.notices) == {
        "record/dataset/b": "it was for sale: unspent receipts stay deliverable until their end"
    }


def test_a_moved_sold_dataset_is_stored_again_since_its_key_is_another(world):
    old, new = world.dataset("btc", price=5), world.dataset("bit", text="content of btc", price=5, renamed_from="btc")
    changes = said(diff(world.desired(new), world.published(world.desired(old))))
    assert changes["record/dataset/bit"] is Action.MOVE
    assert changes["replica/bit@storage-eu"] is Action.CREATE
    assert changes["replica/btc@storage-eu"] is Action.DELETE


def test_a_rule_decides_when_copies_are_renewed(world):
    record = world.dataset("btc", rule=Replication(replicas=1, renew_before=100))
    state = world.desired(record)
    for left, expected in ((101, {}), (100, {"replica/btc@storage-eu": Action.RENEW})):
        found = world.copies(record, "storage-eu", expires=world.now + left)
        assert said(diff(state, world.published(state, replicas=found))) == expected


def test_until_its_next_renewal_time_leaves_a_plan_without_changes_as_it_is(world):
    early = world.dataset("early", rule=Replication(replicas=1, renew_before=5_000))
    late = world.dataset("late", rule=Replication(replicas=1, renew_before=100))
    state = world.desired(early, late)
    copies = (
        *world.copies(early, "storage-eu", expires=world.now + 20_000),
        *world.copies(late, "storage-eu", expires=world.now + 15_050),
    )
    snapshot = world.published(state, replicas=copies)
    due = next_renewal(state, snapshot)

    assert due == world.now + 14_950
    for now in (world.now, due - 1):
        assert diff(state, replace(snapshot, now=now)) == ()
    assert said(diff(state, replace(snapshot, now=due))) == {"replica/late@storage-eu": Action.RENEW}


def test_a_copy_outside_of_the_rules_regions_moves_and_one_inside_stays(world):
    free = world.dataset("btc", rule=Replication(replicas=2, regions=("EU",)))
    state = world.desired(free)
    changes = said(diff(state, world.published(state)))
    assert changes == {"replica/btc@storage-eu-2": Action.CREATE, "replica/btc@storage-us": Action.DELETE}


def test_a_copy_that_is_found_is_adopted(world):
    record = world.dataset("btc")
    state = world.desired(record)
    found = [replace(copy, is_recorded=False) for copy in world.copies(record, "storage-eu", "storage-us")]
    plan = world.plan(state, world.published(state, replicas=tuple(found)))
    assert set(said(plan.changes).values()) == {Action.ADOPT}
    assert plan.transactions == ()


def test_storage_is_paid_for_what_changes_and_told_for_everything(world):
    quotes = {
        "storage-eu": StorageQuote(satoshis=3, bytes=1),
        "storage-us": StorageQuote(satoshis=1, bytes=1000, minimum=10),
    }
    free, sold = world.dataset("a"), world.dataset("b", price=5)
    state = world.desired(free, sold)
    snapshot = world.published(state, replicas=(*world.copies(free, "storage-eu", "storage-us"),), quotes=quotes)
    cost = world.plan(state, snapshot).cost
    assert free.content.size == sold.content.size == 12
    assert cost.storage_satoshis == 3 * (12 + 16) + 10
    assert cost.running == cost.storage_satoshis + 3 * 12 + 10
    assert world.plan(state, replace(snapshot, quotes={})).cost.running == 0


# Drift


@pytest.mark.parametrize(
    "address",
    ["dataset/btc", "producer/acme", "replica/btc@storage-us", "setting/paymentrule/a", "slap/ls_data_crypto"],
)
def test_what_is_live_but_told_wrong_is_restored_without_a_transaction(world, address):
    state = world.desired(world.dataset("btc"), settings=(world.setting("a", x=1),), ads=world.ads("crypto"))
    fact = Drifted(object=Address.parse(address), place=DriftPlace.DATABASE, detail="the row was edited")
    plan = world.plan(state, world.published(state, drifted=(fact,)))
    (change,) = plan.changes
    assert (change.object, change.action, change.why) == (fact.object, Action.ADOPT, "database: the row was edited")
    assert (change.before, change.before_id) == (None, None)
    assert change.after is not None
    assert (plan.transactions, plan.generation, plan.summary.adopt) == ((), 3, 1)
    assert [drift.detail for drift in plan.drift] == ["database: the row was edited"]


def test_what_drifted_and_changed_is_mended_by_the_change(world):
    old, new = world.desired(world.dataset("btc")), world.desired(world.dataset("btc", title="New"))
    facts = tuple(
        Drifted(object=Address.parse("dataset/btc"), place=place, detail="x")
        for place in (DriftPlace.OVERLAY, DriftPlace.DATABASE)
    )
    plan = world.plan(new, world.published(old, drifted=facts))
    assert said(plan.changes) == {"record/dataset/btc": Action.UPDATE}
    assert [drift.detail for drift in plan.drift] == ["database: x; overlay: x"]


# --replace


def test_an_unchanged_object_is_made_anew_when_asked_for(world):
    state = world.desired(world.dataset("btc"), ads=world.ads("crypto"))
    named = ("dataset/btc", "replica/btc@*-us", "ship/*", "producer/acme")
    plan = world.plan(state, world.published(state), replaces=named)
    assert said(plan.changes) == dict.fromkeys(
        ["record/dataset/btc", "record/producer/acme", "replica/btc@storage-us", "ship/tm_data_crypto"], Action.REPLACE
    )
    assert {change.why for change in plan.changes} == {"asked for by --replace"}
    assert plan.cost.locked_satoshis == 0


@pytest.mark.parametrize("name", ["dataset/eth", "setting/paymentrule/a", "two words", ""])
def test_only_what_has_a_token_or_a_copy_can_be_made_anew(world, name):
    state = world.desired(world.dataset("btc"), settings=(world.setting("a", x=1),))
    with pytest.raises(UsageError):
        world.plan(state, world.published(state), replaces=(name,))
