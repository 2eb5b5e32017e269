"""A producer whose gateway sells in an embedded world, and buyers with books and coins of their own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.chain.arc import Arc
from reconciler.chain.faucet import Faucet
from reconciler.chain.headers import Headers
from reconciler.cli.libraries import open_library
from reconciler.cli.wiring import Site, clock, keys_of
from reconciler.consumer.consumer import Consumer
from reconciler.consumer.opening import open_consumer
from reconciler.devnet.hosts import own_host
from reconciler.gateway.app import build_app
from reconciler.host.extensions import installed
from reconciler.model.amounts import Satoshis
from reconciler.model.goods import Good
from reconciler.model.ids import Network, RecordId
from reconciler.model.keys import GATEWAY_KEY
from reconciler.payments.till import Till
from reconciler.payments.treasury import Daily, Treasury
from reconciler.wallet.keys import Keys
from reconciler.wire.http import Http, Reply
from tests.conftest import Producer
from tests.paying import keys_of as keys_named

URL = "http://gateway.embedded"
SECRET = "id,value\n1,a secret that is worth money\n"
OPEN = "id,value\n1,for everybody\n"
SOLD = Good(RecordId.parse("dataset/secrets"))
FREE = Good(RecordId.parse("dataset/open"))
PRICE = 5000
MANIFEST = """\
apiVersion: overlay/v1
kind: Producer
metadata: {name: acme}
spec:
  displayName: TITLE
  network: embedded
  gateway: {url: "http://gateway.embedded"}
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: secrets}
spec:
  source: {path: data/secrets.csv}
  title: Secrets
  price: 5000
---
apiVersion: overlay/v1
kind: Dataset
metadata: {name: open}
spec:
  source: {path: data/open.csv}
  title: Open
"""


PAYEE = keys_named("payee").identity
NATIVE = (
    MANIFEST.replace("  price: 5000\n", "  price: 5000\n  paymentRule: shared\n").replace(
        "  network: embedded\n", f"  network: embedded\n  payees: {{partner: {{identityKey: '{PAYEE}'}}}}\n"
    )
    + """\
---
apiVersion: overlay/v1
kind: PaymentRule
metadata: {name: shared}
spec: {native: {arc: [taal], splits: [{to: partner, share: 0.3}, {to: producer, share: 0.7}]}}
"""
)
"""The same, sold by native payment, of which somebody else gets a share."""


CLUB = (
    MANIFEST
    + """\
---
apiVersion: overlay/v1
kind: ConsumerPolicy
metadata: {name: consumers}
spec:
  defaultTier: standard
  tiers:
    standard: {quota: {requests: 1000, window: 24h}}
    club: {discount: 50%, fee: {satoshis: 700, per: 30d}}
"""
)
"""The same, with a club whose members pay half."""


def stock(producer: Producer, *, manifest: str = MANIFEST) -> Producer:
    """Put what is to be sold into the producer's folder."""
    for file in (producer.folder / "data").iterdir():
        file.unlink()
    producer.data("secrets.csv", SECRET)
    producer.data("open.csv", OPEN)
    producer.write(manifest)
    return producer


class Meddling:
    """A door to the network that a test meddles with: `before` sees requests, `after` replies, `streams` the bytes of downloads."""

    def __init__(self, http: Http, *, before: Any = None, after: Any = None, streams: Any = None) -> None:
        self._http = http
        self._before = before
        self._after = after
        self._streams = streams
        self.asked: list[tuple[str, str]] = []

    async def request(self, method: str, url: str, *, content: Any = None, **more: Any) -> Reply:
        self.asked.append((method, url))
        if self._before is not None:
            self._before(method, url, content or b"")
        reply = await self._http.request(method, url, content=content, **more)
        return reply if self._after is None else self._after(method, url, reply)

    @asynccontextmanager
    async def stream(self, url: str, **more: Any) -> AsyncIterator[Any]:
        self.asked.append(("STREAM", url))
        async with self._http.stream(url, **more) as streamed:
            yield streamed if self._streams is None else _Streamed(url, streamed, self._streams)


