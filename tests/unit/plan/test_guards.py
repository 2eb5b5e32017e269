from dataclasses import replace

import pytest

from reconciler.model.amounts import Satoshis
from reconciler.model.desired import Limits, Rotation
from reconciler.model.ids import Network, Outpoint
from reconciler.model.observed import Answer, Reading, StorageQuote
from reconciler.plan.layout import AT_ONCE, MAX_COINS
from reconciler.plan.options import DeleteLimit, PlanOptions
from reconciler.plan.prices import price_factor
from reconciler.plan.source import same_source
from reconciler.plan.transactions import TxRole


def guard(plan, name):
    (found,) = [guard for guard in plan.guards if guard.name == name]
    return found


def refused(plan):
    return [str(guard.name) for guard in plan.refused]


def after_deleting(world, deleted, live, **options):
    old = [world.dataset(f"day-{number}") for number in range(live)]
    return world.plan(world.desired(*old[deleted:]), world.published(world.desired(*old)), **options)


@pytest.mark.parametrize(
    ("deleted", "live", "stopped"), [(3, 10, False), (4, 10, True), (8, 9, False), (31, 100, True)]
)
def test_more_than_thirty_percent_of_ten_or_more_records_may_not_go(world, deleted, live, stopped):
    assert refused(after_deleting(world, deleted, live)) == (["deletes"] if stopped else [])


@pytest.mark.parametrize(
    ("limit", "is_refused", "is_overridden"), [("4", False, True), ("40%", False, True), ("3", True, False)]
)
def test_max_delete_takes_the_place_of_the_default(world, limit, is_refused, is_overridden):
    found = guard(after_deleting(world, 4, 10, max_delete=DeleteLimit.parse(limit)), "deletes")
    assert (found.refused, found.overridden, found.limit) == (is_refused, is_overridden, limit)


def test_max_delete_may_be_stricter_than_the_default(world):
    assert refused(after_deleting(world, 1, 10, max_delete=DeleteLimit(0))) == ["deletes"]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "5 %", "%", "\uff11"])
def test_a_delete_limit_is_a_number_or_a_percentage(text):
    with pytest.raises(ValueError, match="N or N%"):
        DeleteLimit.parse(text)


def test_everything_goes_only_with_allow_empty(world):
    assert refused(after_deleting(world, 2, 2)) == ["everything"]
    assert refused(after_deleting(world, 2, 2, allow_empty=True)) == []


def test_swapping_every_record_for_new_ones_is_deleting_everything(world):
    old, new = world.desired(world.dataset("a")), world.desired(world.dataset("b"))
    assert refused(world.plan(new, world.published(old))) == ["everything"]


def test_cost_is_gross_and_limited_by_manifest_and_flag(world):
    state = world.desired(world.dataset("a"), network=Network.TEST, limits=Limits(max_cost=Satoshis(50)))
    assert refused(world.plan(state, world.empty())) == ["cost"]
    passing = guard(world.plan(state, world.empty(), max_cost=Satoshis(5000)), "cost")
    assert (passing.refused, passing.overridden, passing.limit) == (False, True, "5,000 satoshis")
    assert refused(world.plan(replace(state, limits=Limits()), world.empty(), max_cost=Satoshis(1))) == ["cost"]


def test_a_toy_network_has_no_cost_limit_unless_one_is_given(world):
    state = world.desired(world.dataset("a"), limits=Limits(max_cost=Satoshis(1)))
    assert refused(world.plan(state, world.empty())) == []
    assert refused(world.plan(state, world.empty(), max_cost=Satoshis(1))) == ["cost"]


def test_on_main_a_limit_is_required_where_nobody_is_asked(world):
    state = world.desired(world.dataset("a"), network=Network.MAIN)
    assert refused(world.plan(state, world.empty())) == ["cost"]
    assert refused(world.plan(state, world.empty(), interactive=True)) == []
    assert refused(world.plan(state, world.empty(), max_cost=Satoshis(10_000))) == []


def priced(satoshis, *tiers):
    return {"pricing": {"model": "per-request", "satoshis": satoshis, "tiers": list(tiers)}}


def model(name, satoshis, **more):
    return {"pricing": {"model": name, "satoshis": satoshis, **more}}


