"""The composition root: from files, environment and network to objects that work together."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from reconciler import cli
from reconciler.apply.events import Tell
from reconciler.chain.index import AddressIndex
from reconciler.cli.databases import Otherwise, open_database
from reconciler.cli.doors import door
from reconciler.cli.hints import hinting
from reconciler.cli.home import GATEWAY_FILE, KEY_FILE, Home
from reconciler.cli.invocation import Invocation
from reconciler.clients.http import HttpClient
from reconciler.clients.resolver import Resolver
from reconciler.consumer.surroundings import resolver_of
from reconciler.content.fetching import Fetcher
from reconciler.content.locating import locate
from reconciler.control.keeping import Shelf
from reconciler.control.reconcile import Reconciler
from reconciler.control.remembered import Memory
from reconciler.control.revenue import Revenue
from reconciler.control.serving import serves
from reconciler.control.source import provenance
from reconciler.control.world import World
from reconciler.devnet.lazy import App, LazyApp
from reconciler.host.extensions import Extensions, installed
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, IdentityKey, Network
from reconciler.model.json import JsonObject
from reconciler.model.keys import GATEWAY_KEY, callback_key
from reconciler.model.networks import ENDPOINTS, Endpoints, endpoints_of
from reconciler.store.database import Database
from reconciler.store.published import Published
from reconciler.wallet.keyfile import read_key, write_key
from reconciler.wallet.keys import Keys
from reconciler.wire.arc import Callback

if TYPE_CHECKING:
    from reconciler.devnet.world import Pace, ToyWorld

OWN_ORIGIN: Final = "http://own.embedded"
"""Our own host, called in this process where no gateway of ours runs."""

clock: Final = time.time
"""Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything of one network that a command works with."""

    network: Network
    endpoints: Endpoints
    home: Home
    database: Database
    http: HttpClient
    strangers: HttpClient
    """The door to what strangers name."""
    resolver: Resolver
    """Finds strangers."""
    toy: ToyWorld | None
    """The embedded world, where that is the network."""
    extensions: Extensions
    """Of our own host, by whoever is installed."""
    incumbent: IdentityKey | None
    """The identity that has the first database here, where this one's is beside it."""

    def world(self, own: str = OWN_ORIGIN, *, callback: Callback | None = None) -> World:
        """The network's world, with our own host at `own`, and where ARC may report to."""
        return World.at(
            self.network, self.endpoints, http=self.http, strangers=self.strangers, own=own, callback=callback
        )

    def index(self) -> AddressIndex:
        """The network's address index."""
        return AddressIndex(self.http, self.endpoints.headers)


@asynccontextmanager
async def open_site(
    invocation: Invocation,
    network: Network,
    *,
    identity: IdentityKey | None,
    successor: IdentityKey | None = None,
    otherwise: Otherwise = Otherwise.REFUSE,
    endpoints: Endpoints | None = None,
    storage_price: int = 0,
) -> AsyncIterator[Site]:
    """Open one network's world, and the identity's database, for the block (cli/databases.py says which).

    `endpoints` are those of the manifests; without, those that were applied here last, else the network's own.
    `storage_price` is that of an embedded world's storage hosts (see ToyWorld).
    """
    home = invocation.home
    async with AsyncExitStack() as stack:
        stack.enter_context(hinting(network))
        opened = await stack.enter_async_context(
            open_database(invocation, network, identity, otherwise, successor=successor)
        )
        await opened.ready()
        database = opened.database
        toy = None
        http = await stack.enter_async_context(door(invocation.environment))
        strangers = http
        if not network.is_toy:
            strangers = await stack.enter_async_context(door(invocation.environment, public_only=True))
        endpoints = endpoints or await _applied_endpoints(database, network)
        extensions = installed()
        http.mount(OWN_ORIGIN, _own_host(database, endpoints, network, http, extensions))
        if network is Network.EMBEDDED:
            toy = await stack.enter_async_context(
                open_toy(home.world(network), endpoints, http, storage_price=storage_price)
            )
        resolver = resolver_of(network, endpoints, http=http, strangers=strangers, clock=clock)
        yield Site(
            network=network,
            endpoints=endpoints,
            home=home,
            database=database,
            http=http,
            strangers=strangers,
            resolver=await stack.enter_async_context(resolver),
            toy=toy,
            extensions=extensions,
            incumbent=opened.incumbent,
        )


