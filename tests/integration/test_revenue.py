"""From a native payment to the apply that it pays for: settled by the gateway, read by the producer, spent."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.chain.index import AddressIndex
from reconciler.cli.wiring import clock, keys_of
from reconciler.clients.auth import AuthenticatedHttp
from reconciler.control.restore import restore
from reconciler.model.errors import GuardError
from reconciler.model.ids import Network
from reconciler.model.keys import is_settlement
from reconciler.payments.treasury import Daily, Treasury
from reconciler.plan.options import PlanOptions
from reconciler.store.coins import Coins
from reconciler.store.payouts import Payouts
from reconciler.store.replays import Replays
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.web.auth import Authenticated
from reconciler.web.sessions import Sessions
from reconciler.wire.script import p2pkh
from reconciler.wire.transaction import TxOutput
from tests.paying import keys_of as named
from tests.storefront import ORIGIN, Later, Stand, selling
from tests.templates import transaction

PAYEE = named("overlay")
PRICE = 60_000
MANIFEST = f"""\
apiVersion: overlay/v1
kind: Producer
metadata: {{name: acme}}
spec:
  displayName: TITLE
  network: embedded
  gateway: {{url: "{ORIGIN}"}}
  payees: {{overlay: {{identityKey: {PAYEE.identity}}}}}
  defaults: {{paymentRule: standard}}
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {{name: standard}}
spec:
  native: {{splits: [{{to: overlay, share: 0.25}}, {{to: producer, share: 0.75}}], templateExpiry: 1h}}
  settle: {{above: 1}}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {{name: secrets/one}}
spec:
  source: {{path: data/secrets.csv}}
  title: Secrets
  price: {PRICE}
