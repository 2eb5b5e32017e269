"""Receiving coins: what was paid to the wallet's address, handed over as BEEF or found by an address index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import OverlayError, VerificationError
from reconciler.model.ids import Network, Outpoint, Txid
from reconciler.model.keys import FUNDING_KEY, KeyRef
from reconciler.store.coins import Coins, Purpose, StoredCoin
from reconciler.store.database import Database
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import Beef, ancestry
from reconciler.wire.script import address, p2pkh
from reconciler.wire.spv import Verifier


class Unspent(Protocol):
    """An output that an index calls unspent."""

    @property
    def outpoint(self) -> Outpoint: ...  # noqa: D102  # each is named as it is
    @property
    def satoshis(self) -> Satoshis: ...  # noqa: D102


class Index(Protocol):
    """An address index (`chain.index.AddressIndex`)."""

    async def unspent(self, address: str) -> Sequence[Unspent]:
        """The unspent outputs that pay an address. Raises UnreachableError, RefusedError."""
        ...

    async def beef(self, named: Txid) -> Beef:
        """A transaction with its proof, or its ancestry back to proofs."""
        ...


def funding_address(keys: Keys, network: Network) -> str:
    """Where this wallet is paid: `wallet address`."""
    return address(keys.public(FUNDING_KEY), mainnet=network is Network.MAIN)


async def receive(
    beef: Beef,
    subject: Txid,
    *,
    keys: Keys,
    database: Database,
    verifier: Verifier,
    now: int,
    unspent: Collection[Outpoint] | None = None,
    key: KeyRef = FUNDING_KEY,
) -> Satoshis:
    """Keep every output of a transaction that pays our address, once the transaction is verified; returns the sum.

    With `unspent`, only these of them; with `key`, those that pay another key of ours. Receiving the same again changes nothing. Raises VerificationError for what does not
    hold or does not pay us.
    """
    transaction = (await verifier.verified(beef, subject, now=now)).transaction
    locking = p2pkh(keys.public(key))
    coins = [
        StoredCoin(
            outpoint=transaction.outpoint(vout),
            satoshis=output.satoshis,
            locking=output.locking,
            key=key,
            purpose=Purpose.MONEY,
        )
        for vout, output in enumerate(transaction.outputs)
        if output.locking == locking and (unspent is None or transaction.outpoint(vout) in unspent)
    ]
    if not coins:
        raise VerificationError("the transaction pays nothing to this wallet's address", where=subject)
    async with database.begin() as connection:
        await Transactions(connection).keep(ancestry(beef, [subject]))  # of what else it holds, nothing was verified
        await Coins(connection).add(coins)
    return Satoshis(sum(coin.satoshis for coin in coins))


async def receive_unspent(
    index: Index, *, keys: Keys, network: Network, database: Database, verifier: Verifier, now: int
) -> tuple[Satoshis, tuple[str, ...]]:
    """Keep what was paid to the wallet's address and is not spent, as far as the index knows, and it can be verified.

    No root shows such coins (PROTOCOL §5). Returns their sum, and a sentence about each that could not be had.
    """
    address = funding_address(keys, network)
    try:
        unspent = await index.unspent(address)
    except OverlayError as error:
        return Satoshis(0), (f"coins paid to {address} are unknown: {error.message}",)
    received = 0
    doubts = []
    for txid in sorted({coin.outpoint.txid for coin in unspent}):
        coins = {coin.outpoint: coin.satoshis for coin in unspent if coin.outpoint.txid == txid}
        try:
            beef = await index.beef(txid)
            received += await receive(
                beef, txid, keys=keys, database=database, verifier=verifier, now=now, unspent=coins.keys()
            )
        except OverlayError as error:
            doubts.append(f"unknown, at most {sum(coins.values())} satoshis: {error.message}")
    return Satoshis(received), tuple(doubts)
