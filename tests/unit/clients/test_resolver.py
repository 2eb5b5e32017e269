from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from reconciler.clients.host import FoundOutput
from reconciler.clients.reputations import Reputations
from reconciler.clients.resolver import Patience, Resolver
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import RefusedError, UnreachableError, VerificationError
from reconciler.model.ids import AdProtocol, Outpoint
from reconciler.wallet.keys import Keys
from reconciler.wire.advertisement import AdToken, lock, preimage
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

NAME = "ls_data_a"


def shown(*scripts: bytes) -> tuple[FoundOutput, ...]:
    outputs = tuple(TxOutput(Satoshis(1), script) for script in scripts)
    transaction = Transaction((TxInput(Outpoint("ab" * 32, 0)),), outputs)
    beef = Beef.of((), [BeefTx(transaction)])
    return tuple(
        FoundOutput(outpoint=transaction.outpoint(vout), beef=beef, context=None) for vout in range(len(scripts))
    )


class Tracker:
    """Shows these advertisements, once it may."""

    def __init__(self, *scripts: bytes) -> None:
        self.shown = shown(*scripts)
        self.fails: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.asked = 0

    async def topics(self):
        return frozenset()

    async def services(self):
        return frozenset()

    async def lookup(self, service, query):
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        return self.shown


