"""Payouts: settlements and refunds, how each stands, and the coins of payments that they spend (PROTOCOL §§5, 7).

A coin is spent by one payout: two that share a coin exclude each other in the database as they do on the chain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    delete,
    exists,
    func,
    or_,
    select,
)

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, IdentityKey, Outpoint, Txid
from reconciler.model.journal import JournalEvent, JournalState, advance
from reconciler.model.keys import KeyRef
from reconciler.model.payment import EARNED, PaymentState
from reconciler.model.payout import STANDING, PayoutKind
from reconciler.store.buyer_credits import buyer_credits
from reconciler.store.coins import StoredCoin, coins
from reconciler.store.columns import Choice, Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.outpoints import among
from reconciler.store.payments import Payment, Payments, payee_outputs, payments
from reconciler.store.watched import Watched
from reconciler.store.works import Connection
from reconciler.wire.beef import Beef, BeefTx, parse_beef
from reconciler.wire.merkle import MerklePath, parse_path
from reconciler.wire.transaction import Transaction

payouts = Table(
    "payouts",
    metadata,
    Column("txid", Hex, primary_key=True),
    Column("kind", Choice(PayoutKind), nullable=False),
    Column("recipient", Hex, nullable=False),
    Column("satoshis", BigInteger, nullable=False),
    Column("fee", BigInteger, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("beef", LargeBinary, nullable=False),
    Column("state", Choice(JournalState), nullable=False, index=True),
    Column("reason", Text),
    Column("made", Instant, nullable=False),
    Column("doubted", Instant),
    Column("next_look", Instant, index=True),
    Column("proof", LargeBinary),
    Column("height", Integer),
    Column("root", Hex),
    Index(None, "height", "root"),
    Index(None, "recipient", "height"),
)
"""`beef` is Atomic, as it was signed; the others are as in `payments`."""

payout_inputs = Table(
    "payout_inputs",
    metadata,
    Column("txid", Hex, primary_key=True),
    Column("vout", BigInteger, primary_key=True),
    Column("payout", Hex, ForeignKey("payouts.txid"), nullable=False, index=True),
)
"""What payouts spend that can still be mined. The txid is a payment's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """One transaction that takes coins of payments to one recipient, in output 0. Times are in unix seconds."""

    kind: PayoutKind
    recipient: IdentityKey
    beef: Beef
    txid: Txid
    satoshis: Satoshis
    """What arrives."""
    fee: Satoshis
    """What mining took of the coins."""
    key: KeyRef
    """How the gateway names the key that is paid, the recipient's."""
    made: int
    state: JournalState = JournalState.PREPARED
    reason: str = ""
    doubted: int | None = None
    """Since when the network has not shown it; None while it does."""
    proof: MerklePath | None = None

    @property
    def transaction(self) -> Transaction:
        """What is signed."""
        return self.beef.transactions[self.txid].transaction

    @property
    def inputs(self) -> tuple[Outpoint, ...]:
        """The coins that it spends, each an output of a payment."""
        return tuple(spent.outpoint for spent in self.transaction.inputs)

    @property
    def height(self) -> int | None:
        """Of the block that proves it."""
        return None if self.proof is None else self.proof.height

    @property
    def holds(self) -> bool:
        """Whether the network may yet have it, so that it is handed over where it is unknown."""
        return self.state in STANDING

    def shown(self) -> Beef:
        """What a recipient checks: the transaction with its proof, else with the ancestry that has one."""
        if self.proof is None:
            return self.beef
        return Beef.of([self.proof], [BeefTx(self.transaction, 0)])


@dataclass(frozen=True, slots=True)
class Place:
    """How far somebody has read who reads by blocks: what comes after this transaction of this height."""

    height: int = 0
    txid: Txid | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """So many coins of so many satoshis together."""

    count: int
    satoshis: Satoshis


