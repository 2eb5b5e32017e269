"""Overlay hosts, put together: our own on the producer's database, the public one on its own."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from reconciler.chain.arc import Arc
from reconciler.chain.headers import Headers
from reconciler.host.app import build_app
from reconciler.host.extensions import Extensions
from reconciler.host.lookups.advertisements import AdLookup
from reconciler.host.lookups.data_catalog import DataCatalogLookup, capability_lookup
from reconciler.host.lookups.uhrp import UhrpLookup
from reconciler.host.neighbourhood import Neighbourhood
from reconciler.host.topics.advertisements import AdTopic
from reconciler.host.topics.data_catalog import DataCatalogTopic
from reconciler.host.topics.uhrp import UhrpTopic
from reconciler.model.ids import AdProtocol, Network
from reconciler.model.networks import Endpoints
from reconciler.store.database import Database
from reconciler.web.background import Turns, always
from reconciler.web.operators import Operator
from reconciler.wire.http import Http


def own_host(
    database: Database,
    endpoints: Endpoints,
    *,
    network: Network,
    http: Http,
    clock: Callable[[], float],
    extensions: Extensions,
    refresh_every: float | None = None,
    callback_token: str | None = None,
    neighbourhood: Neighbourhood | None = None,
    operator: Operator | None = None,
    turns: Turns = always,
) -> ASGIApp:
    """The producer's host: the records' topic, and what third parties add, on the producer's database.

    It answers for every capability, too. `turns` are those of this process among all that serve the database.
    """
    return build_app(
        database=database,
        headers=Headers(http, endpoints.headers),
        arc=Arc(http, endpoints.arc),
        clock=clock,
        topics=[DataCatalogTopic(), *extensions.topics],
        lookups=[DataCatalogLookup(), *extensions.lookups],
        more_lookups=capability_lookup,
        refresh_every=refresh_every,
        network=network.value,
        callback_token=callback_token,
        neighbourhood=neighbourhood,
        operator=operator,
        turns=turns,
    )


def public_host(
    database: Database,
    endpoints: Endpoints,
    *,
    http: Http,
    clock: Callable[[], float],
    refresh_every: float | None = None,
) -> ASGIApp:
    """A toy world's public host: a peer, which keeps records, and a tracker, which knows who stores and who serves what."""
    return build_app(
        database=database,
        headers=Headers(http, endpoints.headers),
        arc=Arc(http, endpoints.arc),
        clock=clock,
        topics=[
            *(AdTopic(protocol, plain_http=True) for protocol in AdProtocol),
            UhrpTopic(plain_http=True),
            DataCatalogTopic(),
        ],
        lookups=[*map(AdLookup, AdProtocol), UhrpLookup(), DataCatalogLookup()],
        more_lookups=capability_lookup,
        refresh_every=refresh_every,
    )
