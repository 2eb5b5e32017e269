"""Opening one network for a buyer: settings, key and everybody that a buyer asks. No manifest, and no producer's database."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from reconciler.chain.headers import Headers
from reconciler.cli.console import Console
from reconciler.cli.doors import door
from reconciler.cli.implied import implied_network
from reconciler.cli.invocation import Invocation
from reconciler.cli.wiring import clock, new_keys, open_toy
from reconciler.clients.gateway import GatewayClient
from reconciler.clients.host import HostClient
from reconciler.clients.http import HttpClient
from reconciler.clients.reputations import Reputations
from reconciler.clients.resolver import Resolver
from reconciler.consumer.consumer import Consumer
from reconciler.consumer.discovery import Discovery
from reconciler.consumer.greeting import Greeter
from reconciler.consumer.opening import KEY_FILE, open_consumer
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import OverlayError, StateError, TransientError, UsageError
from reconciler.model.ids import Network
from reconciler.model.json import Json
from reconciler.model.networks import Endpoints, endpoints_of
from reconciler.model.order import OrderState
from reconciler.wallet.keyfile import read_key, write_key
from reconciler.wallet.keys import Keys
from reconciler.wire.uris import origin_fault

KEY_VARIABLE: Final = "OVERLAY_CONSUMER_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `consumer init` was told, of one network. None leaves it to the network, or to nobody."""

    overlay_url: str | None = None
    """The gateway that is meant where none is named."""
    max_price: Satoshis | None = None
    """The most that one purchase may cost; up to it nobody is asked."""
    daily_budget: Satoshis | None = None
    """The most that all purchases of a day (UTC) may cost, fees included."""
    hosts: tuple[str, ...] = ()
    """Hosts and trackers, in place of the network's."""
    arc: str | None = None
    chain_tracker: str | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """As they were kept; nothing where they were not. Raises StateError."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**found, "hosts": tuple(found.get("hosts", ()))})
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError, AttributeError) as error:
            raise StateError(
                "the consumer's settings cannot be read", where=str(path), hint="run `overlay consumer init`"
            ) from error

    def write(self, path: Path) -> None:
        """Keep them."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def to_json(self) -> dict[str, Json]:
        """What is said, for people and programs."""
        return {"overlayUrl": self.overlay_url, "maxPrice": self.max_price, "dailyBudget": self.daily_budget}

    def endpoints(self, network: Network) -> Endpoints:
        """The network's, with what was named in their place."""
        named = {"hosts": list(self.hosts) or None, "arc": self.arc, "chainTracker": self.chain_tracker}
        return endpoints_of(network, {"network": {name: value for name, value in named.items() if value}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One network, as a buyer sees it."""

    network: Network
    endpoints: Endpoints
    settings: Settings
    http: HttpClient
    strangers: HttpClient
    """The door to what strangers name."""
    resolver: Resolver
    headers: Headers
    gateway: str | None
    """Of the producer that is meant where none is named."""

    def discovery(self) -> Discovery:
        """Finds and proves producers, as nobody in particular."""
        return Discovery(
            lookups=self.resolver,
            hosts=_hosts(self.http, self.endpoints, self.gateway),
            host=lambda url: HostClient(self.strangers, url),
            verifier=self.headers,
            greet=Greeter(self.strangers, new_keys(), clock=clock),
            listing=lambda url: GatewayClient(self.strangers, url).catalog(),
            clock=clock,
            plain_http=self.network.is_toy,
        )


@asynccontextmanager
async def open_market(invocation: Invocation, gateway: str | None = None) -> AsyncIterator[Market]:
    """Open the network that is meant, for the block; `gateway` is one that was named. Raises UsageError, StateError."""
    network = await buyers_network(invocation)
    settings = Settings.read(invocation.home.consumer_settings(network))
    endpoints = settings.endpoints(network)
    named = gateway or invocation.environment.get("OVERLAY_URL") or settings.overlay_url
    gateway = named and checked_origin(named, network)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(door(invocation.environment))
        strangers = http
        if not network.is_toy:
            strangers = await stack.enter_async_context(door(invocation.environment, public_only=True))
        if network is Network.EMBEDDED:
            invocation.home.create()
            await stack.enter_async_context(open_toy(invocation.home.world(network), endpoints, http))
        headers = Headers(http, endpoints.headers)
        resolver = Resolver(
            {url: HostClient(http, url) for url in endpoints.hosts},
            host=lambda url: HostClient(strangers, url),
            besides=_hosts(http, endpoints, gateway),
            reputations=Reputations(clock=clock, dice=random.random),
            clock=clock,
            verifier=headers,
            plain_http=network.is_toy,
        )
        yield Market(
            network=network,
            endpoints=endpoints,
            settings=settings,
            http=http,
            strangers=strangers,
            resolver=await stack.enter_async_context(resolver),
            headers=headers,
            gateway=gateway or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """A buyer on one network: the market, and a purse."""

    market: Market
    consumer: Consumer
    console: Console

    async def finish(self) -> None:
        """Bring to its end what an earlier command left: once, waiting for nobody. What stays open is said."""
        try:
            ended = await replace(self.consumer, patience=0.0).recover()
        except TransientError as error:
            self.console.note(f"What was left cannot be looked after: {error.message}.")
            return
        for each in ended:
            if isinstance(each, OverlayError):
                self.console.note(f"A payment is still on its way: {each.message}.")
            elif each.state is not OrderState.REFUSED:
                self.console.note(f"The payment for {each.good} has come to its end: {each.state}.")

    def warn(self, doubts: Iterable[str]) -> None:
        """Say what does not hold, or was not to be had."""
        for doubt in doubts:
            self.console.note(f"Not counted: {doubt}.")


@asynccontextmanager
async def open_buyer(invocation: Invocation, gateway: str | None = None) -> AsyncIterator[Buyer]:
    """Open the network and the buyer's own books for the block. Raises UsageError, StateError; GuardError for another's books."""
    async with (
        open_market(invocation, gateway) as market,
        open_consumer(
            invocation.home.path,
            network=market.network,
            keys=buyers_keys(invocation, market.network),
            daily_budget=market.settings.daily_budget,
            endpoints=market.endpoints,
            http=market.http,
            strangers=market.strangers,
            resolver=market.resolver,
            clock=clock,
        ) as consumer,
    ):
        yield Buyer(market=market, consumer=consumer, console=invocation.console)


async def buyers_network(invocation: Invocation) -> Network:
    """The network that is meant: --network, OVERLAY_NETWORK, else the only one with state here. Raises UsageError."""
    try:
        return await implied_network(invocation)
    except UsageError as error:
        names = ", ".join(network.value for network in Network)
        raise UsageError(
            "which network to buy on is not said", hint=f"--network, or OVERLAY_NETWORK: {names}"
        ) from error


def checked_origin(url: str, network: Network) -> str:
    """A gateway's origin, as somebody typed it. Raises UsageError."""
    trimmed = url.strip().rstrip("/")
    fault = origin_fault(trimmed, plain_http=network.is_toy)
    if fault:
        raise UsageError(f"the gateway's URL {fault}", where=url, hint="such as http://localhost:3000")
    return trimmed


def buyers_keys(invocation: Invocation, network: Network, *, create: bool = False) -> Keys:
    """The buyer's own key: OVERLAY_CONSUMER_KEY, else consumer.key in OVERLAY_HOME, which `create` makes. Raises StateError."""
    secret = invocation.environment.get(KEY_VARIABLE)
    if secret:
        try:
            return Keys(bytes.fromhex(secret.strip()))
        except ValueError:
            raise StateError(f"{KEY_VARIABLE} does not hold a private key", hint="64 hex digits") from None
    path = invocation.home.key(KEY_FILE)
    if not path.exists():
        if not create:
            raise StateError("there is no buyer here yet", where=str(path), hint="run `overlay consumer init`")
        if not network.is_toy and invocation.passphrase is None:
            raise StateError(f"a plain key file is no use on {network}", hint="set OVERLAY_PASSPHRASE")
        invocation.home.create()
        if write_key(path, new_keys(), passphrase=invocation.passphrase, randomness=secrets.token_bytes):
            invocation.console.note(f"Made a new key: {path}. There is no other copy: back it up.")
    return read_key(path, passphrase=invocation.passphrase, plain_allowed=network.is_toy)


def _hosts(http: HttpClient, endpoints: Endpoints, gateway: str | None) -> Mapping[str, HostClient]:
    """Who is asked about everything: the network's hosts, and the gateway that the buyer named himself."""
    named = (*endpoints.hosts, *([gateway] if gateway else ()))
    return {url: HostClient(http, url) for url in named}
