"""A gateway over what a producer of tests/conftest.py has applied, and buyers with coins of that world, in one process."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.applications import Starlette

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.cli.libraries import open_library
from reconciler.cli.wiring import Site, clock, keys_of
from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.payment import PayingHttp
from reconciler.gateway.app import build_app
from reconciler.gateway.audit import Event
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import IdentityKey, Network
from reconciler.model.keys import FUNDING_KEY, GATEWAY_KEY, delivery_key
from reconciler.payments.till import Till
from reconciler.wallet.keys import Keys
from reconciler.wallet.signing import Lock, Spendable, signed
from reconciler.web.lifespans import running
from reconciler.wire.beef import Beef, BeefTx, merge
from reconciler.wire.http import Reply
from reconciler.wire.payment import Charge, PaymentHeader
from reconciler.wire.receipt import Receipt
from reconciler.wire.script import address, p2pkh
from reconciler.wire.transaction import TxOutput
from tests.patience import PATIENCE

ORIGIN = "http://gateway.embedded"
FEE = 100


class Later:
    """A clock that can be put on."""

    def __init__(self) -> None:
        self.more = 0.0

    def __call__(self) -> float:
        return clock() + self.more


class Buyer:
    """Somebody with a key. Satisfies clients.payment.Payer with coins of the faucet, and counts."""

    def __init__(self, site: Site, name: str) -> None:
        self._site = site
        self.keys = Keys(hashlib.sha256(f"buyer {name}".encode()).digest())
        self.signing = AuthenticatedHttp(site.http, self.keys)
        self.paying = PayingHttp(self.signing, self, cap=Satoshis(10**9), pause=_at_once)
        self.paid: list[PaymentHeader] = []

    @property
    def identity(self) -> IdentityKey:
        return self.keys.identity

    async def coin(self, satoshis: int) -> tuple[Spendable, Beef]:
        """Money, mined."""
        mine = self.keys.public(FUNDING_KEY)
        gift = await self._site.world().faucet.fund(address(mine, mainnet=False), Satoshis(satoshis))
        transaction = gift.beef.transactions[gift.txid].transaction
        spendable = Spendable(transaction.outpoint(gift.vout), transaction.outputs[gift.vout], FUNDING_KEY, Lock.P2PKH)
        return spendable, gift.beef

    async def pay(self, charge: Charge, coin: tuple[Spendable, Beef] | None = None) -> PaymentHeader:
        money, beef = coin or await self.coin(charge.satoshis + FEE)
        suffix = base64.b64encode(os.urandom(8)).decode()
        empty = PaymentHeader.key(_Named(charge.prefix, suffix), charge.recipient)
        output = TxOutput(charge.satoshis, p2pkh(self.keys.public_for(empty)))
        transaction = signed([money], [output], self.keys)
        parents = [replace(entry, bump=None) for entry in beef.transactions.values()]
        whole = merge([beef, Beef.of((), [*parents, BeefTx(transaction)])])
        payment = PaymentHeader(charge.prefix, suffix, whole, transaction.txid)
        self.paid.append(payment)
        return payment

    async def quote(self, name: str, **more: Any) -> dict[str, Any]:
        kind, _, rest = name.partition("/")
        reply = await self.post("/v1/quotes", {"kind": kind, "name": rest, **more})
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, payment: PaymentHeader | None = None
    ) -> Reply:
        """A signed request that pays nothing but what it is given."""
        headers = {"content-type": "application/json"}
        if payment is not None:
            headers["x-bsv-payment"] = payment.to_text()
        content = json.dumps(body or {}, separators=(",", ":")).encode()
        return await self.signing.request("POST", ORIGIN + path, headers=headers, content=content, within=PATIENCE)

    async def buy(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A request that pays what it is asked, once."""
        content = json.dumps(body or {}, separators=(",", ":")).encode()
        headers = {"content-type": "application/json"}
        reply = await self.paying.request("POST", ORIGIN + path, headers=headers, content=content)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def content_key(self, access: Mapping[str, Any], gateway: IdentityKey) -> bytes:
        """The key that an answer gives."""
        receipt = Receipt.parse(access["receipt"])
        assert receipt.gateway == gateway
        receipt.check()
        return self.keys.decrypt(delivery_key(receipt.id, gateway), base64.b64decode(access["key"]))


class _Named:
    """As much of a payment as names its key."""

    def __init__(self, prefix: str, suffix: str) -> None:
        self.prefix = prefix
        self.suffix = suffix


async def _at_once(_: float) -> None:
    """Waits for nothing."""


@dataclass
class Stand:
    """A gateway that sells."""

    site: Site
    keys: Keys
    till: Till
    events: list[Event] = field(default_factory=list)

    def buyer(self, name: str = "anybody") -> Buyer:
        return Buyer(self.site, name)


@asynccontextmanager
async def selling(producer: Any, *, gateway: Keys | None = None, now: Any = clock) -> AsyncIterator[Stand]:
    """A gateway over a producer's database, at ORIGIN of its world, with everything that `overlay serve` gives it."""
    async with producer.site() as site:
        keys = gateway or keys_of(producer.invocation, Network.EMBEDDED, create=False).child(GATEWAY_KEY)
        till = Till(
            database=site.database,
            receiver=keys,
            miner=Arc(site.http, site.endpoints.arc),
            chain=Headers(site.http, site.endpoints.headers),
            clock=now,
            randomness=os.urandom,
            pause=_at_once,
        )
        stand = Stand(site, keys, till)
        async with open_library(site, keys) as library:
            app = build_app(
                database=site.database,
                identity=keys_of(producer.invocation, Network.EMBEDDED, create=False).identity,
                host=Starlette(),
                keys=keys,
                contents=library,
                clock=now,
                randomness=os.urandom,
                till=till,
                audit=stand.events.append,
                turns=_never,
            )
            site.http.mount(ORIGIN, app)
            async with running(app):
                yield stand


async def _never(_: Any) -> None:
    """Nothing goes on in the background unless a test says so."""
