"""The composition root: from files, environment and network to objects that work together."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.apply.events import Tell
from reconciler.chain.index import AddressIndex
from reconciler.cli.home import Home
from reconciler.cli.invocation import Invocation
from reconciler.clients.http import HttpClient
from reconciler.content.digests import Digests
from reconciler.control.desired import Loaded, load_desired
from reconciler.control.reconcile import Reconciler
from reconciler.control.source import provenance
from reconciler.control.world import World
from reconciler.devnet.hosts import own_host
from reconciler.devnet.world import BLOCK_SECONDS, Pace, ToyWorld
from reconciler.model.errors import OverlayError, StateError
from reconciler.model.ids import IdentityKey, Network
from reconciler.model.networks import ENDPOINTS, Endpoints, endpoints_of
from reconciler.store.database import Database
from reconciler.store.published import Published
from reconciler.store.schema import check, prepare
from reconciler.wallet.keyfile import read_key, write_key
from reconciler.wallet.keys import Keys

OWN_ORIGIN: Final = "http://own.embedded"
"""Our own host, called in this process where no gateway of ours runs."""

clock: Final = time.time
"""Unix seconds."""

KEY_FILE: Final = "identity.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything of one network that a command works with."""

    network: Network
    endpoints: Endpoints
    home: Home
    database: Database
    http: HttpClient
    toy: ToyWorld | None
    """The embedded world, where that is the network."""

    def world(self, own: str = OWN_ORIGIN) -> World:
        """The network's world, with our own host at `own`."""
        return World.at(self.network, self.endpoints, http=self.http, own=own)

    def index(self) -> AddressIndex:
        """The network's address index."""
        return AddressIndex(self.http, self.endpoints.headers)


@asynccontextmanager
async def open_site(
    invocation: Invocation, network: Network, *, endpoints: Endpoints | None = None
) -> AsyncIterator[Site]:
    """Open one network's database and world for the block.

    `endpoints` are those of the manifests; without, those that were applied here last, else the network's own.
    """
    home = invocation.home
    home.create()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(invocation, network))
        # A file of our own is set up at its first use; a database that somebody else made is theirs to upgrade.
        await (check if invocation.environment.get("DATABASE_URL") else prepare)(database)
        toy = None
        http = await stack.enter_async_context(HttpClient())
        endpoints = endpoints or await _applied_endpoints(database, network)
        http.mount(OWN_ORIGIN, own_host(database, endpoints, http=http, clock=clock))
        if network is Network.EMBEDDED:
            toy = await stack.enter_async_context(open_toy(home.world(network), endpoints, http))
        yield Site(network=network, endpoints=endpoints, home=home, database=database, http=http, toy=toy)


@asynccontextmanager
async def open_toy(
    folder: Path, endpoints: Endpoints, http: HttpClient, *, block_time: float = BLOCK_SECONDS, pace: Pace | None = None
) -> AsyncIterator[ToyWorld]:
    """Open the toy world in `folder` for the block; through `http` it is reached in this process, whatever its addresses."""
    toy = ToyWorld(
        folder,
        endpoints,
        http=http,
        clock=clock,
        randomness=secrets.token_bytes,
        block_time=block_time,
        pace=pace,
    )
    for origin, app in toy.apps.items():
        http.mount(origin, app)
    try:
        yield toy
    finally:
        await toy.close()


async def load_manifests(invocation: Invocation, paths: tuple[Path, ...]) -> Loaded:
    """Read manifests, with the digest cache of OVERLAY_HOME."""
    return await load_desired(
        paths, digests=Digests(invocation.home.cache / "digests.db"), network=invocation.named_network()
    )


async def reconciler_of(site: Site, loaded: Loaded, keys: Keys, tell: Tell) -> Reconciler:
    """The reconciler of one producer."""
    url = loaded.state.gateway_url
    own = url if url is not None and await _serves(site.http, url, keys.identity) else OWN_ORIGIN
    return Reconciler(
        world=site.world(own),
        database=site.database,
        keys=keys,
        folder=loaded.folder,
        provenance=await provenance(loaded.folder),
        clock=clock,
        randomness=secrets.token_bytes,
        tell=tell,
    )


def keys_of(invocation: Invocation, network: Network, *, file: str = KEY_FILE, create: bool) -> Keys:
    """The identity key: from the environment, else from its file; on toy networks a new one is made, and that is said.

    Raises StateError where there is none, or it cannot be used.
    """
    secret = invocation.environment.get("OVERLAY_IDENTITY_KEY")
    if secret:
        return _from_hex(secret)
    named = invocation.environment.get("PRODUCER_IDENTITY_FILE")
    path = Path(named) if named else invocation.home.key(file)
    if create and network.is_toy and not path.exists():
        invocation.home.create()
        if write_key(path, new_keys(), passphrase=invocation.passphrase, randomness=secrets.token_bytes):
            invocation.console.note(f"Made a new identity key: {path}")
    return read_key(path, passphrase=invocation.passphrase, plain_allowed=network.is_toy)


def new_keys() -> Keys:
    """A random identity."""
    while True:
        try:
            return Keys(secrets.token_bytes(32))
        except ValueError:  # once in 2^128 draws
            continue


def _from_hex(secret: str) -> Keys:
    try:
        return Keys(bytes.fromhex(secret.strip()))
    except ValueError:
        raise StateError("OVERLAY_IDENTITY_KEY does not hold a private key", hint="64 hex digits") from None


@asynccontextmanager
async def database_of(invocation: Invocation, network: Network) -> AsyncIterator[Database]:
    """The database of one network as it is, whatever its shape: DATABASE_URL's, else the SQLite file of OVERLAY_HOME."""
    invocation.home.create()
    path = invocation.home.state(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    database = Database.open(invocation.environment.get("DATABASE_URL") or f"sqlite+aiosqlite:///{path}")
    try:
        yield database
    finally:
        await database.close()


async def _applied_endpoints(database: Database, network: Network) -> Endpoints:
    async with database.begin() as connection:
        root = await Published(connection).root()
    return ENDPOINTS[network] if root is None else endpoints_of(network, root.record.sealed)


async def _serves(http: HttpClient, url: str, identity: IdentityKey) -> bool:
    """Whether a gateway of this very producer answers at `url`."""
    try:
        reply = await http.request("GET", f"{url}/v1/producer", within=2.0)
        answer = reply.json()
    except OverlayError:
        return False
    return reply.ok and isinstance(answer, Mapping) and answer.get("identityKey") == identity
