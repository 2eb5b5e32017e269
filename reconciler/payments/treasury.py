"""What becomes of the gateway's coins: settlements to the producer, refunds to buyers (PROTOCOL §§5, 7).

Everything is written down, signed, before a byte leaves, and said again until a block has it, so that whatever ends the process,
the next one goes on. Any number of processes may do this at once: what a coin is spent by lies in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.model.amounts import FeeRate
from reconciler.model.errors import RefusedError, StateError, TransientError
from reconciler.model.ids import IdentityKey
from reconciler.model.journal import JournalState
from reconciler.model.payout import PayoutKind
from reconciler.payments.disbursing import GiveBack, Look, Prepare, Replace, Start, Unmine
from reconciler.payments.network import Network
from reconciler.payments.payout import MOST_COINS, Signer, fee_of, refund, settlement, worth_spending
from reconciler.payments.ports import Chain, Miner
from reconciler.store.coins import StoredCoin
from reconciler.store.database import Database
from reconciler.store.payments import Payment
from reconciler.store.payouts import Payout, Payouts
from reconciler.wire.beef import Beef, BeefTx
from reconciler.wire.merkle import MerklePath

_EVERY: Final = 20
"""Seconds between two looks at one payout, by whichever process."""
_AT_ONCE: Final = 20
"""Payouts that are looked at, and payments that are given back, in one round."""


class Cadence(Protocol):
    """When what was earned is moved on: as soon as so many satoshis have come together, or the oldest has waited so long."""

    @property
    def above(self) -> int | None:
        """Satoshis."""
        ...

    @property
    def every(self) -> int | None:
        """Seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Daily:
    """What holds where no rule says when: the gateway's key is on a machine that strangers talk to, and shall hold little."""

    above: int | None = None
    every: int | None = 24 * 3600


class Payer(Miner, Protocol):
    """ARC, which also says what mining costs."""

    async def policy(self) -> FeeRate:
        """The mining fee."""
        ...


class Treasury:
    """The payouts of one gateway. `producer` is whose identity is settled to; `clock` gives unix seconds."""

    def __init__(
        self,
        *,
        database: Database,
        keys: Signer,
        producer: IdentityKey,
        miner: Payer,
        chain: Chain,
        clock: Callable[[], float],
        cadence: Callable[[], Awaitable[Cadence]],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._keys = keys
        self._producer = producer
        self._miner = miner
        self._chain = chain
        self._network = Network(miner=miner, chain=chain)
        self._clock = clock
        self._cadence = cadence
        self._pause = pause

    async def round(self) -> tuple[Payout, ...]:
        """Give back, settle what is due, and bring on what is on its way. Returns the payouts that were looked at.

        Raises UnreachableError, RefusedError; the next round goes on.
        """
        await self._drop_lost_proofs()
        await self._give_back()
        await self._settle()
        now = self._now()
        due = await self._database.write(lambda connection: Payouts(connection).due(now, every=_EVERY, limit=_AT_ONCE))
        return tuple(await asyncio.gather(*map(self.bring_on, due)))

    async def rounds(self, every: float = 10.0) -> None:
        """Rounds for ever; for the background of the process that leads."""
        while True:
            with suppress(TransientError, RefusedError, StateError):  # the next round comes anyway
                await self.round()
            await self._pause(every)

    async def bring_on(self, payout: Payout) -> Payout:
        """Hand a payout over, or ask how it stands; as it is then."""
        if payout.state is JournalState.PREPARED:
            payout = await self._database.write(Start(payout.txid))
        if payout.state is JournalState.PREPARED:  # given up meanwhile
            return payout
        told = await self._network.ask(payout)
        payout = await self._database.write(Look(payout.txid, told, self._now()))
        return await self._anew(payout) if payout.state is JournalState.REFUSED else payout

    async def _anew(self, refused: Payout) -> Payout:
        """The same with a higher fee, where more is asked for by now: else the same bytes are tried again."""
        rate = await self._miner.policy()
        found = await self._database.read(lambda connection: Payouts(connection).coins(refused))
        if not found or fee_of(len(found), rate) <= refused.fee:
            return refused
        coins = [(coin, _proven(payment, path)) for payment, coin, path in found]
        if refused.kind is PayoutKind.SETTLEMENT:
            made = settlement(coins, producer=refused.recipient, rate=rate, keys=self._keys, now=self._now())
        else:
            (only,) = coins
            made = refund(*only, buyer=refused.recipient, rate=rate, keys=self._keys, now=self._now())
        return refused if made is None else await self._database.write(Replace(refused.txid, made))

    async def _give_back(self) -> None:
        """Decide about payments that are to be given back: what their own coin brings is sent, the rest is credited."""
        found = await self._database.read(lambda connection: Payouts(connection).to_give_back(_AT_ONCE))
        if not found:
            return
        rate = await self._miner.policy()
        for payment, path in found:
            shown = _proven(payment, path)
            payout = None
            if payment.coin is not None:
                payout = refund(payment.coin, shown, buyer=payment.buyer, rate=rate, keys=self._keys, now=self._now())
            await self._database.write(GiveBack(payment.txid, payout, self._now()))

    async def _settle(self) -> None:
        while True:
            found = await self._database.read(lambda connection: Payouts(connection).settleable(MOST_COINS))
            if not found or not await self._is_due(found[0][0].booked, [coin for _, coin, _ in found]):
                return
            rate = await self._miner.policy()
            coins = [(coin, _proven(payment, path)) for payment, coin, path in found if worth_spending(coin, rate)]
            payout = settlement(coins, producer=self._producer, rate=rate, keys=self._keys, now=self._now())
            if payout is None:
                return
            await self._database.write(Prepare(payout))
            if len(found) < MOST_COINS:
                return

    async def _is_due(self, since: int, coins: Sequence[StoredCoin]) -> bool:
        cadence = await self._cadence()
        amount = sum(coin.satoshis for coin in coins)
        enough = cadence.above is not None and (amount >= cadence.above or len(coins) == MOST_COINS)
        return enough or (cadence.every is not None and self._now() - since >= cadence.every)

    async def _drop_lost_proofs(self) -> None:
        """A reorg takes the end of the chain away: where the highest proof holds, all do."""
        while True:
            newest = await self._database.read(lambda connection: Payouts(connection).newest_blocks())
            lost = [block for block in newest if await self._chain.root(block[0]) != block[1]]
            if not lost:
                return
            await self._database.write(Unmine(tuple(lost), self._now()))

    def _now(self) -> int:
        return int(self._clock())


def _proven(payment: Payment, path: MerklePath) -> Beef:
    """A payment with its proof, which spares its ancestry."""
    return Beef.of([path], [BeefTx(payment.transaction, 0)])
