"""A storage host, put together: those of a toy world, and the one that `cli/storing.py` gives to a server."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from reconciler.chain.arc import Arc
from reconciler.chain.faucet import Faucet
from reconciler.chain.headers import Headers
from reconciler.chain.index import AddressIndex
from reconciler.clients.host import HostClient
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Network
from reconciler.model.networks import Endpoints
from reconciler.payments.till import Till
from reconciler.storage.advertise import Advertiser
from reconciler.storage.app import build_app
from reconciler.storage.bucket import Bucket
from reconciler.storage.keeper import Keeper
from reconciler.storage.terms import Prices
from reconciler.store.database import Database
from reconciler.store.replays import Replays
from reconciler.wallet.keys import Keys
from reconciler.wire.http import Http


def storage_host(
    database: Database,
    endpoints: Endpoints,
    *,
    network: Network,
    url: str,
    keys: Keys,
    bucket: Bucket,
    prices: Prices,
    http: Http,
    clock: Callable[[], float],
    randomness: Callable[[int], bytes],
    sweep_every: float | None = None,
) -> ASGIApp:
    """A storage host at `url`, its keys' own.

    Advertisements are paid from the keys' address and from what uploaders pay; on toy networks the faucet fills it.
    """
    miner, chain = Arc(http, endpoints.arc), Headers(http, endpoints.headers)
    advertiser = Advertiser(
        database=database,
        signer=keys,
        miner=miner,
        chain=chain,
        archive=AddressIndex(http, endpoints.headers),
        hosts=[HostClient(http, origin) for origin in endpoints.hosts],
        funder=_Gifts(Faucet(http, endpoints.faucet)) if endpoints.faucet else None,
        mainnet=network is Network.MAIN,
        plain_http=network.is_toy,
    )
    keeper = Keeper(
        database=database,
        bucket=bucket,
        advertiser=advertiser,
        base_url=url,
        clock=clock,
        randomness=randomness,
    )
    return build_app(
        keeper=keeper,
        keys=keys,
        replays=Replays(database),
        till=Till(database=database, receiver=keys, miner=miner, chain=chain, clock=clock, randomness=randomness),
        clock=clock,
        randomness=randomness,
        prices=prices,
        sweep_every=sweep_every,
    )


class _Gifts:
    """The faucet as a storage host's funder."""

    def __init__(self, faucet: Faucet) -> None:
        self._faucet = faucet

    async def fund(self, address: str, satoshis: Satoshis) -> bytes:
        """See storage.ports.Funder."""
        gift = await self._faucet.fund(address, satoshis)
        return gift.beef.to_atomic(gift.txid)