"""


@dataclass
class Market:
    """A producer, its gateway, and its treasury."""

    producer: Any
    stand: Stand
    now: Later
    since: list[str] = field(default_factory=list)
    """From which heights on the gateway was asked, since it says what a test wants."""

    @property
    def site(self):
        return self.stand.site

    @property
    def identity(self):
        return keys_of(self.producer.invocation, Network.EMBEDDED, create=False)

    def treasury(self) -> Treasury:
        async def at_once():
            return Daily(1, None)

        return Treasury(
            database=self.site.database,
            keys=self.stand.keys,
            producer=self.identity.identity,
            miner=Arc(self.site.http, self.site.endpoints.arc),
            chain=Headers(self.site.http, self.site.endpoints.headers),
            clock=self.now,
            cadence=at_once,
        )

    async def bought(self):
        """The answer to a native payment for the good."""
        buyer = self.stand.buyer()
        quote = await buyer.quote("dataset/secrets/one")
        assert [method["method"] for method in quote["methods"]] == ["native"]
        wanted = {name: quote[name] for name in ("id", "kind", "name", "quantity", "satoshis")}
        template = json.loads((await buyer.post("/v1/payments/templates", {"quote": wanted})).body)
        outputs = [TxOutput(each["satoshis"], bytes.fromhex(each["script"])) for each in template["outputs"]]
        beef, txid = await transaction(buyer, outputs)
        body = {"template": template["id"], "transaction": base64.b64encode(beef.to_atomic(txid)).decode()}
        reply = await buyer.post("/v1/payments", body)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    async def settled(self):
        """Everything that was paid is with the producer, proven."""
        for _ in range(2):
            await self.site.toy.ledger.mine()
            self.now.more += 120
            await self.stand.till.settle()
            await self.treasury().round()

    async def emptied(self):
        """The wallet's coins are somebody else's."""
        async with self.site.database.begin() as connection:
            for coin in await Coins(connection).spendable():
                known = (await Coins(connection).get([coin.outpoint]))[coin.outpoint]
                money = Spendable(coin.outpoint, TxOutput(known.satoshis, known.locking), coin.key, Lock.P2PKH)
                gone = signed([money], [TxOutput(known.satoshis - 100, p2pkh(PAYEE.identity))], self.identity)
                await self.site.toy.ledger.submit(gone)
                await Coins(connection).spend([coin.outpoint], gone.txid)
        await self.site.toy.ledger.mine()

    async def apply(self):
        """An apply that nobody gives coins to."""

        async def agree(_):
            return True

        reconciler, desired = await self.producer.reconciler(self.site)
        reconciler = replace(reconciler, world=replace(reconciler.world, faucet=None))
        return await reconciler.apply(desired, PlanOptions(), agree=agree, halted=lambda: False)

    def answer(self, page) -> None:
        """From now on the gateway says this, signed."""

        async def said(request):
            self.since.append(request.query_params["since"])
            return JSONResponse(page)

        app = Starlette(routes=[Route("/v1/settlements", said)])
        keys, randomness = self.stand.keys, os.urandom
        sessions = Sessions(keys=keys, replays=Replays(self.site.database), clock=clock, randomness=randomness)
        self.site.http.mount(ORIGIN, Authenticated(app, keys=keys, sessions=sessions, randomness=randomness))

    async def coins(self):
        async with self.site.database.reading() as connection:
            return [coin for coin in await Coins(connection).live() if is_settlement(coin.key)]


@pytest.fixture
async def market(producer):
    producer.data("secrets.csv", "id,value\n1,worth its money\n")
    producer.write(MANIFEST)
    await producer.apply()
    now = Later()
    async with selling(producer, now=now) as stand:
        yield Market(producer, stand, now)


async def test_revenue_pays_for_the_next_apply_and_the_audit_balances(market):
    receipt = (await market.bought())["receipt"]
    assert receipt["satoshis"] == PRICE
    await market.settled()
    await market.emptied()
    market.producer.write(MANIFEST, title="Another name")
    finished = await market.apply()
    assert finished.applied is not None
    assert await market.coins() == []  # it was spent
    assert (await market.producer.audit()).balanced
    async with market.site.database.reading() as connection:
        balance = await Coins(connection).balance()
        (payout,) = await Payouts(connection).standing()
    assert 0 < balance.total < payout.satoshis <= PRICE * 3 // 4


@pytest.mark.long
async def test_what_the_gateway_has_is_read_after_an_apply_where_it_answers(market):
    await market.bought()
    await market.settled()
    market.producer.write(MANIFEST, title="Another name")
    reconciler, desired = await market.producer.reconciler(market.site)
    own = replace(reconciler.world, own=replace_url(reconciler.world.own, ORIGIN))
    assert reconciler.revenue.url == ORIGIN

    async def agree(_):
        return True

    await replace(reconciler, world=own).apply(desired, PlanOptions(), agree=agree, halted=lambda: False)
    (coin,) = await market.coins()
    assert coin.key.counterparty == market.stand.keys.identity
    assert (await market.producer.audit()).balanced
    again = await market.apply()
    assert again.applied is None  # no changes: revenue is no reason for one


def replace_url(host, url):
    """The same host by another name: an apply submits to its own gateway, where that runs."""
    host.url = url
    return host


@pytest.mark.long
async def test_without_a_gateway_that_answers_an_apply_says_so_and_what_is_missing(market):
    await market.bought()
    await market.settled()
    await market.emptied()
    market.site.http.mount(ORIGIN, closed)
    market.producer.write(MANIFEST, title="Another name")
    reconciler, desired = await market.producer.reconciler(market.site)
    reconciler = replace(reconciler, world=replace(reconciler.world, faucet=None))
    planned = await reconciler.plan(desired, PlanOptions())
    assert any("could not be read" in warning for warning in planned.observation.warnings)
    with pytest.raises(GuardError, match="satoshis"):
        await market.apply()


async def closed(scope, receive, send):
    """A gateway that is being restarted."""
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.long
async def test_a_lost_database_has_its_revenue_back(market, tmp_path):
    await market.bought()
    await market.settled()
    (payout,) = await standing(market)
    await lose_coins(market)
    restored = await rebuilt(market)
    assert restored.received >= payout.satoshis
    (coin,) = await market.coins()
    assert coin.satoshis == payout.satoshis
    assert (await market.producer.audit()).balanced
    await rebuilt(market)
    assert len(await market.coins()) == 1


@pytest.mark.long
async def test_what_was_spent_since_is_not_taken_in_again(market):
    await market.bought()
    await market.settled()
    await market.emptied()
    market.producer.write(MANIFEST, title="Another name")
    await market.apply()
    await lose_coins(market)
    await rebuilt(market)
    assert await market.coins() == []


LIES = {
    "another key": {"keyId": "settle x 0"},
    "another output": {"vout": 1},
    "somebody else's": {"counterparty": PAYEE.identity},
    "no coin of a settlement": {"keyId": "funding"},
    "not proven": {"height": None},
}


NONSENSE = [{}, [], {"settlements": []}, {"settlements": [{}], "unsettled": {}, "next": None}]


async def test_a_gateway_that_lies_is_not_believed(market):
    await market.bought()
    await market.settled()
    signed_by = AuthenticatedHttp(market.site.http, market.identity)
    page = (await signed_by.request("GET", f"{ORIGIN}/v1/settlements")).json()
    reconciler, _ = await market.producer.reconciler(market.site)
    for lie in LIES.values():
        market.answer({**page, "settlements": [{**coin, **lie} for coin in page["settlements"]]})
        collected = await reconciler.revenue.collect(market.stand.keys.identity)
        assert (await market.coins(), collected.satoshis) == ([], 0), lie
    for nonsense in NONSENSE:
        market.answer(nonsense)
        (doubt,) = (await reconciler.revenue.collect(market.stand.keys.identity)).doubts
        assert "could not be read" in doubt
    (doubt,) = (await reconciler.revenue.collect(PAYEE.identity)).doubts  # another gateway than the root names
    assert "could not be read" in doubt


async def test_a_height_that_no_block_proves_hides_no_later_settlement(market):
    await market.bought()
    await market.settled()
    signed_by = AuthenticatedHttp(market.site.http, market.identity)
    page = (await signed_by.request("GET", f"{ORIGIN}/v1/settlements")).json()
    reconciler, _ = await market.producer.reconciler(market.site)
    market.answer({**page, "settlements": [{**coin, "height": 1_000_000} for coin in page["settlements"]]})
    for _ in range(2):  # the second time the coin is known
        await reconciler.revenue.collect(market.stand.keys.identity)
    assert len(await market.coins()) == 1
    assert max(map(int, market.since)) < 1000


async def standing(market):
    async with market.site.database.reading() as connection:
        return await Payouts(connection).standing()


async def lose_coins(market):
    """The producer's machine is another one now; the gateway's has all that it had."""
    async with market.site.database.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM coins")
        await connection.exec_driver_sql("DELETE FROM settings WHERE substr(name, 1, 16) = 'settlements read'")


async def rebuilt(market):
    site = market.site
    return await restore(
        world=site.world(),
        database=site.database,
        keys=market.identity,
        index=AddressIndex(site.http, site.endpoints.headers),
        clock=clock,
        randomness=os.urandom,
    )