def _own_host(
    database: Database, endpoints: Endpoints, network: Network, http: HttpClient, extensions: Extensions
) -> LazyApp:
    async def build() -> App:
        return cli.worlds.own_host(database, endpoints, network=network, http=http, clock=clock, extensions=extensions)

    return LazyApp(build)


@asynccontextmanager
async def open_toy(
    folder: Path,
    endpoints: Endpoints,
    http: HttpClient,
    *,
    block_time: float | None = None,
    storage_price: int = 0,
    pace: Pace | None = None,
) -> AsyncIterator[ToyWorld]:
    """Open the toy world in `folder` for the block; through `http` it is reached in this process, whatever its addresses."""
    toy = cli.worlds.ToyWorld(
        folder,
        endpoints,
        http=http,
        clock=clock,
        randomness=secrets.token_bytes,
        block_time=block_time,
        storage_price=storage_price,
        pace=pace,
    )
    for origin, app in toy.apps.items():
        http.mount(origin, app)
    try:
        yield toy
    finally:
        await toy.close()


class KeyPlace(Protocol):
    """Where a key is."""

    @property
    def key_file(self) -> str: ...  # noqa: D102  # relative to OVERLAY_HOME
    @property
    def key_env(self) -> str | None: ...  # noqa: D102  # a variable, where it is in one


class Subject(KeyPlace, Protocol):
    """What a reconciler works on: manifests that were loaded, or a plan that was kept."""

    @property
    def network(self) -> Network: ...  # noqa: D102  # each is named as it is
    @property
    def folder(self) -> Path: ...  # noqa: D102  # the manifests'
    @property
    def producer_sealed(self) -> JsonObject: ...  # noqa: D102
    @property
    def producer_name(self) -> str: ...  # noqa: D102
    @property
    def gateway_url(self) -> str | None: ...  # noqa: D102
    @property
    def rotation(self) -> KeyPlace | None: ...  # noqa: D102


def keys_for(invocation: Invocation, subject: Subject, *, create: bool) -> Keys:
    """The identity key where the subject says that it is. Raises StateError."""
    return keys_of(invocation, subject.network, file=subject.key_file, env=subject.key_env, create=create)


def keys_at_hand(invocation: Invocation, subject: Subject) -> Keys | None:
    """The same, or None where no variable and no file holds one. Raises StateError for one that cannot be used."""
    variables = ("OVERLAY_IDENTITY_KEY", *([subject.key_env] if subject.key_env else []))
    named = any(invocation.environment.get(variable) for variable in variables)
    return (
        keys_for(invocation, subject, create=False)
        if named or key_path(invocation, subject.key_file).exists()
        else None
    )


def named_key(invocation: Invocation, network: Network, *, file: str, env: str | None) -> Keys:
    """The key in one place and no other, whatever the environment says of the one there is. Raises StateError."""
    if not env:
        path = invocation.home.key(file)
        return read_key(path, passphrase=invocation.passphrase, plain_allowed=network.is_toy)
    secret = invocation.environment.get(env)
    if not secret:
        raise StateError(f"the new key is to be in the variable {env}, which is not set", hint="64 hex digits")
    return _from_hex(secret, env)


def successor_for(invocation: Invocation, subject: Subject, keys: Keys) -> Keys | None:
    """The key that the subject rotates to, where it says so. Raises StateError where there is none, or it is the same."""
    place = subject.rotation
    if place is None:
        return None
    found = named_key(invocation, subject.network, file=place.key_file, env=place.key_env)
    if found.identity == keys.identity:
        raise StateError(
            "the key to rotate to is the one there is", hint="let identity.key name the old one, or drop rotation"
        )
    return found


@asynccontextmanager
async def open_reconciler(
    invocation: Invocation, subject: Subject, keys: Keys, tell: Tell, *, otherwise: Otherwise = Otherwise.REFUSE
) -> AsyncIterator[tuple[Site, Reconciler]]:
    """Open the subject's network, and a reconciler on it, for the block."""
    endpoints = endpoints_of(subject.network, subject.producer_sealed)
    successor = successor_for(invocation, subject, keys)
    async with open_site(
        invocation,
        subject.network,
        identity=keys.identity,
        successor=successor.identity if successor else None,
        otherwise=otherwise,
        endpoints=endpoints,
    ) as site:
        yield site, await reconciler_of(site, subject, keys, tell, successor=successor)


