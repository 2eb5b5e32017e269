"""Receiving coins: from the toy networks' faucet, or from a payment that somebody hands over as BEEF."""

from __future__ import annotations

from typing import Final

from reconciler.chain.faucet import Faucet
from reconciler.chain.headers import Headers
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import VerificationError
from reconciler.model.ids import Network, Txid
from reconciler.model.keys import FUNDING_KEY
from reconciler.store.coins import Coins, Purpose, StoredCoin
from reconciler.store.database import Database
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import Beef
from reconciler.wire.script import address, p2pkh

FAUCET_SATOSHIS: Final = Satoshis(100_000)
"""What plan and apply take from a toy network's faucet when the wallet is too empty."""


def funding_address(keys: Keys, network: Network) -> str:
    """Where this wallet is paid: `wallet address`."""
    return address(keys.public(FUNDING_KEY), mainnet=network is Network.MAIN)


async def take_from_faucet(
    faucet: Faucet, amount: Satoshis, *, keys: Keys, network: Network, database: Database, headers: Headers, now: int
) -> Satoshis:
    """Ask the faucet for coins and keep them; returns how many satoshis came."""
    funding = await faucet.fund(funding_address(keys, network), amount)
    return await receive(funding.beef, funding.txid, keys=keys, database=database, headers=headers, now=now)


async def receive(beef: Beef, subject: Txid, *, keys: Keys, database: Database, headers: Headers, now: int) -> Satoshis:
    """Keep every output of a transaction that pays our address, once the transaction is verified; returns the sum.

    Receiving the same again changes nothing. Raises VerificationError for what does not hold or does not pay us.
    """
    transaction = (await headers.verified(beef, subject, now=now)).transaction
    locking = p2pkh(keys.public(FUNDING_KEY))
    coins = [
        StoredCoin(
            outpoint=transaction.outpoint(vout),
            satoshis=output.satoshis,
            locking=output.locking,
            key=FUNDING_KEY,
            purpose=Purpose.MONEY,
        )
        for vout, output in enumerate(transaction.outputs)
        if output.locking == locking
    ]
    if not coins:
        raise VerificationError("the transaction pays nothing to this wallet's address", where=subject)
    async with database.begin() as connection:
        for txid, entry in beef.transactions.items():
            await Transactions(connection).put(entry.transaction, beef.proof(txid))
        await Coins(connection).add(coins)
    return Satoshis(sum(coin.satoshis for coin in coins))
