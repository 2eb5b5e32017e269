"""Receiving coins from the toy networks' faucet."""

from __future__ import annotations

from reconciler.apply.receiving import funding_address, receive
from reconciler.chain.faucet import Faucet
from reconciler.chain.headers import Headers
from reconciler.control.binding import check_identity
from reconciler.model.amounts import Satoshis
from reconciler.model.ids import Network
from reconciler.store.database import Database
from reconciler.wallet.keys import Keys


async def take_from_faucet(
    faucet: Faucet, amount: Satoshis, *, keys: Keys, network: Network, database: Database, headers: Headers, now: int
) -> Satoshis:
    """Ask the faucet for coins and keep them; returns how many satoshis came.

    Raises GuardError where the database belongs to another identity, before anything comes.
    """
    await check_identity(database, keys.identity)
    funding = await faucet.fund(funding_address(keys, network), amount)
    return await receive(funding.beef, funding.txid, keys=keys, database=database, verifier=headers, now=now)
