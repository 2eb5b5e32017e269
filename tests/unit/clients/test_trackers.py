from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest

from reconciler.clients.host import FoundOutput
from reconciler.clients.trackers import SERVICES, TOPICS, Tracker
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import AdProtocol, Outpoint
from reconciler.wallet.keys import Keys
from reconciler.wire.advertisement import AdToken, lock, preimage
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.transaction import Transaction, TxInput, TxOutput

URL = "http://gateway.embedded"
SHIP, SLAP = AdProtocol.SHIP, AdProtocol.SLAP


class Host:
    """Answers what it is given, whatever is asked."""

    def __init__(self, *scripts: bytes, satoshis: int = 1) -> None:
        outputs = tuple(TxOutput(Satoshis(satoshis), script) for script in scripts)
        transaction = Transaction((TxInput(Outpoint("ab" * 32, 0), b"\x51"),), outputs)
        beef = Beef.of((), [BeefTx(transaction)])
        self.found = tuple(
            FoundOutput(outpoint=transaction.outpoint(vout), beef=beef, context=None) for vout in range(len(scripts))
        )
        self.listed = {*TOPICS.values(), *SERVICES.values()}
        self.asked: list[tuple[str, object]] = []

    async def topics(self) -> frozenset[str]:
        return frozenset(name for name in self.listed if name.startswith("tm_"))

    async def services(self) -> frozenset[str]:
        return frozenset(name for name in self.listed if name.startswith("ls_"))

    async def lookup(self, service: str, query: object) -> Sequence[FoundOutput]:
        self.asked.append((service, query))
        return self.found


@pytest.fixture
def keys(request):
    return Keys(sha256(request.node.name.encode()).digest())


def ad(keys: Keys, protocol: AdProtocol, name: str, url: str = URL, *, signer: Keys | None = None) -> bytes:
    token = AdToken(protocol, keys.identity, url, name)
    return lock(token, (signer or keys).sign(token.key, preimage(token)), plain_http=True)


async def test_the_ads_of_an_identity_come_in_order_and_whole(keys):
    host = Host(ad(keys, SLAP, "ls_data_b"), ad(keys, SHIP, "tm_data_b"), ad(keys, SHIP, "tm_data_a"))

    found = await Tracker(host, plain_http=True).ads(keys.identity)

    assert host.asked == [("ls_ship", {"identityKey": keys.identity}), ("ls_slap", {"identityKey": keys.identity})]
    assert [(each.protocol, each.name, each.url) for each in found] == [
        (SHIP, "tm_data_a", URL),
        (SHIP, "tm_data_b", URL),
        (SLAP, "ls_data_b", URL),
    ]
    assert [each.outpoint for each in found] == [host.found[vout].outpoint for vout in (2, 1, 0)]
    assert [each.output for each in found] == [host.found[0].transaction.outputs[vout] for vout in (2, 1, 0)]


async def test_what_is_not_sound_or_not_asked_for_is_left_out(keys):
    stranger = Keys(sha256(b"stranger").digest())
    host = Host(
        b"\x51",
        ad(stranger, SHIP, "tm_data_a"),
        ad(keys, SHIP, "tm_data_a", signer=stranger),
        ad(keys, SHIP, "tm_data_b"),
    )

    assert [each.name for each in await Tracker(host, plain_http=True).ads(keys.identity)] == ["tm_data_b"]
    assert await Tracker(host).ads(keys.identity) == ()  # http leads nowhere on a real network


async def test_our_own_ad_in_a_strangers_larger_output_is_seen_so_that_it_can_be_spent(keys):
    host = Host(ad(keys, SHIP, "tm_data_a"), satoshis=5)

    (found,) = await Tracker(host, plain_http=True).ads(keys.identity)

    assert found.output.satoshis == 5


async def test_hosts_are_found_by_topic_and_by_service(keys):
    host = Host(ad(keys, SHIP, "tm_data_a"), ad(keys, SLAP, "ls_data_a"), ad(keys, SLAP, "ls_data_b"))
    tracker = Tracker(host, plain_http=True)

    assert [each.name for each in await tracker.hosts_for("tm_data_a")] == ["tm_data_a"]
    assert [each.name for each in await tracker.hosts_for("ls_data_b")] == ["ls_data_b"]
    assert host.asked == [("ls_ship", {"topics": ["tm_data_a"]}), ("ls_slap", {"service": "ls_data_b"})]
    with pytest.raises(ValueError, match="neither a topic nor a look-up service"):
        await tracker.hosts_for("data_a")


@pytest.mark.parametrize("missing", [None, *TOPICS.values(), *SERVICES.values()])
async def test_a_tracker_lists_both_topics_and_both_services(missing):
    host = Host()
    host.listed.discard(missing)

    assert await Tracker(host).tracks() is (missing is None)