@pytest.mark.parametrize(
    ("before", "after", "factor"),
    [
        (priced(100), priced(100), 1),
        (priced(100), priced(250), 2.5),
        (priced(250), priced(100), 2.5),
        ({}, priced(0), 1),
        ({}, priced(1), None),
        (priced(1), {}, None),
        (priced(9, {"from": 10, "satoshis": 8}), priced(9, {"from": 10, "satoshis": 2}), 4),
        (priced(9, {"from": 10, "satoshis": 8}), priced(9, {"from": 20, "satoshis": 1}), 8),
        (priced(100), priced(100, {"from": 10, "satoshis": 1}), 100),
        (model("per-minute", 60), model("per-second", 1), 1),
        (model("per-minute", 60), model("per-second", 60), 60),
        (model("per-minute", 60), model("per-mb", 60), None),
        (model("subscription", 9, per="30d"), model("subscription", 9, per="1d"), None),
    ],
)
def test_the_price_factor_looks_both_ways_and_at_every_tier(before, after, factor):
    assert price_factor(before, after) == factor


def test_a_price_beyond_the_factor_is_stopped_and_without_a_factor_nothing_is(world):
    old, new = (world.desired(world.dataset("a", **priced(amount))) for amount in (100, 201))
    limited = replace(new, limits=Limits(max_price_factor="2"))
    assert refused(world.plan(new, world.published(old))) == []
    assert refused(world.plan(limited, world.published(old))) == ["price"]
    assert refused(world.plan(limited, world.published(old), allow_price_change=True)) == []
    assert refused(world.plan(replace(new, limits=Limits(max_price_factor="2.01")), world.published(old))) == []


def test_another_source_of_truth_needs_take_over(world):
    old, new = world.desired(world.dataset("a")), world.desired(world.dataset("a", title="New"))
    snapshot = world.published(old)
    theirs = replace(snapshot.root, source="acme github.com/acme/data")
    snapshot = replace(snapshot, root=theirs, source="acme github.com/acme/fork")
    assert refused(world.plan(new, snapshot)) == ["source"]
    assert guard(world.plan(new, snapshot, take_over=True), "source").overridden


@pytest.mark.parametrize(
    ("ours", "theirs", "is_same"),
    [
        ("acme", "acme", True),
        ("acme", "umbrella", False),
        ("acme github.com/acme/data", "acme", True),
        ("acme github.com/acme/data", "umbrella", False),
        ("acme github.com/acme/data", "acme github.com/acme/data/feeds", False),
        ("acme github.com/acme/data/a b", "acme github.com/acme/data/a b", True),
    ],
)
def test_without_a_repository_on_one_side_names_alone_decide(ours, theirs, is_same):
    assert same_source(ours, theirs) == same_source(theirs, ours) == is_same


def test_another_identity_needs_replace_identity(world):
    state = world.desired(world.dataset("a"))
    other = world.key("other")
    assert refused(world.plan(state, world.empty(), bound_identity=other)) == ["identity"]
    assert refused(world.plan(state, world.empty(), bound_identity=other, replace_identity=True)) == []
    assert refused(world.plan(state, world.empty(), bound_identity=world.key("identity"))) == []


@pytest.mark.parametrize(("count", "is_refused"), [(AT_ONCE, False), (AT_ONCE + 1, True)])
def test_a_rotation_is_one_transaction_or_none(world, count, is_refused):
    state = world.desired(*(world.dataset(f"day-{number}", replicas=0) for number in range(count)))
    state = replace(state, rotation=Rotation(key_file="next.key", key_env=None, transition=60))
    plan = world.plan(state, world.published(state), successor=world.key("next"))
    assert refused(plan) == (["rotation"] if is_refused else [])
    if not is_refused:
        assert [transaction.role for transaction in plan.transactions] == [TxRole.ROOT]
        assert len(plan.spends) == count + 2  # the root, and a coin


def test_a_rotation_leaves_no_coin_behind(world):
    state = world.desired(world.dataset("a"))
    rotating = replace(state, rotation=Rotation(key_file="next.key", key_env=None, transition=60))
    many = tuple(replace(world.coin(1000), outpoint=Outpoint("ab" * 32, vout)) for vout in range(MAX_COINS + 1))
    plan = world.plan(rotating, world.published(state, coins=many), successor=world.key("next"))
    assert refused(plan) == ["rotation"]
    assert "1 coin would stay behind" in guard(plan, "rotation").detail


@pytest.mark.parametrize(
    ("answers", "stopped"),
    [
        ([], True),
        ([Answer.NONE], False),
        ([Answer.NONE, Answer.NONE], False),
        ([Answer.NONE, Answer.UNREACHABLE], True),
        ([Answer.NONE, Answer.ROOT], True),
    ],
)
def test_genesis_needs_an_explicit_none_from_everyone(world, answers, stopped):
    state = world.desired(world.dataset("a"), network=Network.TEST)
    readings = tuple(Reading(host=f"https://{number}", answer=answer, at=1) for number, answer in enumerate(answers))
    assert refused(world.plan(state, world.empty(readings=readings))) == (["genesis"] if stopped else [])
    assert refused(world.plan(state, world.empty(readings=readings), genesis=True)) == []


