from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.desired import Replication, StorageHost
from reconciler.plan.placement import allows, place, shortage

hosts = st.lists(
    st.builds(
        StorageHost,
        name=st.sampled_from([f"h{number}" for number in range(6)]),
        url=st.just("http://h.embedded"),
        region=st.sampled_from(["EU", "US", "APAC"]),
    ),
    unique_by=lambda host: host.name,
)


def names(chosen):
    return [host.name for host in chosen]


def test_regions_are_spread_before_the_order_of_hosts_decides(world):
    assert names(place(world.hosts, (), Replication(replicas=2))) == ["storage-eu", "storage-us"]
    assert names(place(world.hosts, (), Replication(replicas=3))) == ["storage-eu", "storage-us", "storage-eu-2"]


def test_a_host_that_keeps_the_content_stays_even_if_it_is_last(world):
    assert names(place(world.hosts, {"storage-eu-2"}, Replication(replicas=2))) == ["storage-eu-2", "storage-us"]


def test_of_too_many_copies_those_in_different_regions_stay(world):
    assert names(place(world.hosts, {host.name for host in world.hosts}, Replication(replicas=2))) == [
        "storage-eu",
        "storage-us",
    ]


@given(hosts, st.sets(st.sampled_from([f"h{number}" for number in range(6)])), st.integers(0, 7))
def test_as_many_hosts_as_can_be_are_chosen_and_no_copy_is_moved_without_need(pool, keeping, copies):
    chosen = place(pool, keeping, Replication(replicas=copies))
    there = {host.name for host in pool} & keeping
    assert len(set(chosen)) == len(chosen) == min(copies, len(pool))
    assert len({host.name for host in chosen} & keeping) == min(copies, len(there))


def test_spread_goes_before_keeping_what_is_there(world):
    keeping = {"storage-eu", "storage-eu-2"}
    assert names(place(world.hosts, keeping, Replication(replicas=2))) == ["storage-eu", "storage-eu-2"]
    assert names(place(world.hosts, keeping, Replication(replicas=2, spread=2))) == ["storage-eu", "storage-us"]


def test_only_hosts_and_regions_of_the_rule_are_used(world):
    assert names(place(world.hosts, {"storage-us"}, Replication(replicas=2, regions=("EU",)))) == [
        "storage-eu",
        "storage-eu-2",
    ]
    assert names(place(world.hosts, (), Replication(replicas=2, hosts=("storage-us",)))) == ["storage-us"]
    assert len(place(world.hosts, (), Replication(replicas=3, regions=("global",)))) == 3


def test_what_hosts_lack_for_a_rule_is_said(world):
    assert shortage(world.hosts, Replication(replicas=3, spread=2)) is None
    assert shortage(world.hosts, Replication(replicas=4)) == "3 of 4 hosts"
    assert shortage(world.hosts, Replication(replicas=3, spread=3)) == "2 of 3 regions"
    assert shortage(world.hosts, Replication(replicas=2, hosts=("elsewhere",))) == "0 of 2 hosts"


@given(
    hosts,
    st.sets(st.sampled_from([f"h{number}" for number in range(6)])),
    st.integers(0, 7),
    st.integers(1, 3),
    st.lists(st.sampled_from(["EU", "US", "APAC"]), unique=True),
)
def test_a_rule_that_can_be_kept_is_kept(pool, keeping, copies, spread, regions):
    rule = Replication(replicas=copies, spread=spread, regions=tuple(regions))
    chosen = place(pool, keeping, rule)
    assert all(allows(rule, host) for host in chosen)
    if shortage(pool, rule) is None:
        assert len(chosen) == copies
        assert len({host.region for host in chosen}) >= min(spread, copies)