class _Streamed:
    def __init__(self, url: str, streamed: Any, change: Any) -> None:
        self.status, self.headers = streamed.status, streamed.headers
        self._url = url
        self._streamed = streamed
        self._change = change

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._streamed.chunks():
            yield self._change(self._url, chunk)


@dataclass
class Market:
    """A world with a gateway in it. A test may put doors between a buyer and the world."""

    site: Site
    keys: Keys
    gateway_keys: Keys
    folder: Path
    databases: Any
    stack: AsyncExitStack
    till: Till | None = None
    ahead: float = 0.0
    """Seconds by which the gateway's clock is ahead."""

    def clock(self) -> float:
        """The gateway's."""
        return clock() + self.ahead

    def treasury(self) -> Treasury:
        """What moves the gateway's money on."""

        async def cadence() -> Daily:
            return Daily()

        return Treasury(
            database=self.site.database,
            keys=self.gateway_keys,
            producer=self.keys.identity,
            miner=Arc(self.site.http, self.site.endpoints.arc),
            chain=Headers(self.site.http, self.site.endpoints.headers),
            clock=self.clock,
            cadence=cadence,
        )

    async def buyer(self, name: str = "buyer", *, satoshis: int = 100_000, **more: Any) -> Consumer:
        """Somebody with money."""
        consumer = await self.stack.enter_async_context(self.opened(name, **more))
        if satoshis:
            await consumer.fund(Satoshis(satoshis))
        return consumer

    def opened(self, name: str = "buyer", *, door: Any = None, **more: Any) -> Any:
        """The buyer of a name; again, if need be, with the books that he had. All that he asks goes by `door`."""
        folder = self.folder / name
        database = folder / Network.EMBEDDED.value / "consumer.db"
        if not database.exists():
            database.parent.mkdir(parents=True)
            database.write_bytes(self.databases.migrated.read_bytes())
        return open_consumer(
            folder,
            network=Network.EMBEDDED,
            keys=self.buyer_keys(name),
            http=door or self.site.http,
            endpoints=self.site.endpoints,
            **more,
        )

    def buyer_keys(self, name: str) -> Keys:
        """A buyer's own."""
        return keys_named(f"{self.folder} {name}")

    @property
    def faucet(self) -> Faucet:
        """The world's."""
        return Faucet(self.site.http, str(self.site.endpoints.faucet))

    def meddling(self, **how: Any) -> Meddling:
        """A door of its own to this world."""
        return Meddling(self.site.http, **how)


@asynccontextmanager
async def open_market(producer: Producer, mount: Callable[[Market], Any]) -> AsyncIterator[Market]:
    """The producer's world for the block; `mount` makes the gateway's app, which is then at URL."""
    async with producer.site() as site, AsyncExitStack() as stack:
        keys = keys_of(producer.invocation, Network.EMBEDDED, create=False)
        market = Market(
            site=site,
            keys=keys,
            gateway_keys=keys.child(GATEWAY_KEY),
            folder=producer.folder.parent / "buyers",
            databases=producer.databases,
            stack=stack,
        )
        site.http.mount(URL, await mount(market))
        yield market


async def shop_window(market: Market) -> Any:
    """A gateway that shows what is live, and sells nothing."""
    return await _gateway(market)


async def shop(market: Market) -> Any:
    """A gateway that sells."""
    site = market.site
    market.till = Till(
        database=site.database,
        receiver=market.gateway_keys,
        miner=Arc(site.http, site.endpoints.arc),
        chain=Headers(site.http, site.endpoints.headers),
        clock=market.clock,
        randomness=secrets.token_bytes,
        hold_seconds=2.0,
    )
    return await _gateway(market, till=market.till)


async def _gateway(market: Market, **more: Any) -> Any:
    site = market.site
    library = await market.stack.enter_async_context(open_library(site, market.gateway_keys))
    own = own_host(
        site.database, site.endpoints, network=site.network, http=site.http, clock=clock, extensions=installed()
    )
    return build_app(
        database=site.database,
        identity=market.keys.identity,
        host=own,
        contents=library,
        keys=market.gateway_keys,
        clock=market.clock,
        randomness=secrets.token_bytes,
        **more,
    )
