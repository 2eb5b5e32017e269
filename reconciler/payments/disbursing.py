"""What is written down about payouts: works of the database (store.works), each of them one step that cannot be half done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, Txid
from reconciler.model.journal import TRANSITIONS, JournalEvent, JournalState
from reconciler.model.payment import EARNED, HOLDING, PaymentState
from reconciler.model.payout import STANDING, PayoutKind
from reconciler.payments.network import Told
from reconciler.payments.payout import steps
from reconciler.payments.verdict import Word, in_doubt
from reconciler.store.buyer_credits import Credits
from reconciler.store.payments import Payment, Payments
from reconciler.store.payouts import Payout, Payouts
from reconciler.store.works import Connection

_LOST_LOOKED_AT: Final = 24 * 3600
"""Seconds for which a payout that was given up is looked at: a block may have it after all."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Write a settlement down, if all that it spends is still there to be settled."""

    payout: Payout

    async def __call__(self, connection: Connection) -> None:
        """Raises StateError where something of it has changed since it was made."""
        for payment in await _payments(connection, self.payout):
            if payment.state not in EARNED or payment.height is None:
                raise StateError("a payment that was to be settled is not there for it any more", where=payment.txid)
        await Payouts(connection).prepare(self.payout)


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Decide what becomes of a payment that is to be given back: its coin is sent, if that can be done; the rest is credited.

    What a settlement has spent, what mining would cost, and what payees have got of it, is credited.
    """

    payment: Txid
    refund: Payout | None
    now: int

    async def __call__(self, connection: Connection) -> None:
        """Again changes nothing, nor does it for a payment that stands otherwise by now."""
        payments, payouts, ledger = Payments(connection), Payouts(connection), Credits(connection)
        payment = await payments.find(self.payment)
        if payment is None or payment.state is not PaymentState.RETURNED or payment.height is None:
            return
        if await ledger.of_payment(payment.txid) is not None:
            return
        sent = 0
        coin = payment.coin
        if coin is not None and self.refund is not None and await payouts.holder(coin.outpoint) is None:
            await payouts.prepare(self.refund)
            sent = coin.satoshis
        credit = Satoshis(payment.satoshis - sent)
        await ledger.give(payment.buyer, payment.txid, credit, reason=payment.reason, at=self.now)


@dataclass(frozen=True, slots=True)
class Start:
    """Note that bytes of a payout are about to leave; or give it up, where a payment that it spends is lost."""

    txid: Txid

    async def __call__(self, connection: Connection) -> Payout:
        """The payout as it stands."""
        payouts = Payouts(connection)
        payout = await _found(payouts, self.txid)
        if payout.state is not JournalState.PREPARED:
            return payout
        if await _lost(connection, payout):
            return await payouts.move(payout, JournalEvent.ABANDON, reason="a payment that it spends is lost")
        return await payouts.move(payout, JournalEvent.SEND)


@dataclass(frozen=True, slots=True)
class Look:
    """Write down what follows of what the network says at `now` (unix seconds)."""

    txid: Txid
    told: Told
    now: int

    async def __call__(self, connection: Connection) -> Payout:
        """The payout as it stands."""
        payouts = Payouts(connection)
        payout = await _found(payouts, self.txid)
        if self.told.proof is not None:
            await _give_way(payouts, payout)
            payout = await payouts.prove(payout, self.told.proof)
        payout = await payouts.doubt(payout, in_doubt(self.told.word, since=payout.doubted, now=self.now))
        for event in steps(payout.state, self.told.word):
            payout = await payouts.move(payout, event, reason=self.told.reason)
        payout = await _mind_payments(connection, payout)
        if self.told.word is Word.BEATEN and payout.state is JournalState.VOID:
            await _keep(connection, payout)
        if payout.state not in STANDING and payout.made + _LOST_LOOKED_AT <= self.now:
            await payouts.rest(payout)
        return payout


@dataclass(frozen=True, slots=True)
class Replace:
    """Make a payout that everybody refused anew: from the very same coins, so that at most one of the two is ever mined."""

    refused: Txid
    payout: Payout

    async def __call__(self, connection: Connection) -> Payout:
        """The new one; or the former as it stands, where it is not refused any more."""
        payouts = Payouts(connection)
        former = await _found(payouts, self.refused)
        if former.state is not JournalState.REFUSED or former.inputs != self.payout.inputs:
            return former
        await payouts.move(former, JournalEvent.LOSE, reason=f"it was refused, and made anew: {self.payout.txid}")
        await payouts.prepare(self.payout)
        return self.payout


@dataclass(frozen=True, slots=True)
class Unmine:
    """Forget the proofs by blocks that are gone, by height and root."""

    blocks: tuple[tuple[int, Digest], ...]
    now: int

    async def __call__(self, connection: Connection) -> None:
        """See the class."""
        payouts = Payouts(connection)
        for height, root in self.blocks:
            for payout in await payouts.unprove(height, root, self.now):
                await payouts.move(payout, JournalEvent.REORG)


async def _mind_payments(connection: Connection, payout: Payout) -> Payout:
    """What spends a payment that is lost can never be mined; what was given up because of one that is back is sent again."""
    payouts = Payouts(connection)
    lost = await _lost(connection, payout)
    if lost and payout.state in STANDING:
        for event in (JournalEvent.CONTEST, JournalEvent.LOSE):
            if (payout.state, event) in TRANSITIONS:
                payout = await payouts.move(payout, event, reason=f"a payment that it spends is lost: {lost[0].txid}")
    is_refund = payout.kind is PayoutKind.REFUND
    if is_refund and not lost and payout.state is JournalState.VOID and not await payouts.held(payout.inputs):
        payout = await payouts.move(payout, JournalEvent.REPEAT)
    return payout


async def _keep(connection: Connection, payout: Payout) -> None:
    """Somebody else has spent a coin of ours, with our key: what of this payout's it was nobody knows, so none is spent again."""
    if not await _lost(connection, payout):
        await Payouts(connection).keep(payout)


async def _give_way(payouts: Payouts, proven: Payout) -> None:
    """Whatever holds a coin of a payout that is mined can never be mined."""
    for outpoint in proven.inputs:
        holder = await payouts.holder(outpoint)
        if holder is not None and holder.txid != proven.txid:
            for event in (JournalEvent.CONTEST, JournalEvent.LOSE, JournalEvent.ABANDON):
                if (holder.state, event) in TRANSITIONS:
                    holder = await payouts.move(holder, event, reason=f"{proven.txid} spent its coins")


async def _lost(connection: Connection, payout: Payout) -> tuple[Payment, ...]:
    return tuple(payment for payment in await _payments(connection, payout) if payment.state not in HOLDING)


async def _payments(connection: Connection, payout: Payout) -> tuple[Payment, ...]:
    """The payments whose coins it spends. Raises StateError where one is not here."""
    found = []
    for outpoint in payout.inputs:
        payment = await Payments(connection).find(outpoint.txid)
        if payment is None:
            raise StateError("a payout spends what no payment gave", where=str(outpoint))
        found.append(payment)
    return tuple(found)


async def _found(payouts: Payouts, txid: Txid) -> Payout:
    payout = await payouts.find(txid)
    if payout is None:
        raise StateError("there is no such payout in the database", where=txid)
    return payout
