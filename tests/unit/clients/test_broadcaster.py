from __future__ import annotations

import asyncio

import pytest

from reconciler.clients.broadcaster import Policy, Question, Some, Standing, TopicBroadcaster
from reconciler.clients.reputations import Reputations
from reconciler.model.errors import RefusedError, UnreachableError
from reconciler.model.ids import Outpoint, Txid
from reconciler.wire.submission import Admittance, Submission

TXID = Txid("ab" * 32)
OTHER = Txid("cd" * 32)
A, B = "https://a.example", "https://b.example"
BOTH = Submission(b"beef", ("tm_a", "tm_b"))
SAID = Admittance(outputs=(0,))
NOTHING = Admittance()


class Host:
    """Does with each topic what it is told to."""

    def __init__(self, *, fails: Exception | None = None, shows: Txid | None = None, **topics: Admittance) -> None:
        self.does = topics
        self.lists = frozenset(topics)
        self.fails = fails
        self.shows = shows
        self.sent: list[Submission] = []

    async def topics(self):
        return self.lists

    async def submit(self, submission):
        self.sent.append(submission)
        if self.fails is not None:
            raise self.fails
        return {topic: self.does[topic] for topic in submission.topics}

    async def outpoints(self, service, query):
        if self.shows is None:
            raise UnreachableError("gone")
        return frozenset({Outpoint(self.shows, 0)})


class Finder:
    def __init__(self, **wanted: tuple[str, ...]) -> None:
        self.wanted = wanted
        self.fails: Exception | None = None

    async def hosts_for(self, name):
        if self.fails is not None:
            raise self.fails
        return self.wanted.get(name, ())


def broadcaster(finder: Finder, hosts: dict[str, Host], **options) -> TopicBroadcaster:
    reputations = options.pop("reputations", None) or Reputations(clock=lambda: 0.0, dice=lambda: 1.0)
    return TopicBroadcaster(finder, host=hosts.__getitem__, reputations=reputations, **options)


async def send(finder: Finder, hosts: dict[str, Host], *, questions=None, besides=(), **options):
    return await broadcaster(finder, hosts, **options).broadcast(
        BOTH, txid=TXID, questions=questions or {}, besides=besides
    )


async def test_each_host_gets_the_topics_that_it_advertises_and_lists():
    hosts = {A: Host(tm_a=SAID, tm_b=SAID), B: Host(tm_b=SAID)}

    done = await send(Finder(tm_a=(A, B), tm_b=(A,)), hosts)

    assert [each.topics for each in hosts[A].sent] == [("tm_a", "tm_b")]
    assert hosts[B].sent == []  # advertises tm_a, and lists tm_b only
    assert {url: host.standing for url, host in done.hosts.items()} == {A: "acknowledged", B: "unlisted"}
    assert done.ok


async def test_a_silent_steak_means_unknown_and_the_look_up_decides():
    ask = {topic: Question("ls_a", {"outpoint": f"{TXID}.0"}) for topic in BOTH.topics}
    finder = Finder(tm_a=(A,), tm_b=(A,))
    for host, standing in (
        (Host(tm_a=NOTHING, tm_b=NOTHING, shows=TXID), Standing.ACKNOWLEDGED),
        (Host(tm_a=NOTHING, tm_b=NOTHING, shows=OTHER), Standing.UNKNOWN),
        (Host(tm_a=NOTHING, tm_b=NOTHING), Standing.UNKNOWN),
    ):
        done = await send(finder, {A: host}, questions=ask)
        assert done.hosts[A].standing is standing
        assert done.ok is (standing is Standing.ACKNOWLEDGED)
    unasked = await send(finder, {A: Host(tm_a=NOTHING, tm_b=NOTHING, shows=TXID)})
    assert unasked.hosts[A].standing is Standing.UNKNOWN


async def test_a_topic_is_acknowledged_also_by_what_is_retained_or_removed():
    hosts = {A: Host(tm_a=Admittance(retained=(0,)), tm_b=Admittance(removed=(0,)))}
    done = await send(Finder(tm_a=(A,), tm_b=(A,)), hosts)
    assert done.hosts[A].acknowledged == {"tm_a", "tm_b"}