def test_no_coins_says_how_much_and_where_and_has_no_override(world):
    found = guard(world.plan(world.desired(world.dataset("a")), world.empty(coins=())), "coins")
    assert found.override is None
    assert found.detail.endswith("or more to mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8")


def test_all_refusals_are_listed_not_only_the_first(world):
    state = world.desired(world.dataset("a"), network=Network.TEST)
    assert refused(world.plan(state, world.empty(readings=(), coins=()))) == ["genesis", "coins"]


def test_a_plan_without_changes_has_nothing_to_guard(world):
    state = world.desired(world.dataset("a"))
    plan = world.plan(state, world.published(state, source="umbrella"))
    assert plan.is_empty
    assert plan.guards == ()


def test_the_overrides_given_are_named_as_they_were_given():
    options = PlanOptions(
        max_delete=DeleteLimit(50, is_percent=True), max_cost=Satoshis(9), take_over=True, unreachable_gateway=True
    )
    assert options.overrides == ("--max-delete 50%", "--max-cost 9", "--take-over", "--unreachable-gateway")
    assert PlanOptions().overrides == ()


@pytest.mark.parametrize(("answers", "stopped"), [(True, False), (False, True), (None, True)])
def test_a_gateway_that_does_not_answer_is_not_advertised(world, answers, stopped):
    old = world.desired(world.dataset("a"), network=Network.TEST)
    new = replace(old, ads=world.ads("crypto"))
    snapshot = world.published(old, gateway_answers=answers)
    assert refused(world.plan(new, snapshot)) == (["gateway"] if stopped else [])
    assert refused(world.plan(new, snapshot, unreachable_gateway=True)) == []
    assert guard(world.plan(new, snapshot, unreachable_gateway=True), "gateway").overridden is stopped


def test_a_gateway_is_asked_only_where_ads_are_made_and_only_on_real_networks(world):
    without = world.desired(world.dataset("a"), network=Network.TEST)
    ads = replace(without, ads=world.ads("crypto"))
    for state, snapshot in (
        (replace(without, ads=()), world.published(ads)),
        (replace(ads, network=Network.EMBEDDED), world.published(without)),
    ):
        plan = world.plan(state, snapshot)
        assert plan.changes
        assert [found for found in plan.guards if found.name == "gateway"] == []
    adopted = tuple(world.advertised(ad, is_recorded=False) for ad in ads.ads)
    assert refused(world.plan(ads, world.published(ads, ads=adopted))) == []


def test_too_few_storage_hosts_for_a_rule_stop_what_touches_it_and_nothing_else(world):
    wide, other = world.dataset("a", replicas=4), world.dataset("b")
    state = world.desired(wide, other)
    found = guard(world.plan(state, world.empty()), "copies")
    assert (found.refused, found.override, found.value) == (True, None, "a: 3 of 4 hosts")
    three = (*world.copies(wide, "storage-eu", "storage-eu-2", "storage-us"), *world.copies(other, "storage-eu"))
    assert refused(world.plan(state, world.published(state, replicas=three))) == []
    many = world.plan(world.desired(*(world.dataset(name, replicas=9) for name in "abc")), world.empty())
    assert guard(many, "copies").value == "a: 3 of 9 hosts (and 2 datasets more)"


@pytest.mark.parametrize(
    ("content", "stopped"), [({}, True), ({"url": "https://a.example/x"}, False), ({"uhrp": "uhrp:x"}, False)]
)
def test_bytes_that_are_nowhere_cannot_be_stored(world, content, stopped):
    record = world.dataset("a")
    record = replace(record, content=replace(record.content, paths=(), **content))
    assert refused(world.plan(world.desired(record), world.empty())) == (["content"] if stopped else [])
    state = world.desired(record)
    assert world.plan(state, world.published(state)).is_empty


def test_destroying_needs_no_override_but_a_stricter_limit_still_holds(world):
    state = world.desired(*(world.dataset(f"day-{number}") for number in range(20)))
    plan = world.destroy(state, world.published(state))
    assert refused(plan) == []
    assert guard(plan, "everything").overridden
    assert guard(plan, "everything").value == "20 of 20 records, and the root"
    assert guard(plan, "deletes").overridden
    assert refused(world.destroy(state, world.published(state), max_delete=DeleteLimit(3))) == ["deletes"]
    assert refused(world.destroy(state, world.published(state, source="umbrella"))) == ["source"]


def test_storage_counts_as_cost(world):
    quotes = {host.name: StorageQuote(satoshis=1000, bytes=1) for host in world.hosts}
    plan = world.plan(world.desired(world.dataset("a")), world.empty(quotes=quotes), max_cost=Satoshis(20_000))
    assert refused(plan) == ["cost"]