class Payouts:
    """The payouts of one gateway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._watched = Watched(connection, payouts)

    async def find(self, txid: Txid) -> Payout | None:
        """The payout that this transaction is."""
        row = (await self._connection.execute(select(payouts).where(payouts.c.txid == txid))).one_or_none()
        return None if row is None else _payout(row)

    async def holder(self, outpoint: Outpoint) -> Payout | None:
        """The payout that spends this coin and can still be mined."""
        query = select(payouts).join(payout_inputs, payout_inputs.c.payout == payouts.c.txid)
        coin = payout_inputs.c.txid == outpoint.txid, payout_inputs.c.vout == outpoint.vout
        row = (await self._connection.execute(query.where(*coin))).one_or_none()
        return None if row is None else _payout(row)

    async def prepare(self, payout: Payout) -> None:
        """Write a new payout down, with the coins that it spends. Raises StateError where another one spends one of them."""
        await self._connection.execute(payouts.insert(), [_row(payout)])
        await self._hold(payout)

    async def move(self, payout: Payout, event: JournalEvent, *, reason: str = "") -> Payout:
        """Take a payout one step on, as read in this very transaction. Given up, it holds no coin.

        Raises StateError for a step that there is not, and where another payout holds one of its coins since it was given up.
        """
        state = advance(payout.state, event)
        await self._watched.update(payout.txid, state=state, reason=reason or None)
        if payout.state in STANDING and state not in STANDING:
            await self.let_go(payout.txid)
        if state in STANDING and payout.state not in STANDING:
            await self._hold(payout)
        return replace(payout, state=state, reason=reason)

    async def let_go(self, txid: Txid) -> None:
        """Hold none of its coins any more."""
        await self._connection.execute(delete(payout_inputs).where(payout_inputs.c.payout == txid))

    async def doubt(self, payout: Payout, since: int | None) -> Payout:
        """Note since when the network has not shown it."""
        if since != payout.doubted:
            await self._watched.update(payout.txid, doubted=since)
        return replace(payout, doubted=since)

    async def prove(self, payout: Payout, path: MerklePath) -> Payout:
        """Keep its proof. That it holds is for the caller to know."""
        await self._watched.prove(payout.txid, path)
        return replace(payout, proof=path.only([payout.txid]))

    async def unprove(self, height: int, root: Digest, now: int) -> tuple[Payout, ...]:
        """Forget all proofs by a block that is gone; returns whose they were, as they are now."""
        query = select(payouts).where(payouts.c.height == height, payouts.c.root == root).order_by(payouts.c.txid)
        lost = [_payout(row) for row in await self._connection.execute(query)]
        await self._watched.unprove(height, root, now)
        return tuple(replace(payout, proof=None) for payout in lost)

    async def newest_blocks(self) -> tuple[tuple[int, Digest], ...]:
        """Height and root of the highest block that proves something; of several where proofs do not agree."""
        return await self._watched.newest_blocks()

    async def due(self, now: int, *, every: int, limit: int) -> tuple[Payout, ...]:
        """Payouts whose time has come to be looked at, longest first; whoever asks next is given others."""
        query = select(payouts).where(payouts.c.next_look <= now)
        query = query.order_by(payouts.c.next_look, payouts.c.txid).limit(limit)
        found = tuple(_payout(row) for row in await self._connection.execute(query))
        for payout in found:
            await self._watched.update(payout.txid, next_look=now + every)
        return found

    async def rest(self, payout: Payout) -> None:
        """Nobody need be asked about it any more."""
        await self._watched.update(payout.txid, next_look=None)

    async def standing(self) -> tuple[Payout, ...]:
        """All that were not given up, oldest first."""
        query = select(payouts).where(payouts.c.state.in_(sorted(STANDING)))
        return tuple(
            _payout(row) for row in await self._connection.execute(query.order_by(payouts.c.made, payouts.c.txid))
        )

    async def proven(self, recipient: IdentityKey, kind: PayoutKind, since: Place, limit: int) -> tuple[Payout, ...]:
        """What a block proves, by height and txid, from a place on."""
        height = payouts.c.height
        after = height >= since.height
        if since.txid is not None:
            after = or_(height > since.height, (height == since.height) & (payouts.c.txid > since.txid))
        query = _of(recipient, kind).where(after).order_by(height, payouts.c.txid).limit(limit)
        return tuple(_payout(row) for row in await self._connection.execute(query))

    async def open(self, recipient: IdentityKey, kind: PayoutKind) -> tuple[Payout, ...]:
        """What no block proves yet, and was not given up, oldest first."""
        waiting = payouts.c.height.is_(None), payouts.c.state.in_(sorted(STANDING))
        query = _of(recipient, kind).where(*waiting).order_by(payouts.c.made, payouts.c.txid)
        return tuple(_payout(row) for row in await self._connection.execute(query))

    async def settleable(self, limit: int) -> tuple[tuple[Payment, StoredCoin, MerklePath], ...]:
        """Payments that were earned and are proven, with the coin and the proof, where no payout spends it: oldest first."""
        taken = exists().where(coins.c.txid == payments.c.txid, coins.c.vout == payments.c.vout)
        spent = exists().where(payout_inputs.c.txid == payments.c.txid, payout_inputs.c.vout == payments.c.vout)
        ours = payments.c.state.in_(sorted(EARNED)), payments.c.vout.is_not(None)
        found = await Payments(self._connection).proven(*ours, ~taken, ~spent, limit=limit)
        return tuple((payment, payment.coin, proof) for payment, proof in found if payment.coin is not None)

    async def coins(self, payout: Payout) -> tuple[tuple[Payment, StoredCoin, MerklePath], ...]:
        """What it spends, in its order: each with its payment and the proof; none at all where one is not proven now."""
        found = await Payments(self._connection).proven(payments.c.txid.in_([each.txid for each in payout.inputs]))
        by_coin = {payment.coin.outpoint: (payment, payment.coin, path) for payment, path in found if payment.coin}
        if any(outpoint not in by_coin for outpoint in payout.inputs):
            return ()
        return tuple(by_coin[outpoint] for outpoint in payout.inputs)

    async def unsettled(self) -> Sum:
        """What was earned and no payout has spent, proven or not."""
        spent = exists().where(payout_inputs.c.txid == payments.c.txid, payout_inputs.c.vout == payments.c.vout)
        taken = exists().where(coins.c.txid == payments.c.txid, coins.c.vout == payments.c.vout)
        ours = payments.c.state.in_(sorted(EARNED)), payments.c.vout.is_not(None), ~spent, ~taken
        paid = select(func.count(), func.coalesce(func.sum(payments.c.satoshis), 0)).where(*ours)
        to_others = select(func.coalesce(func.sum(payee_outputs.c.satoshis), 0)).join(
            payments, payments.c.txid == payee_outputs.c.payment
        )
        count, amount = (await self._connection.execute(paid)).one()
        return Sum(int(count), Satoshis(int(amount) - int(await self._connection.scalar(to_others.where(*ours)))))

    async def to_give_back(self, limit: int) -> tuple[tuple[Payment, MerklePath], ...]:
        """Payments that are to be given back, are proven, and for which nothing was done yet: oldest first."""
        decided = exists().where(buyer_credits.c.payment == payments.c.txid)
        returned = payments.c.state == PaymentState.RETURNED
        return await Payments(self._connection).proven(returned, ~decided, limit=limit)

    async def held(self, outpoints: Iterable[Outpoint]) -> frozenset[Outpoint]:
        """Those of some coins that a payout spends."""
        wanted = among(payout_inputs.c.txid, payout_inputs.c.vout, tuple(outpoints))
        rows = await self._connection.execute(select(payout_inputs).where(wanted))
        return frozenset(Outpoint(Txid(row.txid), row.vout) for row in rows)

    async def keep(self, payout: Payout) -> None:
        """Hold the coins of a payout that was given up: somebody else has spent one of them, and nobody knows which."""
        await self._hold(payout)

    async def _hold(self, payout: Payout) -> None:
        await self.let_go(payout.txid)
        if await self.held(payout.inputs):
            raise StateError("another payout spends one of its coins", where=payout.txid)
        rows = [{"txid": each.txid, "vout": each.vout, "payout": payout.txid} for each in payout.inputs]
        await self._connection.execute(payout_inputs.insert(), rows)


def _of(recipient: IdentityKey, kind: PayoutKind) -> Select[Any]:
    return select(payouts).where(payouts.c.recipient == recipient, payouts.c.kind == kind)


def _row(payout: Payout) -> dict[str, object]:
    return {
        "txid": payout.txid,
        "kind": payout.kind,
        "recipient": payout.recipient,
        "satoshis": payout.satoshis,
        "fee": payout.fee,
        "protocol": payout.key.protocol,
        "key_id": payout.key.key_id,
        "beef": payout.beef.to_atomic(payout.txid),
        "state": payout.state,
        "reason": payout.reason or None,
        "made": payout.made,
        "doubted": payout.doubted,
        "next_look": payout.made,
    }


def _payout(row: Row[Any]) -> Payout:
    beef, _ = parse_beef(row.beef)
    return Payout(
        kind=row.kind,
        recipient=IdentityKey(row.recipient),
        beef=beef,
        txid=Txid(row.txid),
        satoshis=Satoshis(row.satoshis),
        fee=Satoshis(row.fee),
        key=KeyRef(row.protocol, row.key_id, IdentityKey(row.recipient)),
        made=row.made,
        state=row.state,
        reason=row.reason or "",
        doubted=row.doubted,
        proof=None if row.proof is None else parse_path(row.proof),
    )
