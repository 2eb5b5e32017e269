"""`overlay serve`: the producer's host and catalog, at the newest generation that anybody applied."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from reconciler.apply.lease import this_process
from reconciler.chain.headers import Headers
from reconciler.cli import errors
from reconciler.cli.auditing import open_audit
from reconciler.cli.console import Console
from reconciler.cli.databases import Otherwise
from reconciler.cli.gateways import gateway_keys, gateway_of
from reconciler.cli.implied import implied_keys, implied_network
from reconciler.cli.interrupt import stoppable
from reconciler.cli.invocation import Invocation
from reconciler.cli.libraries import open_library
from reconciler.cli.places import Places
from reconciler.cli.posts import Post, supervise
from reconciler.cli.selling import business_of
from reconciler.cli.wiring import Site, callback_token, clock, gateway_key_of, open_site
from reconciler.clients.peers import Neighbours
from reconciler.control.follow import Follower
from reconciler.control.leading import Leader
from reconciler.devnet.hosts import own_host
from reconciler.gateway.app import build_app
from reconciler.host.neighbourhood import Neighbourhood
from reconciler.model.errors import StateError
from reconciler.model.ids import IdentityKey, Network
from reconciler.model.networks import Endpoints, endpoints_of
from reconciler.store.published import Published
from reconciler.wallet.keys import Keys
from reconciler.web.limits import Limits
from reconciler.web.metrics import Metrics, share
from reconciler.web.operators import Operator
from reconciler.web.server import Door, serving

_PROOF_SECONDS: Final = 10.0
"""How often the host looks after the proofs of what it keeps."""


_FOLLOW_SECONDS: Final = 15.0
"""How often hosts are asked for a newer root: one look-up each."""


_FOLLOW_TOY_SECONDS: Final = 1.0


_SYNC_SECONDS: Final = 60.0
"""How often other hosts are asked what they have got since: one request each."""


_SYNC_TOY_SECONDS: Final = 5.0


def _announce(console: Console, facts: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        console.document({"event": "ready", **facts})
    else:
        console.result(f"Serving {facts['identityKey']} ({facts['network']}) at {facts['url']}\nCtrl-C stops it.")


async def serve(
    invocation: Invocation,
    host: str,
    port: int,
    *,
    workers: int,
    worker: str,
    audit_log: str | None,
    rate_limit: int,
    as_json: bool,
) -> int:
    """Alone, as the parent of several workers, or as one of them: `worker` is what its parent says."""
    announce = partial(_announce, invocation.console, as_json=as_json)
    if worker:
        post = Post.inherited(worker, host)
    elif workers > 1:
        return await supervise(invocation, host, port, workers, announce, more=_words(audit_log, rate_limit))
    else:
        post = Post(host=host, port=port, announce=announce)
    return await _serve(invocation, post, audit_log=audit_log, limits=Limits.of(rate_limit))


def _words(audit_log: str | None, rate_limit: int) -> list[str]:
    """Options that each worker is given."""
    logged = [] if audit_log is None else ["--audit-log", audit_log]
    return [*logged, "--rate-limit", str(rate_limit)]


async def _serve(invocation: Invocation, post: Post, *, audit_log: str | None, limits: Limits) -> int:
    network, console = await implied_network(invocation), invocation.console
    share(post.number)
    if post.number:  # the first one has said it
        invocation = replace(invocation, console=replace(console, quiet=True))
    reader = await _reader(invocation, network)
    async with open_site(
        invocation,
        network,
        identity=reader.producer if reader else None,
        otherwise=Otherwise.READ,
        endpoints=reader.endpoints if reader else None,
    ) as site:
        await _serve_at(site, invocation, reader, post, console=console, audit_log=audit_log, limits=limits)
    return errors.DONE


async def _serve_at(
    site: Site,
    invocation: Invocation,
    reader: _Reader | None,
    post: Post,
    *,
    console: Console,
    audit_log: str | None,
    limits: Limits,
) -> None:
    """Serve at an open site. `console` is told what goes on, the invocation's what only the first worker says."""
    network = site.network
    keys = None if reader is None else await _gateway_keys(invocation, site, reader)
    async with (
        open_library(site, keys) as library,
        open_audit(audit_log, folder=invocation.directory, clock=clock, tell=console.complain) as audit,
    ):
        follower = None if reader is None else _follower(site, reader)
        if follower is not None:
            await follower.claim()
        identity = reader.producer if reader else await _published(site)
        operator = Operator(identity=identity, token=invocation.environment.get("OVERLAY_ADMIN_TOKEN"))
        metrics = Metrics(site.database, operator, clock=clock)
        leader = Leader(site.database, this_process(secrets.token_hex(8)), clock=clock)
        own = own_host(
            site.database,
            site.endpoints,
            network=network,
            http=site.http,
            clock=clock,
            extensions=site.extensions,
            refresh_every=_PROOF_SECONDS,
            callback_token=None if reader is None or keys is None else await _callback_token(site, reader, keys),
            neighbourhood=_neighbourhood(site),
            operator=operator,
            turns=leader.in_turn,
        )
        places, business = Places(invocation, "the API key of an ARC"), None
        if keys is not None:
            business = business_of(site, keys, identity, places, invocation.console.note, watched=metrics.watched)
        app = build_app(
            metrics=metrics,
            database=site.database,
            identity=identity,
            host=own,
            contents=library,
            keys=keys,
            clock=clock,
            randomness=secrets.token_bytes,
            till=None if business is None else business.till,
            treasury=None if business is None else business.treasury,
            works=[] if business is None else [business.bundler.rounds],
            turns=leader.in_turn,
            audit=audit,
            limits=limits,
        )
        door = Door(app=metrics.counted(app), host=post.host, port=post.port, listening=post.listening)
        await _stand(door, post, leader, follower, console=console, network=network, identity=identity)


