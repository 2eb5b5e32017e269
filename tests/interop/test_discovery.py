"""The reference TypeScript SDK finds by SHIP and SLAP what we advertise, on a tracker of ours, and sends where it points."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.chain.ledger import Ledger
from reconciler.clients.host import HostClient
from reconciler.clients.http import HttpClient
from reconciler.clients.trackers import Tracker
from reconciler.devnet.arc import build_app as build_arc
from reconciler.devnet.hosts import public_host
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import AdProtocol, Kind, Network, Outpoint, RecordId
from reconciler.model.keys import FUNDING_KEY, record_key
from reconciler.model.networks import ENDPOINTS
from reconciler.store import schema
from reconciler.store.database import Database
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.web.server import Door, serving
from reconciler.wire import advertisement, record
from reconciler.wire.advertisement import AdToken
from reconciler.wire.beef import Beef, BeefTx, merge, parse_beef
from reconciler.wire.canonical import sha256_hex
from reconciler.wire.documents import RecordDocument
from reconciler.wire.record import Anchor, RecordToken
from reconciler.wire.script import p2pkh
from reconciler.wire.submission import Submission, pack_documents
from reconciler.wire.transaction import Transaction, TxOutput

EMBEDDED = ENDPOINTS[Network.EMBEDDED]
SERVICE = "ls_data_crypto_price_feeds"
KEYS = Keys(sha256(__name__.encode()).digest())


class Public:
    """The public host of a toy world on TCP, with its chain in this process."""

    def __init__(self, url: str, other: str, ledger: Ledger) -> None:
        self.url = url
        self.other = other
        """A second host of the same kind."""
        self._ledger = ledger

    async def coin(self) -> tuple[Spendable, Beef]:
        """Money, mined."""
        funding = await self._ledger.faucet(p2pkh(KEYS.public(FUNDING_KEY)), Satoshis(100_000))
        beef, _ = parse_beef(funding.beef)
        output = beef.transactions[funding.outpoint.txid].transaction.outputs[funding.outpoint.vout]
        return Spendable(funding.outpoint, output, FUNDING_KEY, Lock.P2PKH), beef

    async def holding(
        self, *scripts: bytes, coin: tuple[Spendable, Beef] | None = None, spending: Sequence[Spendable] = ()
    ) -> tuple[Transaction, Beef]:
        """A transaction with one satoshi in each of these."""
        money, proof = coin or await self.coin()
        transaction = signed([money, *spending], [TxOutput(Satoshis(1), script) for script in scripts], KEYS)
        parents = [replace(entry, bump=None) for entry in proof.transactions.values()]
        return transaction, merge([proof, Beef.of((), [*parents, BeefTx(transaction)])])

    async def proven_besides(self, beef: Beef) -> tuple[Spendable, Beef]:
        """Money, and the proof of it and of something else."""
        money, proof = await self.coin()
        return money, merge([proof, beef])

    async def submit(self, beef: Beef, *topics: str, documents: Sequence[bytes] = ()) -> None:
        """Hand it over, as we do it."""
        off_chain = pack_documents(documents) if documents else None
        async with HttpClient() as http:
            await HostClient(http, self.url).submit(Submission(beef.to_bytes(), topics, off_chain))


@pytest.fixture
async def public(tmp_path: Path) -> AsyncIterator[Public]:
    async with AsyncExitStack() as stack:
        ledger = Ledger(
            tmp_path / "chain.db", clock=time.time, randomness=lambda size: bytes(range(size)), block_time=0
        )
        await stack.enter_async_context(ledger)
        http = HttpClient(apps={EMBEDDED.arc: build_arc(ledger=ledger, clock=time.time)})
        await stack.enter_async_context(http)
        doors = []
        for name in ("public", "other"):
            database = Database.open(f"sqlite:///{tmp_path / name}.db")
            stack.push_async_callback(database.close)
            await schema.upgrade(database)
            app = public_host(database, EMBEDDED, http=http, clock=time.time)
            doors.append(Door(app=app, host="127.0.0.1", port=0))
        url, other = await stack.enter_async_context(serving(doors))
        yield Public(url, other, ledger)


def ad(protocol: AdProtocol, name: str, url: str) -> bytes:
    token = AdToken(protocol, KEYS.identity, url, name)
    return advertisement.lock(token, KEYS.sign(token.key, advertisement.preimage(token)), plain_http=True)


def dataset(anchor: Outpoint) -> tuple[bytes, bytes]:
    """A record with the capability: its document and its script."""
    id_ = RecordId(Kind.DATASET, "btc")
    document = RecordDocument(KEYS.identity, id_, {"capability": "crypto-price-feeds"}).to_bytes()
    token = RecordToken(KEYS.identity, id_, Anchor(sha256_hex(document), anchor))
    return document, record.lock(token, KEYS.sign(record_key(id_.kind, id_.name), record.preimage(token)))


async def test_the_sdk_finds_the_host_of_a_capability_and_of_a_topic(run_peer, public):
    _, ads = await public.holding(ad(AdProtocol.SHIP, "tm_ship", public.url), ad(AdProtocol.SLAP, SERVICE, public.url))
    await public.submit(ads, "tm_ship", "tm_slap")
    coin = await public.coin()
    document, script = dataset(coin[0].outpoint)
    published, beef = await public.holding(script, coin=coin)
    await public.submit(beef, "tm_data_catalog", documents=[document])
    further, by_the_sdk = await public.holding(ad(AdProtocol.SHIP, "tm_data_prices", public.url))

    told = await asyncio.to_thread(
        run_peer,
        "discovery.mjs",
        {"tracker": public.url, "service": SERVICE, "topic": "tm_ship", "beef": by_the_sdk.to_bytes().hex()},
    )

    sound = {
        "identityKey": KEYS.identity,
        "domain": public.url,
        "satoshis": 1,
        "fields": 5,
        "signed": True,
        "locked": True,
    }
    assert told["ads"] == [
        {"protocol": "SHIP", "topicOrService": "tm_ship", **sound},
        {"protocol": "SLAP", "topicOrService": SERVICE, **sound},
    ]
    assert told["found"] == [{"outpoint": str(published.outpoint(0)), "context": document.hex()}]
    assert told["broadcast"]["status"] == "success", told["broadcast"]
    async with HttpClient() as http:
        (found,) = await Tracker(HostClient(http, public.url), plain_http=True).hosts_for("tm_data_prices")
    assert found.outpoint == further.outpoint(0)


SENT_TO = "Sent to {} Overlay Services hosts."
ALL_TOPICS, ANY_TOPICS, AT = (
    f"requireAcknowledgmentFrom{whom}ForTopics" for whom in ("AllHosts", "AnyHost", "SpecificHosts")
)


async def test_the_sdks_broadcaster_gets_every_acknowledgement_that_it_may_want(run_peer, public):
    _, ads = await public.holding(
        *(ad(AdProtocol.SHIP, topic, public.url) for topic in ("tm_ship", "tm_slap", "tm_data_catalog")),
        ad(AdProtocol.SHIP, "tm_data_catalog", public.other),
    )
    await public.submit(ads, "tm_ship")
    _, both_ads = await public.holding(
        ad(AdProtocol.SHIP, "tm_data_prices", public.url), ad(AdProtocol.SLAP, SERVICE, public.url)
    )
    coin = await public.coin()
    document, script = dataset(coin[0].outpoint)
    published, record_beef = await public.holding(script, coin=coin)
    token = Spendable(published.outpoint(0), published.outputs[0], record_key(Kind.DATASET, "btc"), Lock.PUSHDROP)
    _, revoked = await public.holding(b"\x51", coin=await public.proven_besides(record_beef), spending=[token])
    _, nothing = await public.holding(b"\x51")

    def sent(beef: Beef, *topics: str, **require: object) -> dict[str, object]:
        return {"topics": topics, "beef": beef.to_bytes().hex(), "require": require}

    records = {**sent(record_beef, "tm_data_catalog"), "offChain": pack_documents([document]).hex()}
    catalog = ["tm_data_catalog"]
    expected = [
        (sent(both_ads, "tm_ship", "tm_slap"), SENT_TO.format(1).replace("hosts", "host")),
        ({**records, "require": {ALL_TOPICS: "all"}}, SENT_TO.format(2)),
        (
            {**records, "require": {ALL_TOPICS: catalog, AT: {public.url: "all", public.other: catalog}}},
            SENT_TO.format(2),
        ),
        ({**records, "require": {AT: {public.other: ["tm_ship"]}}}, "ERR_REQUIRE_ACK_FROM_SPECIFIC_HOSTS_FAILED"),
        (sent(nothing, "tm_data_catalog"), "ERR_REQUIRE_ACK_FROM_ANY_HOST_FAILED"),
        (
            sent(nothing, "tm_data_catalog", **{ANY_TOPICS: [], ALL_TOPICS: catalog}),
            "ERR_REQUIRE_ACK_FROM_ALL_HOSTS_FAILED",
        ),
        (sent(nothing, "tm_nowhere"), "ERR_NO_HOSTS_INTERESTED"),
        (sent(both_ads, "tm_slap", "tm_data_catalog", **{ANY_TOPICS: "any"}), SENT_TO.format(2)),
    ]
    told = await asyncio.to_thread(
        run_peer, "broadcast.mjs", {"tracker": public.url, "broadcasts": [question for question, _ in expected]}
    )

    assert told == [result for _, result in expected]
    async with HttpClient() as http:
        for url in (public.url, public.other):
            (found,) = await HostClient(http, url).lookup("ls_data_catalog", {})
            assert (found.outpoint, found.context) == (published.outpoint(0), document)
        (gateway,) = await Tracker(HostClient(http, public.url), plain_http=True).hosts_for("tm_data_prices")
        assert gateway.url == public.url

    told = await asyncio.to_thread(
        run_peer,
        "broadcast.mjs",
        {"tracker": public.url, "broadcasts": [sent(revoked, "tm_data_catalog", **{ALL_TOPICS: "all"})] * 2},
    )

    assert told == [SENT_TO.format(2)] * 2
    async with HttpClient() as http:
        for url in (public.url, public.other):
            assert await HostClient(http, url).lookup("ls_data_catalog", {}) == ()
