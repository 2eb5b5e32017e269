from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.desired import StorageHost
from reconciler.plan.placement import place

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
    assert names(place(world.hosts, (), 2)) == ["storage-eu", "storage-us"]
    assert names(place(world.hosts, (), 3)) == ["storage-eu", "storage-us", "storage-eu-2"]


def test_a_host_that_keeps_the_content_stays_even_if_it_is_last(world):
    assert names(place(world.hosts, {"storage-eu-2"}, 2)) == ["storage-eu-2", "storage-us"]


def test_of_too_many_copies_those_in_different_regions_stay(world):
    assert names(place(world.hosts, {host.name for host in world.hosts}, 2)) == ["storage-eu", "storage-us"]


@given(hosts, st.sets(st.sampled_from([f"h{number}" for number in range(6)])), st.integers(0, 7))
def test_as_many_hosts_as_can_be_are_chosen_and_no_copy_is_moved_without_need(pool, keeping, copies):
    chosen = place(pool, keeping, copies)
    there = {host.name for host in pool} & keeping
    assert len(set(chosen)) == len(chosen) == min(copies, len(pool))
    assert len({host.name for host in chosen} & keeping) == min(copies, len(there))
