"""Revenue: what the gateway has settled to this identity becomes coins of its wallet (PROTOCOL §5).

The gateway's word is not taken for it: a coin counts once its transaction is proven by a header, its script is that of the
very key that the transaction makes it out to, and the index knows of nothing that has spent it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from reconciler.clients.auth import AuthenticatedHttp
from reconciler.clients.settlements import SettlementsClient
from reconciler.model.amounts import Satoshis
from reconciler.model.errors import OverlayError, VerificationError
from reconciler.model.ids import IdentityKey, Outpoint
from reconciler.model.keys import is_settlement, settlement_key
from reconciler.observe.beyond import SpendIndex
from reconciler.store.coins import Coins, Purpose, StoredCoin
from reconciler.store.database import Database
from reconciler.store.settings import Settings
from reconciler.store.transactions import Transactions
from reconciler.wallet.keys import Keys
from reconciler.wire.beef import ancestry
from reconciler.wire.http import Http
from reconciler.wire.script import p2pkh
from reconciler.wire.settlements import Settled
from reconciler.wire.spv import Verifier

_REORG: Final = 100
"""Blocks that are read again: what was proven by one that is gone is proven by another."""

_READ: Final = "settlements read"
"""The setting that says up to which height a gateway's settlements are here, by its key."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What came, and a sentence about each thing that could not be had."""

    satoshis: Satoshis
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revenue:
    """One identity's revenue at one gateway. `clock` gives unix seconds."""

    url: str
    http: Http
    keys: Keys
    database: Database
    verifier: Verifier
    index: SpendIndex
    clock: Callable[[], float]

    async def collect(self, gateway: IdentityKey, *, everything: bool = False) -> Collected:
        """Take in what the gateway of this key has settled since the last time, or ever.

        A gateway that does not answer is a doubt and no error: its coins are there another time.
        """
        highest = await self._read_up_to(gateway)
        begin = 0 if everything else max(0, highest - _REORG)
        signed = AuthenticatedHttp(self.http, self.keys, servers={self.url: gateway})
        received, doubts = 0, []
        try:
            async with aclosing(SettlementsClient(signed, self.url).since(begin)) as settled:
                async for coin in settled:
                    try:
                        satoshis, height = await self._take(coin)
                    except VerificationError as error:
                        doubts.append(f"the settlement {coin.outpoint} is not what the gateway says: {error.message}")
                        continue
                    received, highest = received + satoshis, max(highest, height)
            if not doubts:
                await self._note(gateway, highest)
        except OverlayError as error:
            doubts.append(f"what {self.url} has settled could not be read: {error.message}")
        return Collected(Satoshis(received), tuple(doubts))

    async def _take(self, settled: Settled) -> tuple[int, int]:
        """Keep one coin, unless it is here already, not proven yet, spent, or a payee's; what it adds, and the height that proves it."""
        if settled.height is None or not is_settlement(settled.key) or await self._is_known(settled.outpoint):
            return 0, 0
        coin, height = await self._checked(settled)
        if await self.index.spender(coin.outpoint) is not None:
            return 0, height
        async with self.database.begin() as connection:
            # of what else the BEEF holds, nothing was verified
            await Transactions(connection).keep(ancestry(settled.beef, [coin.outpoint.txid]))
            await Coins(connection).add([coin])
        return coin.satoshis, height

    async def _checked(self, settled: Settled) -> tuple[StoredCoin, int]:
        outpoint = settled.outpoint
        transaction = (await self.verifier.verified(settled.beef, outpoint.txid, now=int(self.clock()))).transaction
        proof = settled.beef.proof(outpoint.txid)
        if proof is None:
            raise VerificationError("no block proves it")
        key = settled.key
        if key.counterparty in {"self", "anyone"} or key != settlement_key(
            str(transaction.inputs[0].outpoint), outpoint.vout, IdentityKey(key.counterparty)
        ):
            raise VerificationError("its key is not named after what it spends")
        if outpoint.vout >= len(transaction.outputs):
            raise VerificationError("it has no such output")
        output = transaction.outputs[outpoint.vout]
        if output.locking != p2pkh(self.keys.public(key)):
            raise VerificationError("it does not pay this identity")
        coin = StoredCoin(
            outpoint=outpoint, satoshis=output.satoshis, locking=output.locking, key=key, purpose=Purpose.MONEY
        )
        return coin, proof.height

    async def _is_known(self, outpoint: Outpoint) -> bool:
        async with self.database.reading() as connection:
            return bool(await Coins(connection).get([outpoint]))

    async def _read_up_to(self, gateway: IdentityKey) -> int:
        async with self.database.reading() as connection:
            value = await Settings(connection).get(f"{_READ} {gateway}")
        return 0 if value is None else int(value)

    async def _note(self, gateway: IdentityKey, height: int) -> None:
        async with self.database.begin() as connection:
            await Settings(connection).put(f"{_READ} {gateway}", str(height).encode())
