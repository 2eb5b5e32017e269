"""Payments that others made to us: what each is for, how it stands, and the coins that it spends (PROTOCOL §7).

A coin pays once: two transactions that share one are one payment, whoever sent them. What a payment gives us is described
in full (`Payment.coin`), and is not among `Coins` before somebody takes it over: it is under a key of the seller's, which
need not be the wallet of this database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    exists,
    or_,
    select,
    update,
)

from reconciler.model.amounts import Satoshis
from reconciler.model.errors import StateError
from reconciler.model.ids import Digest, IdentityKey, Outpoint, Txid
from reconciler.model.payment import (
    EARNED,
    HOLDING,
    OWED,
    Accept,
    PaymentEvent,
    PaymentMethod,
    PaymentState,
    advance,
)
from reconciler.store.coins import CoinState, Purpose, StoredCoin, coins
from reconciler.store.columns import JSON_VALUE, Choice, Instant
from reconciler.store.database import Hex, metadata
from reconciler.store.terms import Terms
from reconciler.store.watched import Watched
from reconciler.store.works import Connection
from reconciler.wire.beef import Beef, parse_beef
from reconciler.wire.merkle import MerklePath, parse_path
from reconciler.wire.receipt import Receipt
from reconciler.wire.tender import Tender
from reconciler.wire.transaction import Transaction

payments = Table(
    "payments",
    metadata,
    Column("txid", Hex, primary_key=True),
    Column("buyer", Hex, nullable=False),
    Column("good", Text, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("satoshis", BigInteger, nullable=False),
    Column("method", Choice(PaymentMethod), nullable=False, server_default=PaymentMethod.BRC105.value),
    Column("vout", BigInteger, server_default="0"),
    Column("accept", Choice(Accept), nullable=False, server_default=Accept.SEEN.value),
    Column("terms", JSON_VALUE),
    Column("prefix", Text, nullable=False),
    Column("suffix", Text, nullable=False),
    Column("beef", LargeBinary, nullable=False),
    Column("state", Choice(PaymentState), nullable=False),
    Column("reason", Text),
    Column("booked", Instant, nullable=False),
    Column("doubted", Instant),
    Column("next_look", Instant, index=True),
    Column("proof", LargeBinary),
    Column("height", Integer),
    Column("root", Hex),
    Index(None, "height", "root"),
    Index(None, "buyer", "good", "state"),
)
"""`vout` is NULL where it pays us nothing. `beef` is Atomic, as it was checked; `proof` the BUMP found since, `height` and `root` its block's. `next_look` is when the
network is to be asked again, NULL where that is settled. See `Payment` for the others."""

payment_inputs = Table(
    "payment_inputs",
    metadata,
    Column("txid", Hex, primary_key=True),
    Column("vout", BigInteger, primary_key=True),
    Column("payment", Hex, ForeignKey("payments.txid"), nullable=False, index=True),
)
"""What payments spend that are not lost."""

payee_outputs = Table(
    "payee_outputs",
    metadata,
    Column("payment", Hex, ForeignKey("payments.txid"), primary_key=True),
    Column("vout", BigInteger, primary_key=True),
    Column("payee", Hex, nullable=False, index=True),
    Column("satoshis", BigInteger, nullable=False),
)
"""What native payments give to others than us."""


_BOOKING: Final = payments.insert()
_HOLDING: Final = payment_inputs.insert()
_FIND: Final = select(payments).where(payments.c.txid == bindparam("payment"))
_HOLDER: Final = select(payment_inputs.c.payment).where(
    payment_inputs.c.txid == bindparam("spent"), payment_inputs.c.vout == bindparam("output")
)
_OWED_BY: Final = (
    select(payments)
    .where(
        payments.c.buyer == bindparam("by"), payments.c.good == bindparam("what"), payments.c.state.in_(sorted(OWED))
    )
    .order_by(payments.c.state, payments.c.booked, payments.c.txid)  # "accepted" comes first
    .limit(1)
)
_DUE: Final = (
    select(payments)
    .where(payments.c.next_look <= bindparam("now"))
    .order_by(payments.c.next_look, payments.c.txid)
    .limit(bindparam("most"))
)
_PUTTING_OFF: Final = (
    update(payments)
    .where(
        payments.c.next_look <= bindparam("now"),
        payments.c.state.in_(sorted(HOLDING - {PaymentState.PENDING})),
        payments.c.doubted.is_(None),
        or_(payments.c.next_look > bindparam("looked"), payments.c.booked > bindparam("grown")),
    )
    .values(next_look=bindparam("later"))
)
_STANDING: Final = select(payments.c.state, payments.c.reason, payments.c.doubted, payments.c.height).where(
    payments.c.txid == bindparam("payment")
)
"""Made once: to make a statement costs more than to run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment. Times in unix seconds."""

    tender: Tender
    good: str
    """What it is for, and for nothing else."""
    price: Satoshis
    """What was asked."""
    satoshis: Satoshis
    """What was paid, to others for us included."""
    booked: int
    """When it was written down."""
    accept: Accept = Accept.SEEN
    """What the network has to say of it before anything is served."""
    terms: Terms | None = None
    """Of the sale that it makes; None where nothing of the producer's is sold, and there is no receipt."""
    state: PaymentState = PaymentState.PENDING
    reason: str = ""
    """Why it was refused or unbooked."""
    doubted: int | None = None
    """Since when the network has not shown it; None while it does."""
    height: int | None = None
    """Of the block that proves it."""
    receipt: Receipt | None = field(default=None, compare=False)
    """Where it was signed just now, when the payment was accepted: it is kept among `Receipts`."""

    @property
    def txid(self) -> Txid:
        """Which payment it is."""
        return self.tender.subject

    @property
    def buyer(self) -> IdentityKey:
        """Who paid."""
        return self.tender.buyer

    @property
    def beef(self) -> Beef:
        """The transaction with its ancestry."""
        return self.tender.beef

    @property
    def transaction(self) -> Transaction:
        """The transaction that pays."""
        return self.tender.transaction

    @property
    def inputs(self) -> frozenset[Outpoint]:
        """The coins that it spends."""
        return self.tender.inputs

    @property
    def holds(self) -> bool:
        """Whether the coins that it spends can pay for nothing else."""
        return self.state in HOLDING

    @property
    def coin(self) -> StoredCoin | None:
        """What we got, as the seller's wallet would keep it; None where it all went to others."""
        output, vout = self.tender.output, self.tender.vout
        if output is None or vout is None:
            return None
        return StoredCoin(
            outpoint=self.transaction.outpoint(vout),
            satoshis=output.satoshis,
            locking=output.locking,
            key=self.tender.key,
            purpose=Purpose.MONEY,
        )