async def _stand(
    door: Door,
    post: Post,
    leader: Leader,
    follower: Follower | None,
    *,
    console: Console,
    network: Network,
    identity: str,
) -> None:
    """Serve until somebody says stop, and lead while nobody else does."""
    pace = _FOLLOW_TOY_SECONDS if network.is_toy else _FOLLOW_SECONDS
    with stoppable() as stop:
        post.on_orphaned(stop.set)
        async with leader.standing(), serving([door]) as (url,):
            post.announce({"url": url, "network": network.value, "identityKey": identity})
            await _until(stop, follower, leader, console, pace)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Whose root is followed, and with what key it is opened."""

    producer: IdentityKey
    keys: Keys
    """The producer's, or its gateway's on a machine that only serves."""
    endpoints: Endpoints | None = None
    """Where the producer's world is, if the key came with that."""


async def _reader(invocation: Invocation, network: Network) -> _Reader | None:
    """The identity key, else a gateway's; None without: then what the database holds is served, and nothing followed."""
    try:
        keys = await implied_keys(invocation, network, create=False)
    except StateError as error:
        gateway = gateway_of(invocation, network)
        if gateway is not None:
            endpoints = endpoints_of(network, {"network": gateway.world}) if gateway.world else None
            return _Reader(gateway.producer, gateway.keys, endpoints)
        invocation.console.note(f"What is applied on other machines will not show here: {error.message}.")
        return None
    return _Reader(keys.identity, keys)


def _follower(site: Site, reader: _Reader) -> Follower:
    return Follower(
        world=site.world(),
        database=site.database,
        identity=reader.producer,
        keys=reader.keys,
        clock=clock,
        randomness=secrets.token_bytes,
    )


def _neighbourhood(site: Site) -> Neighbourhood:
    """The hosts of the configuration, and those that advertise our topics on them."""

    async def own() -> frozenset[str]:
        async with site.database.reading() as connection:
            root = await Published(connection).root()
        return frozenset() if root is None else frozenset(ad.url for ad in root.ads)

    peers = Neighbours(
        http=site.http,
        strangers=site.strangers,
        hosts=site.endpoints.hosts,
        own=own,
        verifier=Headers(site.http, site.endpoints.headers),
        clock=clock,
        toy=site.network.is_toy,
    )
    every = _SYNC_TOY_SECONDS if site.network.is_toy else _SYNC_SECONDS
    return Neighbourhood(peers=peers, dice=random.random, sync_every=every)


async def _callback_token(site: Site, reader: _Reader, gateway: Keys) -> str:
    """As an apply has it, which may run on a machine that has the other one of the two keys."""
    if reader.keys.identity != reader.producer:
        return callback_token(reader.keys, reader.producer)
    return callback_token(reader.keys, await gateway_key_of(site, default=gateway.identity))


async def _gateway_keys(invocation: Invocation, site: Site, reader: _Reader) -> Keys:
    """In whose name clients are answered (PROTOCOL §3); says so where the root names another one."""
    keys = await gateway_keys(invocation, site, reader.producer, reader.keys)
    named = await gateway_key_of(site, default=keys.identity)
    if named != keys.identity:
        invocation.console.note(
            f"The root names another gateway, {named}: clients that look will not take this one for it."
        )
    return keys


async def _published(site: Site) -> IdentityKey:
    """Whose records the database holds. Raises StateError where there are none."""
    async with site.database.reading() as connection:
        identity = await Published(connection).identity()
    if identity is None:
        raise StateError("there is nothing to serve yet", hint="run `overlay apply` first, or give this machine a key")
    return identity


async def _until(
    stop: asyncio.Event, follower: Follower | None, leader: Leader, console: Console, every: float
) -> None:
    """Follow the producer's root, when it is this process's to do, until told to stop; what the follower dies of is raised."""
    if follower is None:
        await stop.wait()
        return
    stopping = asyncio.create_task(stop.wait())
    follow = partial(follower.follow, every=every, tell=console.note)
    following = asyncio.create_task(leader.in_turn(follow))
    try:
        await asyncio.wait({stopping, following}, return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            await following
    finally:
        stopping.cancel()
        following.cancel()
        await asyncio.gather(stopping, following, return_exceptions=True)