class Host(Tracker):
    """Answers look-ups of the service."""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class House:
    """Trackers, hosts and a clock."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.clock = Clock()
        self.hosts: dict[str, Host] = {}
        self.named: list[str] = []
        self.reputations = Reputations(clock=self.clock, dice=lambda: 1.0)

    def ad(self, url: str, name: str = NAME) -> bytes:
        token = AdToken(AdProtocol.SLAP if name.startswith("ls_") else AdProtocol.SHIP, self.keys.identity, url, name)
        return lock(token, self.keys.sign(token.key, preimage(token)), plain_http=True)

    def host(self, url: str) -> Host:
        self.named.append(url)
        return self.hosts[url]

    def resolver(self, *trackers: Tracker, **options) -> Resolver:
        return Resolver(
            {f"https://tracker-{number}.example": tracker for number, tracker in enumerate(trackers)},
            host=self.host,
            reputations=self.reputations,
            clock=self.clock,
            patience=Patience(grace=0.0),
            **options,
        )


@pytest.fixture
def house(request):
    return House(Keys(sha256(request.node.name.encode()).digest()))


async def test_all_trackers_are_asked_and_what_they_say_is_put_together(house):
    one = Tracker(house.ad("https://a.example"), house.ad("https://b.example"))
    two = Tracker(house.ad("https://b.example"), house.ad("https://c.example"), b"\x51")

    async with house.resolver(one, two) as resolver:
        await resolver.hosts_for(NAME)
        await resolver.settled()

        assert sorted(await resolver.hosts_for(NAME)) == [f"https://{name}.example" for name in "abc"]
    assert (one.asked, two.asked) == (1, 1)


async def test_nobody_waits_for_a_slow_tracker_once_another_knows_somebody_and_it_adds_to_that_later(house):
    quick, slow = Tracker(house.ad("https://a.example")), Tracker(house.ad("https://b.example"))
    slow.gate = asyncio.Event()

    async with house.resolver(quick, slow) as resolver:
        assert await resolver.hosts_for(NAME) == ("https://a.example",)
        slow.gate.set()
        await resolver.settled()
        assert await resolver.hosts_for(NAME) == ("https://a.example", "https://b.example")
    assert (quick.asked, slow.asked) == (1, 1)


async def test_who_asks_the_same_at_the_same_time_shares_one_question(house):
    tracker = Tracker(house.ad("https://a.example"))

    async with house.resolver(tracker) as resolver:
        found = await asyncio.gather(*(resolver.hosts_for(NAME) for _ in range(10)))

    assert found == [("https://a.example",)] * 10
    assert tracker.asked == 1


async def test_what_is_old_is_given_at_once_while_it_is_asked_again_and_what_is_very_old_is_not(house):
    tracker = Tracker(house.ad("https://a.example"))
    async with house.resolver(tracker) as resolver:
        await resolver.hosts_for(NAME)
        await resolver.settled()
        tracker.shown = shown(house.ad("https://b.example"))

        house.clock.now += 299.0
        assert await resolver.hosts_for(NAME) == ("https://a.example",)
        assert tracker.asked == 1
        house.clock.now += 2.0
        assert await resolver.hosts_for(NAME) == ("https://a.example",)
        await resolver.settled()
        assert await resolver.hosts_for(NAME) == ("https://b.example",)
        tracker.shown = shown(house.ad("https://c.example"))
        house.clock.now += 3601.0
        assert await resolver.hosts_for(NAME) == ("https://c.example",)


async def test_who_was_known_is_kept_until_every_tracker_has_answered(house):
    one, two = Tracker(house.ad("https://a.example")), Tracker(house.ad("https://b.example"))
    async with house.resolver(one, two) as resolver:
        await resolver.hosts_for(NAME)
        await resolver.settled()
        house.clock.now += 301.0
        one.shown, two.fails = shown(house.ad("https://new.example")), UnreachableError("gone")
        await resolver.hosts_for(NAME)
        await resolver.settled()

        assert set(await resolver.hosts_for(NAME)) == {f"https://{name}.example" for name in ("new", "a", "b")}


async def test_an_old_answer_outlives_trackers_that_are_silent(house):
    tracker = Tracker(house.ad("https://a.example"))
    async with house.resolver(tracker) as resolver:
        await resolver.hosts_for(NAME)
        await resolver.settled()
        tracker.fails = UnreachableError("gone")
        house.clock.now += 1000.0
        assert await resolver.hosts_for(NAME) == ("https://a.example",)
        await resolver.settled()
        assert await resolver.hosts_for(NAME) == ("https://a.example",)


async def test_no_answer_is_an_error_and_nobody_is_an_answer(house):
    mute, empty = Tracker(), Tracker()
    mute.fails = UnreachableError("it is gone")

    async with house.resolver(mute) as resolver:
        with pytest.raises(UnreachableError, match="it is gone"):
            await resolver.hosts_for(NAME)
    async with house.resolver() as resolver:
        with pytest.raises(UnreachableError, match="there is no tracker"):
            await resolver.hosts_for(NAME)
    async with house.resolver(mute, empty) as resolver:
        assert await resolver.hosts_for(NAME) == ()
        house.clock.now += 11.0
        empty.shown = shown(house.ad("https://a.example"))
        assert await resolver.hosts_for(NAME) == ("https://a.example",)  # nobody is not believed for long
    with pytest.raises(ValueError, match="neither a topic"):
        await resolver.hosts_for("data_a")


async def test_http_and_this_machine_are_for_toy_networks_and_other_schemes_for_other_clients(house):
    tracker = Tracker(*(house.ad(url) for url in ("http://a.embedded", "https://localhost:1", "https://b.example")))

    async with house.resolver(tracker) as real, house.resolver(tracker, plain_http=True) as toy:
        assert await real.hosts_for(NAME) == ("https://b.example",)
        assert set(await toy.hosts_for(NAME)) == {"http://a.embedded", "https://localhost:1", "https://b.example"}


async def test_an_advertisement_whose_transaction_does_not_hold_leads_nobody(house):
    class Verifier:
        async def verified(self, beef, subject, *, now):
            raise VerificationError("a script fails")

    async with house.resolver(Tracker(house.ad("https://a.example")), verifier=Verifier()) as resolver:
        assert await resolver.hosts_for(NAME) == ()


async def test_a_look_up_asks_those_that_were_found_and_remembers_how_they_behave(house):
    urls = [f"https://{name}.example" for name in ("good", "mute", "no")]
    house.hosts = {url: Host(b"\x51") for url in urls}
    house.hosts[urls[1]].fails = UnreachableError("gone")
    house.hosts[urls[2]].fails = RefusedError("no")
    async with house.resolver(Tracker(*map(house.ad, urls))) as resolver:
        for _ in range(3):
            answers = await resolver.lookup(NAME, {})
        assert {url: answer.verdict for url, answer in answers.by_host.items()} == {
            urls[0]: "answered",
            urls[1]: "silent",
            urls[2]: "refused",
        }
        assert set((await resolver.lookup(NAME, {})).by_host) == {urls[0], urls[2]}  # the silent one rests
    assert house.hosts[urls[1]].asked == 3


async def test_trackers_are_asked_for_what_trackers_keep(house):
    tracker = Tracker(house.ad("https://a.example"))

    async with house.resolver(tracker) as resolver:
        answers = await resolver.lookup("ls_slap", {"service": NAME})

    assert len(answers.outputs) == 1
    assert (tracker.asked, house.named) == (1, [])


async def test_that_nobody_answers_is_not_the_same_as_none(house):
    house.hosts["https://a.example"] = Host()
    async with house.resolver(Tracker(house.ad("https://a.example"))) as resolver:
        assert (await resolver.lookup(NAME, {})).outputs == ()
        house.hosts["https://a.example"].fails = UnreachableError("gone")
        with pytest.raises(UnreachableError, match="gone"):
            await resolver.lookup(NAME, {})
    async with house.resolver(Tracker()) as resolver:
        with pytest.raises(UnreachableError, match="no tracker knows anybody"):
            await resolver.lookup(NAME, {})


async def test_a_stranger_who_advertises_many_hosts_has_few_of_them_asked(house):
    urls = [f"https://host-{number}.example" for number in range(40)]
    house.hosts = {url: Host(b"\x51") for url in urls}

    async with house.resolver(Tracker(*map(house.ad, urls))) as resolver:
        assert len((await resolver.lookup(NAME, {})).by_host) == 16


async def test_leaving_calls_off_what_is_on_its_way(house):
    tracker = Tracker()
    tracker.gate = asyncio.Event()
    async with house.resolver(tracker) as resolver:
        waiting = asyncio.ensure_future(resolver.hosts_for(NAME))
        await asyncio.sleep(0)
    with pytest.raises(UnreachableError, match="called off"):
        await waiting