async def reconciler_of(
    site: Site, subject: Subject, keys: Keys, tell: Tell, *, successor: Keys | None = None
) -> Reconciler:
    """The reconciler of one producer."""
    url, identities = subject.gateway_url, [each.identity for each in (keys, successor) if each is not None]
    own = url if url is not None and await serves(site.http, url, *identities) else OWN_ORIGIN
    world = site.world(own, callback=await _callback(site, keys, own))
    revenue = None
    if url is not None:
        revenue = Revenue(
            url=url,
            http=site.http,
            keys=keys,
            database=site.database,
            verifier=world.headers,
            index=world.index,
            clock=clock,
        )
    return Reconciler(
        world=world,
        database=site.database,
        revenue=revenue,
        keys=keys,
        successor=successor,
        incumbent=site.incumbent,
        folder=subject.folder,
        provenance=await provenance(subject.folder),
        fetcher=fetcher_of(site),
        clock=clock,
        randomness=secrets.token_bytes,
        tell=tell,
        memory=Memory(Shelf(site.home.cache / "plans")),
    )


async def _callback(site: Site, keys: Keys, own: str) -> Callback | None:
    """Where ARC may report what becomes of transactions: at the gateway, if that runs. In the embedded world nobody would call."""
    if own == OWN_ORIGIN or site.network is Network.EMBEDDED:
        return None
    gateway = await gateway_key_of(site, default=keys.child(GATEWAY_KEY).identity)
    return Callback(url=f"{own}/arc-ingest", token=callback_token(keys, gateway))


async def gateway_key_of(site: Site, *, default: IdentityKey) -> IdentityKey:
    """The gateway's key as the recorded root names it."""
    async with site.database.reading() as connection:
        root = await Published(connection).root()
    return default if root is None else root.gateway_key


def callback_token(keys: Keys, other: IdentityKey) -> str:
    """What ARC has to show at /arc-ingest: the same for the producer's key with the gateway's, and the other way round."""
    return keys.mac(callback_key(other), b"arc-ingest").hex()


def fetcher_of(site: Site) -> Fetcher:
    """Gets pinned content that lies elsewhere, where its URL says or storage hosts promise to keep it."""
    plain_http = site.network.is_toy

    async def places(content: Digest) -> Sequence[str]:
        tokens = await locate(content, lookups=site.resolver, now=int(clock()), plain_http=plain_http)
        return tuple(token.url for token in tokens)

    return Fetcher(
        http=site.http,
        strangers=site.strangers,
        folder=site.home.cache / "content",
        locate=places,
        plain_http=plain_http,
    )


def keys_of(
    invocation: Invocation, network: Network, *, file: str = KEY_FILE, env: str | None = None, create: bool
) -> Keys:
    """The identity key: from the environment, else from its file; on toy networks a new one is made, and that is said.

    OVERLAY_IDENTITY_KEY goes before the variable `env`, which goes before all files. Raises StateError where there is no key,
    or it cannot be used.
    """
    for variable in ("OVERLAY_IDENTITY_KEY", *([env] if env else [])):
        secret = invocation.environment.get(variable)
        if secret:
            return _from_hex(secret, variable)
    if env:
        raise StateError(f"the identity key is to be in the variable {env}, which is not set", hint="64 hex digits")
    path = key_path(invocation, file)
    is_gateways = invocation.home.key(GATEWAY_FILE).exists()  # whoever only serves is not made a producer
    if create and network.is_toy and not path.exists() and not is_gateways:
        invocation.home.create()
        if write_key(path, new_keys(), passphrase=invocation.passphrase, randomness=secrets.token_bytes):
            invocation.console.note(f"Made a new identity key: {path}")
    return read_key(path, passphrase=invocation.passphrase, plain_allowed=network.is_toy)


def key_path(invocation: Invocation, file: str = KEY_FILE) -> Path:
    """The file that holds the identity key where no variable does: PRODUCER_IDENTITY_FILE, else `file` in OVERLAY_HOME."""
    named = invocation.environment.get("PRODUCER_IDENTITY_FILE")
    return Path(named) if named else invocation.home.key(file)


def new_keys() -> Keys:
    """A random identity."""
    while True:
        try:
            return Keys(secrets.token_bytes(32))
        except ValueError:  # once in 2^128 draws
            continue


def _from_hex(secret: str, variable: str) -> Keys:
    try:
        return Keys(bytes.fromhex(secret.strip()))
    except ValueError:
        raise StateError(f"{variable} does not hold a private key", hint="64 hex digits") from None


async def _applied_endpoints(database: Database, network: Network) -> Endpoints:
    async with database.reading() as connection:
        root = await Published(connection).root()
    return ENDPOINTS[network] if root is None else endpoints_of(network, root.record.sealed)