async def test_failures_are_told_apart_and_do_not_keep_others_from_it():
    hosts = {
        A: Host(tm_a=SAID, tm_b=SAID),
        B: Host(tm_a=SAID, fails=RefusedError("not this one")),
        "https://c.example": Host(tm_a=SAID, fails=UnreachableError("gone")),
    }
    done = await send(Finder(tm_a=tuple(hosts), tm_b=(A,)), hosts)

    assert [each.standing for each in done.hosts.values()] == ["acknowledged", "refused", "silent"]
    assert [each.detail for each in done.hosts.values()] == ["", "not this one", "gone"]
    assert done.ok


async def test_a_host_that_does_not_come_to_an_end_is_silent():
    class Slow(Host):
        async def submit(self, submission):
            await asyncio.Event().wait()

    done = await send(Finder(tm_a=(A,)), {A: Slow(tm_a=SAID)}, within=0.01)

    assert done.hosts[A].standing is Standing.SILENT


async def test_a_host_that_fails_again_and_again_is_left_alone_for_a_while():
    reputations = Reputations(clock=lambda: 0.0, dice=lambda: 1.0)
    hosts = {A: Host(tm_a=SAID, fails=UnreachableError("gone")), B: Host(tm_a=SAID)}
    for _ in range(3):
        await send(Finder(tm_a=(A, B)), hosts, reputations=reputations)

    done = await send(Finder(tm_a=(A, B)), hosts, reputations=reputations)

    assert done.hosts[A].standing is Standing.RESTING
    assert len(hosts[A].sent) == 3


@pytest.mark.parametrize(
    ("policy", "unmet"),
    [
        (Policy(), ["no host acknowledges all of tm_a, tm_b"]),
        (Policy(by_any=Some.ANY), []),
        (Policy(by_any=frozenset({"tm_a"})), []),
        (Policy(by_any=frozenset({"tm_c"})), ["no host acknowledges tm_c"]),
        (Policy(by_any=None), []),
        (Policy(by_any=None, by_all=Some.ALL), [f"{B} does not acknowledge all of tm_b, tm_c"]),
        (Policy(by_any=None, by_all=Some.ANY), []),
        (Policy(by_any=None, by_all=frozenset({"tm_b"})), [f"{A} does not acknowledge tm_b"]),
        (Policy(by_any=None, by={A: frozenset({"tm_a"}), B: Some.ANY}), []),
        (Policy(by_any=None, by={A: Some.ALL}), [f"{A} does not acknowledge all of tm_a, tm_b"]),
        (
            Policy(by_any=None, by={"https://c.example": Some.ANY}),
            ["https://c.example does not acknowledge any of tm_a, tm_b"],
        ),
    ],
)
async def test_the_policy_says_whose_acknowledgement_counts(policy, unmet):
    submission = Submission(b"beef", ("tm_a", "tm_b", "tm_c"))
    hosts = {A: Host(tm_a=SAID), B: Host(tm_b=SAID, tm_c=NOTHING)}
    finder = Finder(tm_a=(A,), tm_b=(B,), tm_c=(B,))
    done = await broadcaster(finder, hosts).broadcast(submission, txid=TXID)

    assert list(policy.unmet(frozenset({"tm_a", "tm_b"}), done.hosts)) == unmet


async def test_where_nobody_wants_it_the_broadcast_is_not_good():
    done = await send(Finder(), {})
    assert (done.hosts, done.ok) == ({}, False)


async def test_without_trackers_only_those_that_are_named_get_it():
    finder = Finder()
    finder.fails = UnreachableError("no tracker answers")
    hosts = {A: Host(tm_a=SAID, tm_b=SAID)}

    with pytest.raises(UnreachableError, match="no tracker answers"):
        await send(finder, hosts)
    assert (await send(finder, hosts, besides=[A])).ok


async def test_a_stranger_who_advertises_many_hosts_has_few_of_them_served():
    urls = tuple(f"https://host-{number}.example" for number in range(5))
    hosts = {url: Host(tm_a=SAID) for url in urls}

    done = await send(Finder(tm_a=urls), hosts, most=2)

    assert sum(bool(host.sent) for host in hosts.values()) == 2
    assert [each.standing for each in done.hosts.values()].count(Standing.RESTING) == 3