class Payments:
    """The payments of one seller, or of several whose goods are named apart."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._watched = Watched(connection, payments)

    async def find(self, txid: Txid) -> Payment | None:
        """The payment that this transaction is."""
        row = (await self._connection.execute(_FIND, {"payment": txid})).one_or_none()
        return None if row is None else _payment(row)

    async def get(self, txid: Txid) -> Payment:
        """The payment that this transaction is. Raises StateError where there is none."""
        payment = await self.find(txid)
        if payment is None:
            raise StateError("there is no such payment in the database", where=txid)
        return payment

    async def again(self, payment: Payment) -> Payment:
        """A payment as it stands now; what never changes is not read again. Raises StateError where it is not here."""
        row = (await self._connection.execute(_STANDING, {"payment": payment.txid})).one_or_none()
        if row is None:
            raise StateError("there is no such payment in the database", where=payment.txid)
        return replace(payment, state=row.state, reason=row.reason or "", doubted=row.doubted, height=row.height)

    async def owed(self, buyer: IdentityKey, good: str) -> Payment | None:
        """The first payment of this buyer for this good that nothing was served for yet, accepted ones before pending ones."""
        row = (await self._connection.execute(_OWED_BY, {"by": buyer, "what": good})).one_or_none()
        return None if row is None else _payment(row)

    async def holders(self, outpoints: Iterable[Outpoint]) -> frozenset[Txid]:
        """The payments that spend one of these coins, lost ones aside."""
        found: set[Txid] = set()
        for outpoint in sorted(outpoints):  # each by the primary key; a payment has few
            spent = {"spent": outpoint.txid, "output": outpoint.vout}
            found.update(Txid(txid) for txid in await self._connection.scalars(_HOLDER, spent))
        return frozenset(found)

    async def book(self, payment: Payment) -> None:
        """Write a new payment down, with the coins that it spends, of which no other may be the holder."""
        row = {
            "txid": payment.txid,
            "buyer": payment.buyer,
            "good": payment.good,
            "price": payment.price,
            "satoshis": payment.satoshis,
            "method": payment.tender.method,
            "vout": payment.tender.vout,
            "accept": payment.accept,
            "terms": None if payment.terms is None else payment.terms.to_json(),
            "prefix": payment.tender.prefix,
            "suffix": payment.tender.suffix,
            "beef": payment.beef.to_atomic(payment.txid),
            "state": payment.state,
            "reason": payment.reason or None,
            "booked": payment.booked,
            "doubted": payment.doubted,
            "next_look": payment.booked,
        }
        await self._connection.execute(_BOOKING, [row])
        await self._hold(payment)
        portions = () if payment.terms is None else payment.terms.portions
        to_others = [
            {"payment": payment.txid, "vout": vout, "payee": portion.payee, "satoshis": portion.satoshis}
            for vout, portion in enumerate(portions)
            if vout != payment.tender.vout
        ]
        if to_others:
            await self._connection.execute(payee_outputs.insert(), to_others)

    async def move(self, payment: Payment, event: PaymentEvent, *, reason: str = "") -> Payment:
        """Take a payment one step on, as read in this very transaction. While it is lost, the coins that it spends are free.

        And what it paid is not ours: unless somebody has spent that already, it goes from `Coins`, if it was taken over.
        Raises StateError for a step that there is not, and where its coins have paid for something else since it was lost.
        """
        return await self.note(payment, event, doubted=payment.doubted, reason=reason)

    async def note(self, payment: Payment, *events: PaymentEvent, doubted: int | None, reason: str = "") -> Payment:
        """The same, by any number of steps, and since when the network has not shown it."""
        state = reduce(advance, events, payment.state)
        moved: dict[str, object] = {} if state is payment.state else {"state": state, "reason": reason or None}
        if doubted != payment.doubted:
            moved["doubted"] = doubted
        if moved:
            await self._watched.update(payment.txid, **moved)
        if payment.state in HOLDING and state not in HOLDING:
            await self._release(payment)
        if state in HOLDING and payment.state not in HOLDING:
            others = await self.holders(payment.inputs)
            if others:
                raise StateError("a coin of this payment has paid for something else since", where=payment.txid)
            await self._hold(payment)
        return replace(
            payment, state=state, reason=payment.reason if state is payment.state else reason, doubted=doubted
        )

    async def prove(self, payment: Payment, path: MerklePath) -> Payment:
        """Keep its proof: nobody need be asked any more. That it holds is for the caller to know."""
        await self._watched.prove(payment.txid, path)
        return replace(payment, height=path.height)

    async def unprove(self, height: int, root: Digest, now: int) -> tuple[Txid, ...]:
        """Forget all proofs by a block that is gone; returns whose they were."""
        return await self._watched.unprove(height, root, now)

    async def due(
        self, now: int, *, every: int, seldom: int, patience: int, limit: int, grown: int | None = None
    ) -> tuple[Payment, ...]:
        """Payments whose time has come to be looked at, longest first; whoever asks next is given others.

        The next time comes in `every` seconds for pending ones, in `seldom` seconds for those that only wait for a proof, or
        are lost. Lost ones are looked at for so many seconds of `patience` after they were booked, or were last shown. What
        the network shows is not looked at again, once a block is `seldom` seconds old, before the chain has `grown`, which it
        did then for the last time.
        """
        if grown is not None:
            await self._put_off(now, seldom, grown)
        found = []
        for row in (await self._connection.execute(_DUE, {"now": now, "most": limit})).all():
            shown = max(row.booked, row.doubted or 0)
            hopeless = row.state not in HOLDING and shown + patience <= now
            pause = every if row.state is PaymentState.PENDING else seldom
            await self._watched.update(Txid(row.txid), next_look=None if hopeless else now + pause)
            if not hopeless:
                found.append(_payment(row))
        return tuple(found)

    async def _put_off(self, now: int, seldom: int, grown: int) -> None:
        """What waits for a block alone, and was written down or looked at since the last one came.

        Not who was looked at just then: whoever answers may have heard of that block later, and another process, which has not
        heard of it, may have put him off.
        """
        heard = grown + seldom
        given = {"now": now, "grown": grown, "looked": heard + seldom, "later": now + seldom}
        await self._connection.execute(_PUTTING_OFF, given)

    async def newest_blocks(self) -> tuple[tuple[int, Digest], ...]:
        """Height and root of the highest block that proves something; of several where proofs do not agree.

        A reorg shows there first.
        """
        return await self._watched.newest_blocks()

    async def earned(self) -> tuple[Payment, ...]:
        """All that were accepted and not lost since, oldest first."""
        query = (
            select(payments).where(payments.c.state.in_(sorted(EARNED))).order_by(payments.c.booked, payments.c.txid)
        )
        return tuple(_payment(row) for row in await self._connection.execute(query))

    async def untaken(self) -> tuple[tuple[Payment, StoredCoin, MerklePath], ...]:
        """What was earned and is proven, with the coin that it gives us and the proof, where it is not among `Coins` yet."""
        taken = exists().where(coins.c.txid == payments.c.txid, coins.c.vout == payments.c.vout)
        found = await self.proven(payments.c.state.in_(sorted(EARNED)), payments.c.vout.is_not(None), ~taken)
        return tuple((payment, payment.coin, proof) for payment, proof in found if payment.coin is not None)

    async def where(self, *conditions: ColumnElement[bool], limit: int) -> tuple[Payment, ...]:
        """What meets conditions, oldest first: for the other tables of this package."""
        query = select(payments).where(*conditions).order_by(payments.c.booked, payments.c.txid).limit(limit)
        return tuple(_payment(row) for row in await self._connection.execute(query))

    async def proven(
        self, *conditions: ColumnElement[bool], limit: int | None = None
    ) -> tuple[tuple[Payment, MerklePath], ...]:
        """What a block proves and meets conditions, with the proof, oldest first: for the other tables of this package."""
        query = select(payments).where(payments.c.proof.is_not(None), *conditions)
        rows = await self._connection.execute(query.order_by(payments.c.booked, payments.c.txid).limit(limit))
        return tuple((_payment(row), parse_path(row.proof)) for row in rows)

    async def after(self, txid: Txid | None, limit: int) -> tuple[tuple[Payment, MerklePath | None], ...]:
        """So many payments, with their proofs, in the order of their ids: the first ones, or those behind one."""
        query = select(payments).order_by(payments.c.txid).limit(limit)
        rows = await self._connection.execute(query if txid is None else query.where(payments.c.txid > txid))
        return tuple((_payment(row), None if row.proof is None else parse_path(row.proof)) for row in rows)

    async def _hold(self, payment: Payment) -> None:
        rows: Sequence[dict[str, object]] = [
            {"txid": spent.txid, "vout": spent.vout, "payment": payment.txid} for spent in sorted(payment.inputs)
        ]
        await self._connection.execute(_HOLDING, rows)

    async def _release(self, payment: Payment) -> None:
        await self._connection.execute(delete(payment_inputs).where(payment_inputs.c.payment == payment.txid))
        taken = coins.c.txid == payment.txid, coins.c.vout == payment.tender.vout, coins.c.state == CoinState.FREE
        await self._connection.execute(delete(coins).where(*taken))


def _payment(row: Row[Any]) -> Payment:
    beef, _ = parse_beef(row.beef)
    return Payment(
        tender=Tender(
            method=row.method,
            buyer=IdentityKey(row.buyer),
            prefix=row.prefix,
            suffix=row.suffix,
            beef=beef,
            subject=Txid(row.txid),
            vout=row.vout,
        ),
        good=row.good,
        price=Satoshis(row.price),
        satoshis=Satoshis(row.satoshis),
        booked=row.booked,
        accept=row.accept,
        terms=None if row.terms is None else Terms.of_json(row.terms),
        state=row.state,
        reason=row.reason or "",
        doubted=row.doubted,
        height=row.height,
    )
