"""The storage host's money: coins for advertisements, fetched from a funder where there is one, and their proofs."""

from __future__ import annotations

import asyncio
from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError, UnreachableError, VerificationError
from reconciler.model.ids import Txid
from reconciler.model.keys import FUNDING_KEY
from reconciler.storage.payment import Spend
from reconciler.storage.ports import Chain, Funder, Miner, Signer
from reconciler.store.ancestry import Archive, complete
from reconciler.store.coins import Coins, Purpose, StoredCoin
from reconciler.store.database import Database
from reconciler.store.payments import Payments
from reconciler.store.transactions import Transactions
from reconciler.store.works import Connection
from reconciler.wire.beef import Beef, parse_beef, subset
from reconciler.wire.merkle import parse_path
from reconciler.wire.script import address, p2pkh
from reconciler.wire.transaction import Transaction, TxOutput

_UNPROVEN: Final = 10
"""Unproven transactions behind a coin, above which it rests until there are proofs."""

_ASKED: Final = 50
"""Unproven transactions that the miner is asked about at once."""

_FUNDING: Final = Satoshis(100_000)
"""What the funder is asked for at least: some two thousand advertisements."""


class Purse:
    """Coins in the host's own database: under the funding key, and those that uploaders have paid."""

    def __init__(
        self,
        *,
        database: Database,
        signer: Signer,
        miner: Miner,
        chain: Chain,
        archive: Archive,
        funder: Funder | None,
        mainnet: bool = False,
    ) -> None:
        """Without a `funder` coins have to be sent by hand, to `address`."""
        self._database = database
        self._signer = signer
        self._miner = miner
        self._chain = chain
        self._archive = archive
        self._funder = funder
        self._locking = p2pkh(signer.public(FUNDING_KEY))
        self.address: Final = address(signer.public(FUNDING_KEY), mainnet=mainnet)

    async def usable(self, connection: Connection) -> tuple[Spend, ...]:
        """Free coins, proven ones first, without those that have too much unproven behind them."""
        stored = Transactions(connection)
        return tuple(
            [
                Spend(coin.outpoint, TxOutput(coin.satoshis, p2pkh(self._signer.public(coin.key))), coin.key)
                for coin in await Coins(connection).spendable()
                if await _is_shallow(stored, coin.outpoint.txid)
            ]
        )

    async def take(self, connection: Connection, transaction: Transaction) -> None:
        """Keep what a transaction pays to this host."""
        money = [
            StoredCoin(
                outpoint=transaction.outpoint(vout),
                satoshis=output.satoshis,
                locking=output.locking,
                key=FUNDING_KEY,
                purpose=Purpose.MONEY,
            )
            for vout, output in enumerate(transaction.outputs)
            if output.locking == self._locking
        ]
        await Coins(connection).add(money)

    async def earn(self) -> None:
        """Take over what uploaders have paid, once it is mined: no advertisement may hang on what could be spent twice."""
        async with self._database.begin() as connection:
            for payment, coin, proof in await Payments(connection).untaken():
                await Transactions(connection).put(payment.transaction, proof)
                await Coins(connection).add([coin])

    async def settle(self) -> None:
        """Fetch proofs for what has been mined since. Raises UnreachableError, RefusedError."""
        async with self._database.begin() as connection:
            unproven = (await Transactions(connection).unproven())[:_ASKED]
        reports = await asyncio.gather(*(self._miner.status(txid) for txid in unproven))
        for txid, report in zip(unproven, reports, strict=True):
            if report is None or report.merkle_path is None:
                continue
            path = parse_path(report.merkle_path)
            if await self._chain.proven(path, txid):
                async with self._database.begin() as connection:
                    await Transactions(connection).prove(txid, path)

    async def fund(self, missing: int) -> None:
        """Ask the funder, if there is one, for enough and more. Raises UnreachableError, RefusedError."""
        if self._funder is None:
            return
        paid = await self._funder.fund(self.address, Satoshis(max(_FUNDING, 2 * missing)))
        try:
            beef, subject = parse_beef(paid)
            payment = beef.subject_or_last(subject)
            needed = subset(beef, [payment])
        except VerificationError as error:
            raise UnreachableError(f"the funder answers nonsense: {error.message}") from error
        async with self._database.begin() as connection:
            for txid, entry in needed.transactions.items():
                await Transactions(connection).put(entry.transaction, needed.proof(txid))
            await self.take(connection, needed.transactions[payment].transaction)

    async def beef(self, txid: Txid) -> Beef:
        """A transaction of ours as BEEF, with proofs that hold today.

        What a reorg has left without a proof goes with what lies behind it. Raises UnreachableError where nobody gives that,
        or while blocks come and go.
        """
        for _ in range(2):
            beef = await self._stored_beef(txid)
            lost = [] if beef is None else [one for one in beef.transactions if not await self._holds(beef, one)]
            if beef is not None and not lost:
                return beef
            async with self._database.begin() as connection:
                for one in lost:
                    await Transactions(connection).unprove(one)
            await self.settle()
            await complete([txid], database=self._database, archive=self._archive, proofs=self._chain)
        raise UnreachableError(f"the ancestry of the transaction {txid} is not proven at the moment")

    async def _stored_beef(self, txid: Txid) -> Beef | None:
        async with self._database.begin() as connection:
            try:
                return await Transactions(connection).beef([txid])
            except StateError:  # what was proven once came without its parents
                return None

    async def _holds(self, beef: Beef, txid: Txid) -> bool:
        path = beef.proof(txid)
        return path is None or await self._chain.proven(path, txid)


async def _is_shallow(stored: Transactions, txid: Txid) -> bool:
    try:
        beef = await stored.beef([txid])
    except StateError:  # a reorg took a proof away; until there is another one, the coin rests
        return False
    return sum(beef.proof(one) is None for one in beef.transactions) <= _UNPROVEN
